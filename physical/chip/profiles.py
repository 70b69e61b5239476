"""What differs between cards: generation, interface, and everything that no public source confirms.

Rows marked [A] are assumed from ISO 7816-4 and -8 (chip-card.md, marks): a city's real values replace them here and
touch no other code.
"""

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from physical.chip.apdu import Transmission
from physical.chip.atr import Atr
from physical.chip.binding import CARD_USER_ID
from physical.chip.errors import ApplicationNotOffered, UnknownGeneration
from physical.chip.files import AID_PKI, AID_PKI_ADF, FileId


class Interface(StrEnum):
    """Which side of the card the reader talks to."""

    CONTACT = "contact"
    CONTACTLESS = "contactless"


class HolderAccess(Enum):
    """What reading EF06 takes (chip-card.md 1.2)."""

    FREE = "free"
    READ_KEY = "read key"


class Algorithm(Enum):
    """The last byte of a SELECT answer: which cipher the card's keys are for (chip-card.md 1.5)."""

    DES = 0x01
    SSF33 = 0x02
    SM4 = 0x03


@dataclass(frozen=True, slots=True)
class SignCommand:
    """PERFORM SECURITY OPERATION, compute digital signature: assumed from ISO 7816-8 clause 11.8 [A]."""

    cla: int = 0x00
    ins: int = 0x2A
    p1: int = 0x9E
    p2: int = 0x9A
    signature_length: int = 64


@dataclass(frozen=True, slots=True)
class PublicKeyLayout:
    """The 66 bytes of file 0012: what stands before x ‖ y is assumed to be the length of the key in bits [A]."""

    prefix: bytes = bytes.fromhex("0100")
    length: int = 66


@dataclass(frozen=True, slots=True)
class PkiProfile:
    """The certificate application of a generation that has one."""

    aid: bytes = AID_PKI
    adf: bytes = AID_PKI_ADF
    public_key_file: int = FileId.SIGNING_PUBLIC_KEY
    certificate_file: int = FileId.SIGNING_CERTIFICATE
    certificate_file_length: int = 1020
    public_key_layout: PublicKeyLayout = field(default_factory=PublicKeyLayout)
    sign: SignCommand = field(default_factory=SignCommand)
    user_id: bytes = CARD_USER_ID  # [A]: a card that computes Z itself would fix another
    pin_tries: int = 6  # [A]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardProfile:
    """One kind of card on one interface."""

    name: str
    version: str
    interface: Interface
    transmission: Transmission
    holder_access: HolderAccess
    pki: PkiProfile | None
    algorithm: Algorithm = Algorithm.SM4
    atr_prefix: bytes
    pin_tries: int = 6  # [A]
    key_tries: int = 15  # [A]

    def require_pki(self) -> PkiProfile:
        """Give the certificate application, or raise ApplicationNotOffered."""
        if self.pki is None:
            raise ApplicationNotOffered
        return self.pki


_CONTACT_ATR = bytes.fromhex("3B6D0000")  # T=0, 13 historical bytes (chip-card.md 1.4)
_CONTACTLESS_ATR = bytes.fromhex("3B8D8001")  # as PC/SC part 3 clause 3.1.3.2.3 shows type A [A]

CONTACT_3_0 = CardProfile(
    name="3.0-contact",
    version="3.0",
    interface=Interface.CONTACT,
    transmission=Transmission.T0,
    holder_access=HolderAccess.READ_KEY,
    pki=PkiProfile(),
    atr_prefix=_CONTACT_ATR,
)
CONTACTLESS_3_0 = CardProfile(
    name="3.0-contactless",
    version="3.0",
    interface=Interface.CONTACTLESS,
    transmission=Transmission.TCL,
    holder_access=HolderAccess.READ_KEY,
    pki=PkiProfile(),
    atr_prefix=_CONTACTLESS_ATR,
)
CONTACT_2_0 = CardProfile(
    name="2.0-contact",
    version="2.0",
    interface=Interface.CONTACT,
    transmission=Transmission.T0,
    holder_access=HolderAccess.FREE,
    pki=None,
    atr_prefix=_CONTACT_ATR,
)
CONTACT_2_0_READ_KEY = CardProfile(
    name="2.0-contact-read-key",
    version="2.0",
    interface=Interface.CONTACT,
    transmission=Transmission.T0,
    holder_access=HolderAccess.READ_KEY,
    pki=None,
    atr_prefix=_CONTACT_ATR,
)

PROFILES = {profile.name: profile for profile in (CONTACT_3_0, CONTACTLESS_3_0, CONTACT_2_0, CONTACT_2_0_READ_KEY)}


def interface_of(atr: Atr) -> Interface:
    """Tell contacts from contactless by the shape of the ATR (chip-card.md 1.4)."""
    return Interface.CONTACTLESS if atr.interface_bytes == _CONTACTLESS_ATR[2:] else Interface.CONTACT


def transmission_of(interface: Interface) -> Transmission:
    """Tell how bytes travel on an interface, before the generation of the card is known."""
    return Transmission.TCL if interface is Interface.CONTACTLESS else Transmission.T0


def profile_for(interface: Interface, version: str) -> CardProfile:
    """Find the profile of a card whose EF05 names `version` ("3.0").

    A card that lets EF06 be read freely also takes the proof first, so one profile of a generation is enough here.

    Raises:
        UnknownGeneration: no profile fits
    """
    for profile in PROFILES.values():
        if profile.interface is interface and profile.version == version:
            return profile
    raise UnknownGeneration
