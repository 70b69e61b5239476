"""`ecard agent`: the program beside a card reader."""

import logging
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click

from physical.chip.agent import Desk, EnrollmentAgent, PhoneDidNotCome
from physical.chip.agent_events import LANGUAGES, EventWriter, facts_of, log_json_lines
from physical.chip.errors import ChipError, ReaderUnavailable
from physical.chip.pinpad import FdPinPad, PinPad, PromptPinPad
from physical.chip.terminal_client import (
    ServiceRefused,
    ServiceUnavailable,
    Surroundings,
    TerminalClient,
    TerminalIdentity,
    open_http,
)
from physical.chip.trace import APDU_LEVEL, APDU_LOGGER, name_apdu_level
from physical.chip.watched_reader import ANSWER_WITHIN_SECONDS, WatchedReader, list_readers
from sm.der import import_pkcs8, read_pem
from sm.errors import SmError
from sm.providers import open_provider

DONE, REFUSED, UNAVAILABLE = 0, 1, 3
# A program around this one may put its own way to show the code into click's meta: a function of the display text.
SHOW = "physical.chip.agent_command.show"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PAUSE_AFTER_FAULT_SECONDS = 5.0
OTHERS_MAY = 0o077
PROMPT = {"zh": "请输入社保卡密码：", "en": "PIN of the social security card: "}

EPILOG = """
\b
Exit codes: 0 done, 1 refused (by card, holder or service), 3 service or reader unavailable.

\b
The PIN comes from the keyboard of this terminal, or as one line from an open file descriptor:
  ecard agent ... --once --pin-from fd:3 3< /path/to/pin-pad

\b
Give --reader where more than one reader is connected; a wrong name lists them.
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line said."""

    service: str
    terminal: str
    serial: str
    key: Path
    reader: str | None
    pcsc_socket: Path | None
    operator: str
    pin_from: str
    once: bool
    json_events: bool
    language: str
    ca_file: str | None
    answer_within: float
    trace_apdus: bool


@click.command("agent", short_help="Enroll holders at a card reader.", epilog=EPILOG)
@click.option(
    "--service", required=True, metavar="URL", help="Base URL of the service: https, or http on this machine."
)
@click.option("--terminal", required=True, metavar="ID", help="Id of this registered terminal (trm_...).")
@click.option("--serial", required=True, metavar="NO", help="Serial number of the terminal's key.")
@click.option(
    "--key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The terminal's SM2 key: PKCS #8 in PEM, readable by its owner only.",
)
@click.option("--reader", metavar="NAME", help="Name of the reader as PC/SC shows it. Default: the only one there is.")
@click.option(
    "--pcsc-socket", type=click.Path(path_type=Path), help="Socket of the PC/SC daemon, if not the usual one."
)
@click.option("--operator", default="self-service", show_default=True, help="Who serves at this terminal.")
@click.option(
    "--pin-from", default="prompt", show_default=True, metavar="prompt|fd:N", help="Where the PIN comes from."
)
@click.option("--once/--watch", default=True, show_default=True, help="One enrollment, or one after another.")
@click.option("--json-events", is_flag=True, help="Write one line of JSON for each step, for a program that follows.")
@click.option("--language", type=click.Choice(LANGUAGES), default="zh", show_default=True, help="Of what people read.")
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False), help="Certificates to trust, PEM.")
@click.option(
    "--answer-within",
    type=click.FloatRange(min=0.1),
    default=ANSWER_WITHIN_SECONDS,
    show_default=True,
    help="Seconds after which a silent card is given up.",
)
@click.option("--trace-apdus", is_flag=True, help="Log APDUs; personal data and PINs are masked.")
@click.pass_context
def agent(ctx: click.Context, /, **options: Any) -> None:
    """Show a code for the phone, read the social security card, let the service verify both.

    The agent works beside one PC/SC reader with the key of one registered terminal. It asks the holder for the PIN,
    never stores or logs it, and never uses its last try.
    """
    settings = Settings(**options)
    log_json_lines(logging.INFO)
    name_apdu_level()
    if settings.trace_apdus:
        logging.getLogger(APDU_LOGGER).setLevel(APDU_LEVEL)
    signal.signal(signal.SIGTERM, stop)
    ctx.exit(run(settings, ctx.meta.get(SHOW)))


