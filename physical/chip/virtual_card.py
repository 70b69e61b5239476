"""A whole card in this process: for tests, and behind a virtual reader for development. Never in production.

Everything a reader could notice is imitated: T=0's 61xx and 6Cxx, counters that lock, challenges good for one use,
access conditions, a reset that forgets; and, when told so, a card that falls mute, is pulled, or talks nonsense.
"""

import secrets
import time
from collections.abc import Callable

from physical.chip.apdu import (
    INS_GET_RESPONSE,
    MAX_ANSWER_DATA,
    Answer,
    Command,
    Octets,
    Transmission,
    read_command,
)
from physical.chip.card import INS_READ_RECORD
from physical.chip.errors import CardMute, CardRemoved, MalformedCommand
from physical.chip.profiles import CardProfile
from physical.chip.status import SW, SW1_MORE_DATA, SW1_WRONG_LE
from physical.chip.virtual_card_commands import ChipCommands, Session
from physical.chip.virtual_card_contents import CardContents, read_card_file, write_card_file
from physical.chip.virtual_card_faults import NO_FAULTS, Faults
from sm.sm2 import Provider

_GARBAGE = (bytes.fromhex("DEADBEEF"), 0x0000)  # no card ends an answer with 0000


class VirtualCard:
    """One card as a `Connection`; it belongs to one thread at a time."""

    def __init__(
        self,
        contents: CardContents,
        provider: Provider,
        *,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
        sleep: Callable[[float], None] = time.sleep,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._commands = ChipCommands(contents, provider, randomness)
        self._sleep = sleep
        self._pending = b""
        self.set_faults(faults)

    @classmethod
    def from_json(cls, given: str, provider: Provider, *, faults: Faults = NO_FAULTS) -> "VirtualCard":
        """Make a card from the text of its file; raise CardFileUnusable."""
        return cls(read_card_file(given), provider, faults=faults)

    def to_json(self) -> str:
        """Write the card with its counters; the text contains development keys and PINs."""
        return write_card_file(self.contents)

    @property
    def contents(self) -> CardContents:
        """What the card holds; tests and the command line look into it, a reader never does."""
        return self._commands.contents

    @property
    def profile(self) -> CardProfile:
        """What kind of card this is."""
        return self.contents.profile

    @property
    def atr(self) -> bytes:
        """The answer to reset."""
        return self.contents.atr

    def set_faults(self, faults: Faults) -> None:
        """Have these faults from now on; commands are counted anew."""
        self._faults = faults
        self._count = 0
        self._mute = False
        self._removed = False

    def reset(self) -> bytes:
        """Power off and on: selection, challenge and proofs are forgotten, counters stay. Return the ATR."""
        self._commands.session = Session()
        self._pending = b""
        self._mute = False
        self._removed = False
        return self.atr

    def send_and_receive(self, apdu: Octets) -> tuple[bytes, int]:
        """Take one command APDU; return data and status word.

        Raises:
            CardMute, CardRemoved: as the faults say, at every command until `reset`
        """
        self._count += 1
        self._suffer_faults()
        answer = self._transmit(apdu)
        if self._faults.garble_every or self._count == self._faults.garble_on:
            return _GARBAGE
        return answer.data, int(answer.status_word)

    def _suffer_faults(self) -> None:
        self._removed = self._removed or self._count == self._faults.remove_on
        self._mute = self._mute or self._count == self._faults.mute_on
        if self._faults.delay_seconds:
            self._sleep(self._faults.delay_seconds)
        if self._removed:
            self._commands.session = Session()  # without power nothing that was proven stays
            raise CardRemoved
        if self._mute:
            raise CardMute

    def _transmit(self, apdu: Octets) -> Answer:
        try:
            command = read_command(apdu)
        except MalformedCommand:
            return Answer(b"", SW.WRONG_LENGTH)
        if command.ins == INS_GET_RESPONSE:
            return self._get_response(command)
        self._pending = b""
        answer = self._commands.handle(command)
        if not answer.data:
            return answer
        return self._over_t0(command, answer) if self._is_t0() else _over_tcl(command, answer)

    def _is_t0(self) -> bool:
        return self.profile.transmission is Transmission.T0

    def _over_t0(self, command: Command, answer: Answer) -> Answer:
        """Hand out data as T=0 does: after command data by GET RESPONSE, else at exactly the length asked for."""
        if command.data:
            self._pending = answer.data
            return Answer(b"", SW1_MORE_DATA << 8 | len(answer.data) & 0xFF)
        if command.le != len(answer.data):
            return _wrong_le(answer.data)
        return answer

    def _get_response(self, command: Command) -> Answer:
        if not self._pending:
            return Answer(b"", SW.CONDITIONS_NOT_SATISFIED)
        if command.le > len(self._pending):
            return _wrong_le(self._pending)
        data, self._pending = self._pending[: command.le], self._pending[command.le :]
        return Answer(data, SW1_MORE_DATA << 8 | len(self._pending) & 0xFF if self._pending else SW.OK)


def _over_tcl(command: Command, answer: Answer) -> Answer:
    """Without Le no data is asked for; a record is given whole or not at all."""
    if command.ins == INS_READ_RECORD and command.le < len(answer.data):
        return _wrong_le(answer.data)
    return Answer(answer.data[: command.le], answer.status_word)


def _wrong_le(data: bytes) -> Answer:
    return Answer(b"", SW1_WRONG_LE << 8 | min(len(data), MAX_ANSWER_DATA) & 0xFF)
