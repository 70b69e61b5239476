"""A reader whose slot is an object of this process: for tests, and where no PC/SC daemon can run."""

from physical.chip.apdu import Octets, Transmission
from physical.chip.reader import Presence
from physical.chip.virtual_card import VirtualCard


class InProcessReader:
    """A `CardReader` with one virtual card that is always in."""

    def __init__(self, card: VirtualCard) -> None:
        self.card = card

    def look(self, within_ms: int) -> Presence:  # noqa: ARG002 - nothing ever changes here
        """Show the card."""
        return Presence(card_present=True, mute=False, in_use=False, atr=self.card.atr)

    def connect(self) -> Transmission:
        """Power the card up."""
        self.card.reset()
        return self.card.profile.transmission

    def disconnect(self) -> None:
        """Power it down; what it had been shown is forgotten."""
        self.card.reset()

    def send_and_receive(self, apdu: Octets) -> tuple[bytes, int]:
        """Hand one command to the card."""
        return self.card.send_and_receive(apdu)
