from dataclasses import dataclass, field

from core.ephemeral import Ephemeral
from core.ground import Ground
from ecard.credential import CredentialSigner
from physical.card_proofs import CardProofs


@dataclass(frozen=True)
class EnrollmentDesk:
    """What enrolling and issuing need; made once by ``web.runtime``."""

    ground: Ground
    proofs: CardProofs
    credentials: CredentialSigner


@dataclass(frozen=True)
class PasswordDesk:
    """What the password of an e-card needs.

    Attributes:
        counts: counters in the database: a limit must not fall with a store that does not answer.
        key: 32 bytes, HMAC-SM3.
    """

    ground: Ground
    counts: Ephemeral
    key: bytes = field(repr=False)
