"""The wire between vpcd (the virtual reader in pcscd) and a virtual card: TCP, two-byte big-endian length, body."""

import socket
from typing import Protocol

from physical.chip.errors import CardMute

# Control messages are bodies of one byte (vsmartcard, vpcd.h).
POWER_OFF = 0x00
POWER_ON = 0x01
RESET = 0x02
ASK_ATR = 0x04
POWER_MESSAGES = frozenset({bytes([POWER_OFF]), bytes([POWER_ON]), bytes([RESET])})
LENGTH_BYTES = 2
LONGEST_MESSAGE = 0xFFFF


class LinkClosed(Exception):
    """The reader's end of the link is gone: the daemon stopped, or it dropped the card."""


class CardBehindWire(Protocol):
    """What a virtual card must be able to do."""

    @property
    def atr(self) -> bytes: ...

    def reset(self) -> bytes: ...

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]: ...


class VpcdLink:
    """The card's end of the link. While it is open, the reader sees a card."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @classmethod
    def open(cls, port: int) -> "VpcdLink":
        """Dial in at the reader's port. Raises OSError where no daemon listens."""
        return cls(socket.create_connection(("127.0.0.1", port), timeout=5))

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        self._connection.close()

    def read_message(self) -> bytes:
        """Return the next body. Raises LinkClosed."""
        length = int.from_bytes(self._read_exactly(LENGTH_BYTES), "big")
        return self._read_exactly(length)

    def write_message(self, body: bytes) -> None:
        """Send one body. Raises LinkClosed."""
        if len(body) > LONGEST_MESSAGE:
            raise ValueError(f"{len(body)} bytes do not fit the two length bytes of vpcd's wire")
        try:
            self._connection.sendall(len(body).to_bytes(LENGTH_BYTES, "big") + body)
        except OSError as error:
            raise LinkClosed("the reader closed the link") from error

    def _read_exactly(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            received += self._read_some(size - len(received))
        return bytes(received)

    def _read_some(self, at_most: int) -> bytes:
        # vpcd does not set TCP_NODELAY: a delayed acknowledgement would add 40 ms to each APDU. The option wears off.
        try:
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            part = self._connection.recv(at_most)
        except OSError as error:
            raise LinkClosed("the reader closed the link") from error
        if not part:
            raise LinkClosed("the reader closed the link")
        return part


def answer(card: CardBehindWire, message: bytes) -> bytes | None:
    """Return the card's answer to one message, None for those that have none, and for a card that fell mute.

    The daemon asks for the ATR several times a second to see whether the card is still there: that is no reset.
    Raises CardRemoved for a card that is pulled in the middle of a command.
    """
    if message == bytes([ASK_ATR]):
        return card.atr
    if len(message) <= 1:
        if message in POWER_MESSAGES:
            card.reset()
        return None
    return _answer_apdu(card, message)


def _answer_apdu(card: CardBehindWire, given: bytes) -> bytes | None:
    try:
        data, status_word = card.send_and_receive(given)
    except CardMute:
        return None
    return data + status_word.to_bytes(2, "big")
