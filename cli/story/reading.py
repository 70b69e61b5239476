"""The reader of the story: the real PC/SC stack where this machine has it, the same card in this process otherwise."""

import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from queue import Queue

from cli.story.city import Terminal
from cli.story.stage import Stage, read_line
from physical.chip.agent import Desk, EnrollmentAgent
from physical.chip.errors import ChipError
from physical.chip.in_process_reader import InProcessReader
from physical.chip.private_pcscd import PrivatePcscd, PrivatePcscdUnavailable, VirtualSlot, private_pcscd
from physical.chip.terminal_client import (
    ServiceRefused,
    ServiceUnavailable,
    Surroundings,
    TerminalClient,
    TerminalIdentity,
    open_http,
)
from physical.chip.virtual_card import VirtualCard
from sm.der import import_pkcs8, read_pem
from sm.providers import open_provider
from sm.sm2 import PrivateKey

Event = dict[str, object]
_WAIT_SECONDS = 30.0


@dataclass
class Reading:
    """An agent at work: what it tells, one event after another; ``real`` says whether PC/SC is underneath."""

    events: Queue[Event]
    real: bool
    name: str

    def next_event(self, *wanted: str) -> Event:
        """Wait for one of these events; a refusal ends the wait."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            event = self.events.get(timeout=_WAIT_SECONDS)
            if event.get("event") in {*wanted, "refused", "unavailable", ""}:
                return event
        return {"event": "unavailable", "title": "the agent is silent"}


@contextmanager
def opened_reader(
    stage: Stage, card: tuple[VirtualCard, Path], tell: Callable[[str], None], *, allowed: bool = True
) -> Iterator["ReaderPlace"]:
    """Put the card into a virtual reader under a private pcscd; tell in one line where that is not possible."""
    with ExitStack() as stack:
        try:
            _require_reader(allowed=allowed)
            daemon = stack.enter_context(private_pcscd())
        except PrivatePcscdUnavailable as reason:
            tell(f"no PC/SC here ({reason}); the story goes on with the same card inside this process")
            yield ReaderPlace(None, None, card[0])
            return
        slot = daemon.slots[0]
        module = [sys.executable, "-m", "physical.chip.virtual_reader"]
        stage.start("virtual-reader", daemon.beside([*module, "--card", str(card[1]), "--port", str(slot.port)]))
        yield ReaderPlace(daemon, slot, card[0])


def _require_reader(*, allowed: bool) -> None:
    if not allowed:
        raise PrivatePcscdUnavailable("--in-process was given")
    if find_spec("smartcard") is None:
        raise PrivatePcscdUnavailable("pyscard was not built: apt-get install gcc libpcsclite-dev swig; make clean run")


@dataclass(frozen=True)
class ReaderPlace:
    """Where the card is."""

    daemon: PrivatePcscd | None
    slot: VirtualSlot | None
    card: VirtualCard

    def start_agent(self, stage: Stage, address: str, desk: Terminal, pin: bytes) -> Reading:
        """Let the agent carry out one enrollment beside this reader."""
        if self.daemon is None or self.slot is None:
            return _start_in_process(address, desk, self.card, pin)
        return _start_process(stage, address, desk, (self.daemon, self.slot), pin)


def _start_process(
    stage: Stage, address: str, desk: Terminal, place: tuple[PrivatePcscd, VirtualSlot], pin: bytes
) -> Reading:
    daemon, slot = place
    pin_read, pin_write = os.pipe()
    arguments = {
        "--service": address,
        "--terminal": desk.id,
        "--serial": desk.serial,
        "--key": str(desk.key),
        "--reader": slot.reader,
        "--pcsc-socket": str(daemon.socket),
        "--operator": "op-1",
        "--pin-from": f"fd:{pin_read}",
    }
    command = [sys.executable, "-m", "cli", "agent", *(part for pair in arguments.items() for part in pair)]
    process = stage.start("agent", [*command, "--once", "--json-events"], stdout=True, pass_fds=(pin_read,))
    os.close(pin_read)
    os.write(pin_write, pin + b"\n")
    os.close(pin_write)
    events: Queue[Event] = Queue()

    def follow() -> None:
        while event := read_line(process):
            events.put(event)
        events.put({"event": ""})

    threading.Thread(target=follow, daemon=True).start()
    return Reading(events, real=True, name=slot.reader)


def _start_in_process(address: str, desk: Terminal, card: VirtualCard, pin: bytes) -> Reading:
    events: Queue[Event] = Queue()

    def tell(event: str, **facts: object) -> None:
        events.put({"event": event, **facts})

    identity = TerminalIdentity(desk.id, desk.serial, open_provider().signer(_read_key(desk.key)))
    surroundings = Surroundings(
        now=lambda: datetime.now(UTC),
        ticks=time.perf_counter,
        random_text=lambda: secrets.token_hex(16),
        random_share=lambda: 0.5,
        pause=time.sleep,
    )

    def work() -> None:
        with open_http(address) as http:
            client = TerminalClient(identity, http, surroundings)
            shown = Desk("op-1", lambda display: tell("show", display=display), tell)
            try:
                EnrollmentAgent(client, InProcessReader(card), _Pin(pin), shown, surroundings).enroll()
            except (ChipError, ServiceRefused, ServiceUnavailable) as error:
                tell("refused", code=error.__class__.__name__, title=str(error))

    threading.Thread(target=work, daemon=True).start()
    return Reading(events, real=False, name="in process")


@dataclass(frozen=True)
class _Pin:
    """The synthetic holder at the PIN pad."""

    digits: bytes

    def read_pin(self) -> bytearray:
        return bytearray(self.digits)


def _read_key(file: Path) -> PrivateKey:
    return import_pkcs8(read_pem("PRIVATE KEY", file.read_text(encoding="ascii")))