def stop(_signal: int, _frame: FrameType | None) -> None:
    """End like Ctrl-C does: the enrollment under way is abandoned, the reader given back."""
    raise KeyboardInterrupt


def run(settings: Settings, show: Callable[[str], None] | None = None) -> int:
    """Do what the settings say and return the exit code. Raises click's errors for settings that cannot be used."""
    require_private_channel(settings.service)
    surroundings = real_surroundings()
    events = EventWriter(as_json=settings.json_events, now=surroundings.now)
    desk = Desk(settings.operator, show or (lambda display: events("show", display=display)), events)
    pin_pad, identity = open_pin_pad(settings), read_identity(settings)
    try:
        name = choose_reader(settings.reader, list_readers(settings.pcsc_socket))
    except ReaderUnavailable as error:
        events("unavailable", **facts_of(error, settings.language))
        return UNAVAILABLE
    reader = WatchedReader(name, answer_within=settings.answer_within, pcsc_socket=settings.pcsc_socket)
    with closing(reader), open_http(settings.service, language=settings.language, ca_file=settings.ca_file) as http:
        client = TerminalClient(identity, http, surroundings)
        worker = EnrollmentAgent(client, reader, pin_pad, desk, surroundings)
        try:
            return enroll_once(worker, events, settings) if settings.once else keep_enrolling(worker, events, settings)
        except KeyboardInterrupt:
            events("stopped")
            return REFUSED if settings.once else DONE


def enroll_once(worker: EnrollmentAgent, events: EventWriter, settings: Settings) -> int:
    try:
        worker.enroll()
    except (ServiceUnavailable, ReaderUnavailable) as error:
        events("unavailable", **facts_of(error, settings.language))
        return UNAVAILABLE
    except (ServiceRefused, ChipError, PhoneDidNotCome) as error:
        events("refused", **facts_of(error, settings.language))
        return REFUSED
    return DONE


def keep_enrolling(worker: EnrollmentAgent, events: EventWriter, settings: Settings) -> NoReturn:
    """Go on until stopped; each enrollment starts with an empty reader."""
    while True:
        worker.wait_until_card_is_taken()
        if enroll_once(worker, events, settings) == UNAVAILABLE:
            time.sleep(PAUSE_AFTER_FAULT_SECONDS)


def require_private_channel(service: str) -> None:
    """Let holder data leave this machine over TLS only."""
    address = urlsplit(service)
    if address.scheme == "https" or (address.scheme == "http" and address.hostname in LOOPBACK):
        return
    raise click.BadParameter("an https address is needed, or http on this machine", param_hint="--service")


def choose_reader(wanted: str | None, readers: list[str]) -> str:
    if wanted in readers:
        return wanted
    if wanted is None and len(readers) == 1:
        return readers[0]
    if not readers:
        raise ReaderUnavailable("no card reader is connected")
    raise click.BadParameter(f"choose one of: {', '.join(readers)}", param_hint="--reader")


def open_pin_pad(settings: Settings) -> PinPad:
    if settings.pin_from == "prompt":
        return PromptPinPad(PROMPT[settings.language])
    name, _, number = settings.pin_from.partition(":")
    if name == "fd" and number.isascii() and number.isdigit():
        return FdPinPad(int(number))
    raise click.BadParameter("prompt or fd:N", param_hint="--pin-from")


def read_identity(settings: Settings) -> TerminalIdentity:
    """Read the terminal's key; one that others may read is not used."""
    if settings.key.stat().st_mode & OTHERS_MAY:
        raise click.BadParameter(f"others may read it: chmod 600 {settings.key}", param_hint="--key")
    try:
        private_key = import_pkcs8(read_pem("PRIVATE KEY", settings.key.read_text(encoding="ascii")))
        signer = open_provider().signer(private_key)
    except (SmError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"no SM2 key: {error}", param_hint="--key") from error
    return TerminalIdentity(settings.terminal, settings.serial, signer)


def real_surroundings() -> Surroundings:
    return Surroundings(
        now=lambda: datetime.now(UTC),
        ticks=time.perf_counter,
        random_text=lambda: secrets.token_hex(16),
        random_share=lambda: secrets.randbelow(1_000_001) / 1_000_000,
        pause=time.sleep,
    )
