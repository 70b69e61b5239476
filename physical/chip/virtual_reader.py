"""A virtual card in a virtual reader: it dials in at vpcd's port, and is put in, taken out and broken by command.

    python -m physical.chip.virtual_reader --card card.json --port 35963

For development and tests; it does not start where ECARD_ENVIRONMENT says production.
"""

import os
import select
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from physical.chip.errors import CardFileUnusable, CardRemoved
from physical.chip.virtual_card import VirtualCard
from physical.chip.virtual_card_faults import NO_FAULTS, Faults
from physical.chip.vpcd import LinkClosed, VpcdLink, answer
from sm.providers import open_provider

PRODUCTION = "production"
DIAL_AGAIN_SECONDS = 0.05
# The daemon looks every 400 ms; a card that comes back sooner than two looks would not be seen to have been away.
EMPTY_SECONDS = 0.9
DAEMON_GONE_SECONDS = 60.0  # longer than any restart; then nobody will come back
CONTROL_SECONDS = 5.0
LONGEST_COMMAND = 4096
COMMANDS = """
\b
Commands, one on a line, each answered by "ok" or "error ...":
  insert        put the card in
  remove        take it out
  swap FILE     take it out and put another one in
  mute [N]      give no answer to the Nth command from now (default 1) and later ones
  pull [N]      take the card out in the middle of the Nth command from now
  garble [N]    answer the Nth command from now with nonsense
  heal          behave again
  state         answer "in" or "out", "linked" once the reader was reached
  quit          end
"""


class CommandUnknown(Exception):
    """A line that is no command of this reader."""


class VirtualReader:
    """One slot: the card that is wanted in it, and the link that makes the daemon see it."""

    def __init__(self, port: int, card: VirtualCard, load_card: Callable[[Path], VirtualCard]) -> None:
        self._port = port
        self._card = card
        self._load_card = load_card
        self._wanted = False
        self._not_before = 0.0
        self.link: VpcdLink | None = None
        self.ended = False

    @property
    def wants_link(self) -> bool:
        return self._wanted and self.link is None

    def obey(self, line: str) -> str:
        """Carry out one command and return its answer. Raises CommandUnknown, CardFileUnusable."""
        name, _, argument = line.strip().partition(" ")
        match name:
            case "insert":
                self.insert()
            case "remove":
                self.remove()
            case "swap":
                self.swap(Path(argument))
            case "mute" | "pull" | "garble" | "heal":
                self._card.set_faults(read_faults(name, argument))
            case "state":
                return " ".join(["in" if self._wanted else "out", *(["linked"] if self.link else [])])
            case "quit":
                self.ended = True
            case _:
                raise CommandUnknown(f"no such command: {name[:20]}")
        return "ok"

    def insert(self) -> None:
        self._wanted = True

    def remove(self) -> None:
        self._wanted = False
        self._hang_up()

    def swap(self, file: Path) -> None:
        card = self._load_card(file)
        self._hang_up()
        self._card = card
        self.insert()

    def dial(self) -> None:
        """Reach for the daemon; a daemon that restarts is reached later."""
        if self.link is not None or time.monotonic() < self._not_before:
            return
        try:
            self.link = VpcdLink.open(self._port)
        except OSError:
            return
        self._card.reset()

    def serve_one_message(self) -> None:
        """Answer one message of the daemon."""
        if self.link is None:
            return
        try:
            reply = answer(self._card, self.link.read_message())
            if reply is not None:
                self.link.write_message(reply)
        except LinkClosed:
            self._hang_up()
        except CardRemoved:
            self.remove()

    def _hang_up(self) -> None:
        if self.link is not None:
            self.link.close()
            self._not_before = time.monotonic() + EMPTY_SECONDS
        self.link = None


def read_faults(name: str, argument: str) -> Faults:
    if name == "heal":
        return NO_FAULTS
    if argument and not (argument.isascii() and argument.isdigit() and int(argument) > 0):
        raise CommandUnknown(f"{name} takes the number of a command")
    number = int(argument or 1)
    return {"mute": Faults(mute_on=number), "pull": Faults(remove_on=number), "garble": Faults(garble_on=number)}[name]


