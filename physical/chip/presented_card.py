"""The card in the reader, seen by an enrollment: what it shows, what it proves, what it signs."""

from dataclasses import dataclass, field

from physical.chip.apdu import Connection
from physical.chip.atr import read_atr
from physical.chip.binding import Binding
from physical.chip.card import PkiApplication, SocialSecurityApplication
from physical.chip.errors import FunctionNotSupported, InstructionUnknown, WrongLength, WrongParameters
from physical.chip.files import IssuerData, read_ef05
from physical.chip.profiles import Algorithm, CardProfile, interface_of, profile_for

# EF05 is read alike in every generation (chip-card.md 1.3); its version then names the profile of the rest.
PROFILE_FOR_EF05 = "3.0"


@dataclass(frozen=True, slots=True)
class Shown:
    """What anybody may read of the card: ATR, algorithm, EF05 as records and as meaning."""

    atr: bytes = field(repr=False)
    algorithm: Algorithm
    issuer_records: bytes = field(repr=False)
    issuer: IssuerData


def present_card(connection: Connection, atr: bytes) -> "PresentedCard":
    """Read what the card shows and choose its profile.

    Raises FileNotFound (not a social security card), ApplicationBlocked, UnknownGeneration, MalformedAnswer.
    """
    interface = interface_of(read_atr(atr))
    application = SocialSecurityApplication(connection, profile_for(interface, PROFILE_FOR_EF05))
    algorithm = application.select().algorithm
    records = application.issuer_records()
    issuer = read_ef05(records)
    return PresentedCard(connection, profile_for(interface, issuer.version), Shown(atr, algorithm, records, issuer))


class PresentedCard:
    """One card during one enrollment; selects the application that each step needs."""

    def __init__(self, connection: Connection, profile: CardProfile, shown: Shown) -> None:
        self.profile = profile
        self.shown = shown
        self._connection = connection
        self._social = SocialSecurityApplication(connection, profile)

    def authenticate(self, challenge: bytes) -> bytes:
        """Let the card prove its key over 16 bytes; the social security application is still selected from before."""
        return self._social.internal_authenticate(challenge)

    def certificate(self) -> bytes | None:
        """Return the signing certificate (DER), None for a generation without one."""
        return None if self.profile.pki is None else self._select_pki().certificate()

    def draw_challenge(self) -> bytes:
        """Return 8 random bytes of the card; it forgets them with the next command but EXTERNAL AUTHENTICATE."""
        self._social.select()
        return self._social.get_challenge()

    def open_holder_records(self, external_authentication: bytes) -> bytes:
        """Give the service's proof to the card and read EF06 as it stands there."""
        self._social.external_authenticate(external_authentication)
        return self._social.holder_records()

    def pin_tries_left(self, *, for_signature: bool) -> int | None:
        """Ask how many tries the PIN has left, None for a card that does not tell."""
        try:
            return self._select(for_signature=for_signature).tries_left()
        except (FunctionNotSupported, InstructionUnknown, WrongLength, WrongParameters):
            return None

    def verify_pin(self, pin: bytearray, *, for_signature: bool) -> None:
        """Raises WrongPin, PinLocked, PinUnusable; the caller wipes the PIN."""
        self._select(for_signature=for_signature).verify_pin(pin)

    def sign(self, binding: Binding) -> bytes:
        """Sign the binding with the card's key, right after the PIN for it was verified; 64 bytes r ‖ s."""
        pki = PkiApplication(self._connection, self.profile)
        return pki.sign_digest(binding.digest(pki.public_key()))

    def _select(self, *, for_signature: bool) -> SocialSecurityApplication | PkiApplication:
        if for_signature:
            return self._select_pki()
        self._social.select()
        return self._social

    def _select_pki(self) -> PkiApplication:
        pki = PkiApplication(self._connection, self.profile)
        pki.select()
        return pki
