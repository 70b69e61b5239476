"""How the key commands find their store and its secret. The secret never stands among the arguments."""

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from core.clock import Clock, system_clock
from sm.errors import Malformed
from sm.keystore import HEADER_FILE, FileKeyStore
from sm.providers import open_provider
from sm.sm2 import Provider

MAX_SECRET_SIZE = 4096  # bytes

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Surroundings:
    """What a test may replace: put one into click's `obj`."""

    clock: Clock = system_clock


@dataclass(frozen=True)
class StorePlace:
    """Where the store is, and what opens it."""

    directory: Path
    secret: str
    provider: Provider
    clock: Clock

    def holds_store(self) -> bool:
        """Tell whether there is a store, finished or not."""
        return (self.directory / HEADER_FILE).exists()

    def open(self, environment: str | None = None) -> FileKeyStore:
        """Open the store; errors are those of FileKeyStore."""
        return FileKeyStore(self.directory, self.secret, environment)


class FromEnvironment(click.Option):
    """An option that no argument can set: everybody on the machine may read the arguments of a process."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Keep away from the arguments."""


def store_options(command: Command) -> Command:
    """Give a command the options by which `store_place` finds the store."""
    for option in (
        click.option("--provider", envvar="ECARD_SM2_PROVIDER", default="openssl", show_default=True, help="Does SM2."),
        click.option("--keystore-secret", cls=FromEnvironment, envvar="ECARD_KEYSTORE_SECRET", hidden=True),
        click.option("--secret-file", type=FILE, help="File with the secret. Otherwise ECARD_KEYSTORE_SECRET has it."),
        click.option("--home", cls=FromEnvironment, envvar="ECARD_HOME", default="var", hidden=True),
        click.option(
            "--directory",
            type=click.Path(file_okay=False, path_type=Path),
            envvar="ECARD_KEYSTORE_PATH",
            help="The key store.  [default: keys below ECARD_HOME, which is var]",
        ),
    ):
        command = option(command)
    return command


def store_place(context: click.Context, options: dict[str, Any]) -> StorePlace:
    """Take the options of `store_options` out of `options`; raise UsageError without a secret."""
    home, directory = options.pop("home"), options.pop("directory")
    secret = _read_secret(options.pop("secret_file"), options.pop("keystore_secret"))
    provider = open_provider(options.pop("provider"))
    return StorePlace(directory or Path(home) / "keys", secret, provider, surroundings(context).clock)


def surroundings(context: click.Context) -> Surroundings:
    """Tell the clock that the commands go by."""
    return context.find_object(Surroundings) or Surroundings()


def read_file(path: Path, max_size: int) -> bytes:
    """Read a file that an operator names; raise UsageError if it cannot be read, Malformed if it is too long."""
    try:
        with path.open("rb") as file:
            content = file.read(max_size + 1)
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > max_size:
        raise Malformed(f"{path} has more than {max_size} bytes")
    return content


def warn(message: str) -> None:
    """Tell the operator something beside the result."""
    click.echo(f"Warning: {message}", err=True)


def _read_secret(path: Path | None, from_environment: str | None) -> str:
    if path is None:
        if not from_environment:
            raise click.UsageError("set ECARD_KEYSTORE_SECRET, or give --secret-file")
        return from_environment
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        warn(f"others may read {path}")
    return read_file(path, MAX_SECRET_SIZE).decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
