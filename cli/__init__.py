"""The command `ecard`. Each command's module is imported when the command is called, and not before.

So the agent beside a reader starts without the web service's libraries, and the service without a reader's.
Exit codes: 0 done, 1 refused or found something, 2 wrong usage, 3 unavailable.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from core.errors import Kind, Refusal
from sm.errors import KeyStoreUnavailable, ProviderUnavailable, SmError

VERSION = "0.1.0"  # as in pyproject.toml
REFUSED, UNAVAILABLE = 1, 3


@dataclass(frozen=True)
class CommandPlace:
    """Where a command is written, and its line in the help."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "serve": CommandPlace("cli.serve", "serve", "Run the web service."),
    "worker": CommandPlace("cli.worker", "worker", "Deliver notices and do what is due."),
    "agent": CommandPlace("physical.chip.agent_command", "agent", "Enroll holders at a card reader."),
    "story": CommandPlace("cli.story", "story", "Play the whole story on this machine."),
    "demo": CommandPlace("cli.demo", "demo", "Go on by hand where the story ended."),
    "keys": CommandPlace("cli.keys", "keys", "Make, show and rotate keys."),
    "db": CommandPlace("cli.db", "db", "Prepare and migrate the database."),
    "audit": CommandPlace("cli.audit", "audit", "Verify the audit chain."),
    "verify": CommandPlace("cli.verify", "verify", "Judge codes without the service."),
    "cards": CommandPlace("cli.cards", "cards", "Look at cards and change their standing."),
    "enrol": CommandPlace("cli.enrol", "enrol", "Make this machine a terminal of an institution."),
    "terminals": CommandPlace("cli.terminals", "terminals", "Register and withdraw terminals."),
    "clients": CommandPlace("cli.clients", "clients", "Register and suspend OAuth clients."),
    "channels": CommandPlace("cli.channels", "channels", "Register partner apps that carry the card."),
    "sign": CommandPlace("cli.sign", "sign", "Sign a partner's request; explain a refused one."),
    "listen": CommandPlace("cli.listen", "listen", "Receive news as a partner does, and verify it."),
    "sandbox": CommandPlace("cli.sandbox", "sandbox", "Made-up cards for a channel in the sandbox."),
    "trigger": CommandPlace("cli.trigger", "trigger", "Have trial news told to a channel in the sandbox."),
    "statements": CommandPlace("cli.statements", "statements", "Make and verify what institutions redeemed on a day."),
    "reconcile": CommandPlace("cli.reconcile", "reconcile", "Compare an institution's records with ours."),
    "news": CommandPlace("cli.news", "news", "Look at what channels are told, and send it again."),
}


class Failed(click.ClickException):
    """A "no" that is shown in one line."""

    exit_code = REFUSED


class NotAvailable(Failed):
    """Something that is needed is not here, or not now."""

    exit_code = UNAVAILABLE


class LazyGroup(click.Group):
    """A group that imports a command when it is called, and shows its refusals without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command; raise NotAvailable when its module, or one that it needs, is not installed."""
        place = COMMANDS.get(cmd_name)
        return None if place is None else _load(cmd_name, place)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the list of commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.help) for name, place in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; turn what it refuses into one line and an exit code."""
        try:
            return super().invoke(ctx)
        except (SmError, Refusal) as refusal:
            shown = NotAvailable if _is_unavailable(refusal) else Failed
            raise shown(f"{refusal.code}: {refusal}{_what_to_do(refusal)}") from refusal


def _is_unavailable(refusal: SmError | Refusal) -> bool:
    if isinstance(refusal, Refusal):
        return refusal.kind is Kind.UNAVAILABLE
    return isinstance(refusal, (KeyStoreUnavailable, ProviderUnavailable))


def _what_to_do(refusal: SmError | Refusal) -> str:
    return f" ({refusal.next_en})" if isinstance(refusal, Refusal) else ""


def _load(name: str, place: CommandPlace) -> click.Command:
    try:
        command = getattr(import_module(place.module), place.attribute)
    except ModuleNotFoundError as missing:
        raise NotAvailable(f"`ecard {name}` needs {missing.name}, which is not installed") from missing
    if not isinstance(command, click.Command):
        raise TypeError(f"{place.module}:{place.attribute} is no command")
    return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 refused or found something, 2 wrong usage, 3 unavailable.",
)
@click.version_option(VERSION, prog_name="ecard")
def main() -> None:
    """Electronic social security card (电子社保卡)."""