class Controls:
    """Where commands come from: standard input, and a socket if one was asked for."""

    def __init__(self, reader: VirtualReader, control: Path | None) -> None:
        self._reader = reader
        self._unread = b""
        self._server = open_control(control) if control else None
        self._stdin: int | None = sys.stdin.fileno()

    def sources(self) -> list[socket.socket | int]:
        return [source for source in (self._stdin, self._server) if source is not None]

    def serve(self, source: socket.socket | int) -> None:
        if source is self._server and self._server is not None:
            self._serve_caller(self._server)
        else:
            self._serve_stdin()

    def _serve_caller(self, server: socket.socket) -> None:
        caller, _ = server.accept()
        with caller:
            caller.settimeout(CONTROL_SECONDS)
            try:
                caller.sendall(self._answer(caller.recv(LONGEST_COMMAND).decode(errors="replace")).encode())
            except OSError:
                return  # a caller who does not wait for the answer needs none

    def _serve_stdin(self) -> None:
        """Obey whole lines. Without a socket the end of standard input is the end: nobody could command any more."""
        given = os.read(sys.stdin.fileno(), LONGEST_COMMAND)
        if not given:
            self._stdin = None
            self._reader.ended = self._reader.ended or self._server is None
        *lines, self._unread = (self._unread + given).split(b"\n")
        for line in lines:
            click.echo(self._answer(line.decode(errors="replace")))

    def _answer(self, line: str) -> str:
        try:
            return self._reader.obey(line)
        except (CommandUnknown, CardFileUnusable, OSError) as error:
            return f"error {error}"


def open_control(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    path.chmod(0o600)
    server.listen()
    return server


def tell(control: Path, command: str) -> str:
    """Send one command to a running virtual reader and return its answer, "ok" or "error …". Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(CONTROL_SECONDS)
        caller.connect(str(control))
        caller.sendall(command.encode())
        return caller.recv(LONGEST_COMMAND).decode()


def command_line(card: Path, port: int, control: Path, *, absent: bool = False) -> list[str]:
    """Return the command that starts a virtual reader; run it beside the daemon (`PrivatePcscd.beside`).

    It writes "ready" when it takes commands at `control`.
    """
    options = ["--card", str(card), "--port", str(port), "--control", str(control)]
    return [sys.executable, "-m", "physical.chip.virtual_reader", *options, *(["--absent"] if absent else [])]


def run(reader: VirtualReader, controls: Controls) -> None:
    """Serve daemon and commands until told to end, or until the daemon stays away."""
    last_linked = time.monotonic()
    while not reader.ended and time.monotonic() - last_linked < DAEMON_GONE_SECONDS:
        link = [reader.link] if reader.link is not None else []
        ready, _, _ = select.select(
            [*link, *controls.sources()], [], [], DIAL_AGAIN_SECONDS if reader.wants_link else 1
        )
        for source in ready:
            if source is reader.link:
                reader.serve_one_message()
            elif not isinstance(source, VpcdLink):
                controls.serve(source)
        if reader.wants_link:
            reader.dial()
        if not reader.wants_link:
            last_linked = time.monotonic()


@click.command(epilog=COMMANDS)
@click.option("--card", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Card file.")
@click.option("--port", required=True, type=click.IntRange(1, 0xFFFF), help="vpcd's port of this slot.")
@click.option("--absent", is_flag=True, help="Start with the reader empty.")
@click.option("--control", type=click.Path(path_type=Path), help="Take commands from this socket as well.")
@click.option("--environment", envvar="ECARD_ENVIRONMENT", default="development", help="Not to be production.")
def main(card: Path, port: int, absent: bool, control: Path | None, environment: str) -> None:
    """Put a virtual card into a virtual reader. A stand-in for development: it never runs in production."""
    if environment == PRODUCTION:
        raise click.ClickException("a virtual card does not run in production")
    provider = open_provider()

    def load_card(file: Path) -> VirtualCard:
        return VirtualCard.from_json(file.read_text(encoding="utf-8"), provider)

    try:
        reader = VirtualReader(port, load_card(card), load_card)
    except CardFileUnusable as error:
        raise click.ClickException(str(error)) from error
    controls = Controls(reader, control)
    click.echo("warning: this is a virtual card with development keys", err=True)
    if not absent:
        reader.insert()
    click.echo("ready")
    run(reader, controls)


if __name__ == "__main__":
    main()
