"""What a reader is to those who use it, whether its daemon is called in this process or in a watched one."""

from dataclasses import dataclass
from typing import Protocol

from physical.chip.apdu import Octets, Transmission
from physical.chip.errors import NextStep, ReaderUnavailable, Wording


class ReaderInUse(ReaderUnavailable):
    """Somebody holds the card of this reader; after a mute card the daemon itself does, until it is taken out."""

    code = "reader_in_use"
    title = Wording("读卡器正被占用", "The card reader is in use")
    next_step = NextStep.PRESENT_CARD_AGAIN


class ReaderDaemonGone(ReaderUnavailable):
    """The daemon is not there, or was restarted: every connection of the old one is dead."""

    code = "reader_daemon_gone"
    title = Wording("读卡服务不可用", "The service of the card reader does not answer")


@dataclass(frozen=True, slots=True)
class Presence:
    """What a reader shows: is there a card, does it answer, does somebody hold it alone; its ATR, if it gave one."""

    card_present: bool
    mute: bool
    in_use: bool
    atr: bytes


class CardReader(Protocol):
    """A reader with at most one exclusive connection; a `Connection` while it is connected."""

    def look(self, within_ms: int) -> Presence:
        """Return the state: at once if it changed since the last look, otherwise after `within_ms` at the latest."""

    def connect(self) -> Transmission:
        """Open the card for us alone. Raises CardRemoved, CardMute, ReaderInUse, ReaderUnavailable."""

    def send_and_receive(self, apdu: Octets) -> tuple[bytes, int]:
        """Send one command. Raises CardRemoved, CardMute, MalformedAnswer, ReaderUnavailable."""

    def disconnect(self) -> None:
        """Take the power from the card; do nothing without a connection. Never raises."""
