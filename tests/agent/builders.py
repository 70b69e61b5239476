"""An agent with everything around it, in one process."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from physical.chip.agent import Desk, EnrollmentAgent
from physical.chip.apdu import Octets, Transmission
from physical.chip.errors import CardRemoved, ReaderUnavailable
from physical.chip.reader import Presence
from physical.chip.terminal_client import Surroundings, TerminalClient, TerminalIdentity, open_http
from physical.chip.virtual_card import VirtualCard
from tests.agent.fake_service import SERIAL, START, TERMINAL, FakeService
from tests.chip.builders import counting_randomness, make_card, provider

EMPTY = Presence(card_present=False, mute=False, in_use=False, atr=b"")


class Clock:
    """A clock that only a pause, or a look at the reader, moves."""

    def __init__(self) -> None:
        self.time = START
        self.pauses: list[float] = []

    def now(self) -> datetime:
        return self.time

    def ticks(self) -> float:
        self.time += timedelta(milliseconds=7)
        return (self.time - START).total_seconds()

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += timedelta(seconds=seconds)


def surroundings(clock: Clock) -> Surroundings:
    randomness = counting_randomness(b"agent")
    return Surroundings(
        now=clock.now,
        ticks=clock.ticks,
        random_text=lambda: randomness(16).hex(),
        random_share=lambda: 1.0,
        pause=clock.pause,
    )


@dataclass
class SlotInProcess:
    """A reader whose card is a Python object; `failing_looks` come first, then `empty_looks`."""

    card: VirtualCard | None
    clock: Clock
    failing_looks: int = 0
    empty_looks: int = 0
    connected: bool = False

    def look(self, within_ms: int) -> Presence:
        if self.failing_looks:
            self.failing_looks -= 1
            raise ReaderUnavailable
        if self.empty_looks or self.card is None:
            self.empty_looks -= 1
            self.clock.time += timedelta(milliseconds=within_ms)
            return EMPTY
        return Presence(card_present=True, mute=False, in_use=False, atr=self.card.atr)

    def connect(self) -> Transmission:
        if self.card is None:
            raise CardRemoved
        self.card.reset()
        self.connected = True
        return self.card.profile.transmission

    def send_and_receive(self, apdu: Octets) -> tuple[bytes, int]:
        assert self.connected
        return self.card.send_and_receive(apdu)

    def disconnect(self) -> None:
        self.connected = False


class KeptPinPad:
    """Gives a PIN and keeps the very buffers that it gave, to see whether they were wiped."""

    def __init__(self, pin: bytes) -> None:
        self._pin = pin
        self.given: list[bytearray] = []

    def read_pin(self) -> bytearray:
        self.given.append(bytearray(self._pin))
        return self.given[-1]


@dataclass
class Bench:
    """One agent, what it works with, and what it told."""

    service: FakeService
    slot: SlotInProcess
    pin_pad: KeptPinPad
    clock: Clock
    agent: EnrollmentAgent
    shown: list[str] = field(default_factory=list)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def steps(self) -> list[str]:
        return [step for step, _ in self.told]


def client_of(service: FakeService, clock: Clock, **http: Any) -> TerminalClient:
    identity = TerminalIdentity(TERMINAL, SERIAL, provider().signer(service.terminal_key))
    transport = http.pop("transport", None) or service.transport()
    return TerminalClient(identity, open_http("https://card.example", transport=transport), surroundings(clock))


def make_bench(card: VirtualCard | None = None, *, pin: bytes = b"271828", **service: Any) -> Bench:
    """Set up an enrollment; by default of a 3.0 card whose PIN the holder knows."""
    clock, shown, told = Clock(), [], []
    fake = FakeService(now=clock.now, **service)
    slot = SlotInProcess(card or make_card(pin=b"271828"), clock)
    pin_pad = KeptPinPad(pin)
    desk = Desk("op-1", shown.append, lambda step, **facts: told.append((step, facts)))
    agent = EnrollmentAgent(client_of(fake, clock), slot, pin_pad, desk, surroundings(clock))
    return Bench(fake, slot, pin_pad, clock, agent, shown, told)
