"""A private PC/SC daemon with virtual cards in its slots, for tests on the true stack."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from physical.chip.private_pcscd import PrivatePcscd, PrivatePcscdUnavailable, VirtualSlot, private_pcscd
from physical.chip.reader import Presence
from physical.chip.virtual_card import VirtualCard
from physical.chip.virtual_reader import command_line, tell
from physical.chip.watched_reader import WatchedReader

PATIENCE_SECONDS = 15.0


@dataclass
class Slot:
    """One slot of the daemon: a hand that puts cards in, and the reader that a program sees."""

    place: VirtualSlot
    control: Path
    process: subprocess.Popen[str]
    reader: WatchedReader

    def tell(self, command: str) -> None:
        answer = tell(self.control, command)
        assert answer == "ok", answer

    def wait_for_card(self) -> Presence:
        return self._wait_until(present=True)

    def wait_until_empty(self) -> Presence:
        return self._wait_until(present=False)

    def _wait_until(self, *, present: bool) -> Presence:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            presence = self.reader.look(200)
            if presence.card_present is present:
                return presence
        raise AssertionError(f"the reader never showed {'a card' if present else 'an empty slot'}")


class Stack:
    """The daemon and what the test put into it."""

    def __init__(self, daemon: PrivatePcscd, leave: ExitStack) -> None:
        self.daemon = daemon
        self._leave = leave

    def watched(self, slot: int = 0, *, answer_within: float = 10.0) -> WatchedReader:
        """Another program's view of a reader."""
        name = self.daemon.slots[slot].reader
        reader = WatchedReader(name, answer_within=answer_within, pcsc_socket=self.daemon.socket)
        self._leave.callback(reader.close)
        return reader

    def card_file(self, card: VirtualCard, name: str) -> Path:
        file = self.daemon.folder / f"{name}.json"
        file.write_text(card.to_json(), encoding="utf-8")
        return file

    def put(self, card: VirtualCard, slot: int = 0, *, absent: bool = False, answer_within: float = 10.0) -> Slot:
        """Start the virtual reader of a slot with this card."""
        place, control = self.daemon.slots[slot], self.daemon.folder / f"slot{slot}"
        file = self.card_file(card, f"card{slot}")
        process = subprocess.Popen(
            self.daemon.beside(command_line(file, place.port, control, absent=absent)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._leave.callback(_end, process)
        assert process.stdout.readline() == "ready\n"
        return Slot(place, control, process, self.watched(slot, answer_within=answer_within))


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate()


@contextmanager
def running_stack() -> Iterator[Stack]:
    """A daemon of this test's own. A machine that cannot run it fails the test with the line that helps."""
    with ExitStack() as leave:
        yield Stack(_start_daemon(leave), leave)


def _start_daemon(leave: ExitStack) -> PrivatePcscd:
    try:
        return leave.enter_context(private_pcscd())
    except PrivatePcscdUnavailable as missing:
        what_to_do = str(missing)
    pytest.fail(what_to_do, pytrace=False)
