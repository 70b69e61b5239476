"""What the agent and its reader process say to each other: byte strings over a pipe.

Request: one verb byte, then its body. Reply: OK and a body, or FAILED, the error's code, a NUL and its message.
"""

from enum import IntEnum

from physical.chip.errors import CardMute, CardRemoved, ChipError, MalformedAnswer, ReaderUnavailable
from physical.chip.reader import Presence, ReaderDaemonGone, ReaderInUse

LONGEST_FRAME = 2048  # a short APDU or its answer, with room to spare
READY = b"ready"
OK = b"\x00"
FAILED = b"\x01"
CARD_PRESENT, MUTE, IN_USE = 1, 2, 4

ERRORS: dict[str, type[ChipError]] = {
    error.code: error
    for error in (CardRemoved, CardMute, MalformedAnswer, ReaderUnavailable, ReaderInUse, ReaderDaemonGone)
}


class Verb(IntEnum):
    LOOK = 1  # milliseconds to wait, 4 bytes → presence
    CONNECT = 2  # → transmission
    TRANSMIT = 3  # APDU → data, status word
    DISCONNECT = 4
    LIST = 5  # → names of all readers, one on each line


def write_presence(presence: Presence) -> bytes:
    flags = CARD_PRESENT * presence.card_present | MUTE * presence.mute | IN_USE * presence.in_use
    return bytes([flags]) + presence.atr


def read_presence(body: bytes) -> Presence:
    flags = body[0]
    return Presence(
        card_present=bool(flags & CARD_PRESENT), mute=bool(flags & MUTE), in_use=bool(flags & IN_USE), atr=body[1:]
    )


def write_failure(error: ChipError) -> bytes:
    return FAILED + error.code.encode() + b"\x00" + str(error).encode()


def read_reply(reply: bytes) -> bytes:
    """Return the body of a reply, or raise the error that it carries."""
    if reply[:1] == OK:
        return reply[1:]
    code, _, message = reply[1:].decode(errors="replace").partition("\x00")
    raise ERRORS.get(code, ReaderUnavailable)(message)
