from dataclasses import dataclass

from core.ground import Ground
from ecard.credential import CredentialSigner
from physical.card_proofs import CardProofs


@dataclass(frozen=True)
class EnrollmentDesk:
    """What enrolling and issuing need; made once by ``web.runtime``."""

    ground: Ground
    proofs: CardProofs
    credentials: CredentialSigner
