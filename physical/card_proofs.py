"""What a chip card proves to the service while a phone is enrolled (chip-card.md section 3, steps 3 and 5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

from physical.chip.atr import historical_bytes
from physical.chip.binding import CARD_USER_ID, Binding, internal_challenge
from physical.chip.errors import ChipError
from physical.chip.files import HolderData, IssuerData, read_ef05, read_ef06
from physical.errors import (
    AlgorithmNotSupported,
    CardCertificateWrong,
    CardHsmUnavailable,
    CardSignatureWrong,
    ChipCardNotAuthentic,
    ChipDataWrong,
    RevocationListUnavailable,
)
from physical.hsm import CardHsm, CardKeyReference, CardNotAuthentic, HsmRefused, HsmUnavailable
from physical.register import ChipCard
from sm.certificates import CARD_PURPOSE, Certificate, RevocationList, Trust, read_certificate
from sm.errors import SmError
from sm.sm2 import Provider

ALGORITHM = "SM4"
SIGNING_GENERATION = "3.0"
_FAULTS_OF_LISTS = "crl_"  # how sm.certificates.trust names what is wrong with a list, not with a certificate


@dataclass(frozen=True)
class CardProofs:
    """The issuer's means to check a chip: its HSM and the certificates it trusts."""

    hsm: CardHsm
    trust: Trust
    intermediates: tuple[Certificate, ...]
    provider: Provider
    crls: Callable[[], Sequence[RevocationList]]


@dataclass(frozen=True, slots=True)
class Hello:
    """What the reader read before anything was released; nothing of it is believed yet."""

    atr: bytes
    interface: str
    algorithm: str
    issuer_data: bytes
    internal_authentication: bytes
    certificate: bytes | None
    challenge: bytes
    pin_tries_left: int | None
    round_trip_ms: int


def read_issuer_data(hello: Hello) -> IssuerData:
    """Read EF05 as the reader handed it over; raises ``ChipDataWrong``."""
    if hello.algorithm != ALGORITHM:
        raise AlgorithmNotSupported(f"this service works with {ALGORITHM}")
    try:
        return read_ef05(hello.issuer_data)
    except ChipError as error:
        raise ChipDataWrong("EF05") from error


def read_holder_data(given: bytes) -> HolderData:
    """Read EF06 as the reader handed it over; raises ``ChipDataWrong``."""
    try:
        return read_ef06(given)
    except ChipError as error:
        raise ChipDataWrong("EF06") from error


def card_keys(hello: Hello, issuer_data: IssuerData) -> CardKeyReference:
    """Name the card's keys to the HSM: they follow from its region and its answer to reset."""
    try:
        return CardKeyReference(
            generation=issuer_data.version[:3],
            region=issuer_data.region,
            historical_bytes=historical_bytes(hello.atr),
        )
    except (ChipError, ValueError) as error:
        raise ChipDataWrong("ATR") from error


def require_registered_chip(card: ChipCard, keys: CardKeyReference) -> None:
    """Refuse a chip that is not the registered one of this code.

    EF05 is free to read: another genuine chip could prove its own keys under a copied code. A certificate names the
    code; where there is none, the answer to reset, from which the chip's keys follow, must be the registered one.
    """
    if card.historical_bytes is None:
        if card.generation != SIGNING_GENERATION:
            raise ChipCardNotAuthentic("the register does not know this chip's answer to reset")
    elif not compare_digest(card.historical_bytes, keys.historical_bytes.hex()):
        raise ChipCardNotAuthentic("the code belongs to another chip")


def verify_internal_authentication(
    proofs: CardProofs,
    keys: CardKeyReference,
    hello: Hello,
    *,
    enrollment: str,
    service_nonce: bytes,
    terminal: str,
    device_key_sm3: bytes,
) -> None:
    """Have the HSM check that this chip answered this enrollment; raises ``ChipCardNotAuthentic``.

    The challenge is made anew from what the service knows, so an answer recorded elsewhere fits nothing.
    """
    challenge = internal_challenge(enrollment, service_nonce, terminal, device_key_sm3)
    try:
        proofs.hsm.verify_internal_authentication(keys, challenge, hello.internal_authentication)
    except CardNotAuthentic as error:
        raise ChipCardNotAuthentic from error
    except HsmRefused as error:
        raise ChipCardNotAuthentic(str(error)) from error
    except HsmUnavailable as error:
        raise CardHsmUnavailable(retry_after=3) from error


def external_authentication(proofs: CardProofs, keys: CardKeyReference, challenge: bytes) -> bytes:
    """Get the 16 bytes (authentication data, original data) that open EF06 on this card, for this challenge alone."""
    try:
        authentication, data = proofs.hsm.external_authentication(keys, challenge)
    except (CardNotAuthentic, HsmRefused) as error:
        raise ChipCardNotAuthentic(str(error)) from error
    except HsmUnavailable as error:
        raise CardHsmUnavailable(retry_after=3) from error
    return bytes(authentication + data)


def verify_card_certificate(proofs: CardProofs, given: bytes | None, *, card: str, at: datetime) -> bytes:
    """Check the chip's certificate up to the ministry's root and return its public key (64 bytes).

    Raises ``CardCertificateWrong``; ``RevocationListUnavailable`` where the fault is with our own lists.
    """
    if given is None:
        raise CardCertificateWrong("a third-generation card has a certificate")
    lists = _read_revocation_lists(proofs)
    try:
        certificate = read_certificate(given)
        proofs.trust.verify_chain(certificate, proofs.intermediates, at, lists, purpose=CARD_PURPOSE)
    except SmError as error:
        if error.code.startswith(_FAULTS_OF_LISTS):
            raise RevocationListUnavailable(error.code, retry_after=60) from error
        raise CardCertificateWrong(error.code) from error
    if certificate.subject_common_name.upper() != card:
        raise CardCertificateWrong("the certificate belongs to another card")
    return certificate.public_key


def _read_revocation_lists(proofs: CardProofs) -> Sequence[RevocationList]:
    try:
        return proofs.crls()
    except SmError as error:
        raise RevocationListUnavailable(error.code, retry_after=60) from error


def verify_card_signature(proofs: CardProofs, public_key: bytes, binding: Binding, signature: bytes) -> None:
    """Check the chip's signature over a binding that the service made itself; raises ``CardSignatureWrong``."""
    try:
        proofs.provider.verifier(public_key, user_id=CARD_USER_ID).verify(binding.encode(), signature)
    except SmError as error:
        raise CardSignatureWrong from error
