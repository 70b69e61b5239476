"""Short APDUs: their bytes, and the conversation that T=0 makes of one command.

The card is seen through one method, `Connection.send_and_receive`: a reader, a virtual card and a fake are all one.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from physical.chip.errors import MalformedAnswer, MalformedCommand
from physical.chip.status import SW1_MORE_DATA, SW1_WRONG_LE, is_well_formed

Octets = bytes | bytearray

MAX_COMMAND_DATA = 255  # Lc is one byte (ISO 7816-4 clause 5.2)
MAX_ANSWER_DATA = 256  # Le = 00 asks for 256
MAX_ROUNDS = 32  # of GET RESPONSE and corrected Le for one command; no file of this card needs more than five

INS_GET_RESPONSE = 0xC0


class Transmission(StrEnum):
    """How bytes travel: T=0 on contacts, T=CL (ISO 14443-4, a block protocol) without."""

    T0 = "T=0"
    TCL = "T=CL"


class Connection(Protocol):
    """A card that takes one command and gives one answer."""

    def send_and_receive(self, apdu: Octets) -> tuple[bytes, int]:
        """Send a command APDU; return data and status word.

        The implementation must not keep `apdu`: it can hold a PIN and is wiped by its owner afterwards.

        Raises:
            CardRemoved, CardMute, ReaderUnavailable, MalformedAnswer
        """
        ...


class Answer(NamedTuple):
    """What the card gave back: data (0 to 256 bytes of one answer) and the status word."""

    data: bytes
    status_word: int


@dataclass(frozen=True, slots=True)
class Command:
    """One command; `le` is the number of bytes expected, 0 for none, 256 for as many as there are."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: Octets = field(default=b"", repr=False)
    le: int = 0
    secret: bool = False


def format_short(command: Command, transmission: Transmission) -> bytearray:
    """Build the bytes of a short APDU.

    T=0 has no room for Le beside data (ISO 7816-3 clause 12.2.2): there the card announces 61xx instead.
    Without data and Le a fifth byte 00 stands for both.
    """
    if len(command.data) > MAX_COMMAND_DATA or not 0 <= command.le <= MAX_ANSWER_DATA:
        raise ValueError("no short APDU can carry this")
    apdu = bytearray((command.cla, command.ins, command.p1, command.p2))
    if command.data:
        apdu.append(len(command.data))
        apdu += command.data
    if command.le and not (command.data and transmission is Transmission.T0):
        apdu.append(command.le & 0xFF)
    elif not command.data:
        apdu.append(0)
    return apdu


def read_command(given: Octets) -> Command:
    """Read a short command APDU as the card does.

    Raises:
        MalformedCommand: header and lengths do not fit (the card says 6700)
    """
    if len(given) < 4:
        raise MalformedCommand("a command has four bytes at least")
    cla, ins, p1, p2 = given[:4]
    body = given[4:]
    if len(body) <= 1:
        return Command(cla, ins, p1, p2, le=(body[0] or MAX_ANSWER_DATA) if body else 0)
    data, rest = body[1 : 1 + body[0]], body[1 + body[0] :]
    if not body[0] or len(data) != body[0] or len(rest) > 1:
        raise MalformedCommand("the length of the command does not fit Lc and Le")
    return Command(cla, ins, p1, p2, data, (rest[0] or MAX_ANSWER_DATA) if rest else 0)


def read_answer(given: bytes) -> Answer:
    """Split the raw answer of a card (data, SW1, SW2).

    Raises:
        MalformedAnswer: too short, too long, or the last two bytes are no status word
    """
    if len(given) < 2:
        raise MalformedAnswer("an answer has two bytes at least")
    return require_answer(given[:-2], int.from_bytes(given[-2:], "big"))


def require_answer(unverified_data: bytes, unverified_status_word: int) -> Answer:
    """Accept data and status word of an answer, or raise MalformedAnswer."""
    if len(unverified_data) > MAX_ANSWER_DATA:
        raise MalformedAnswer("an answer has 256 bytes of data at most")
    if not is_well_formed(unverified_status_word):
        raise MalformedAnswer(f"{unverified_status_word:04X} is no status word")
    return Answer(bytes(unverified_data), unverified_status_word)


class CardConversation:
    """Send commands and follow what the card asks for in between (61xx, 6Cxx), with a bound."""

    def __init__(self, connection: Connection, transmission: Transmission) -> None:
        self._connection = connection
        self._transmission = transmission

    def send(self, command: Command) -> Answer:
        """Send one command to its end.

        Returns:
            all data of the answer together, and the last status word (never 61xx or 6Cxx)

        Raises:
            MalformedAnswer: no sense in the answer, or still no end after `MAX_ROUNDS` rounds
        """
        collected = b""
        for _ in range(MAX_ROUNDS):
            answer = self._exchange(command)
            sw1, expected = answer.status_word >> 8, answer.status_word & 0xFF or MAX_ANSWER_DATA
            if sw1 == SW1_WRONG_LE:  # carries no data; the same command once more, with the length the card named
                command = _with_le(command, expected)
                continue
            collected += answer.data
            if sw1 != SW1_MORE_DATA:
                return Answer(collected, answer.status_word)
            command = Command(0x00, INS_GET_RESPONSE, 0x00, 0x00, le=expected)
        raise MalformedAnswer(f"no end of the answer after {MAX_ROUNDS} rounds")

    def _exchange(self, command: Command) -> Answer:
        apdu = format_short(command, self._transmission)
        try:
            return require_answer(*self._connection.send_and_receive(apdu))
        finally:
            if command.secret:
                wipe(apdu)


def _with_le(command: Command, le: int) -> Command:
    if command.secret:
        raise MalformedAnswer("a card has no reason to ask for a secret twice")
    return Command(command.cla, command.ins, command.p1, command.p2, command.data, le)


def wipe(secret: bytearray) -> None:
    """Overwrite a buffer that held a secret."""
    secret[:] = bytes(len(secret))
