"""Personalise a virtual card: what a card maker does, with development keys."""

from collections.abc import Callable
from datetime import date, datetime

from physical.chip.atr import HISTORICAL_LENGTH
from physical.chip.card_keys import CardKeys
from physical.chip.files import (
    CARD_CODE_APPLICATION,
    INSTITUTION_PREFIX,
    CardClass,
    HolderData,
    IssuerData,
    write_ef05,
    write_ef06,
)
from physical.chip.pin import pack_pin
from physical.chip.profiles import CardProfile
from physical.chip.virtual_card import VirtualCard
from physical.chip.virtual_card_contents import CardContents, CertificateKey, PinState, fresh_key_tries
from sm.sm2 import Provider

DEFAULT_PIN = b"123456"  # printed in every leaflet; a virtual card leaves the factory with it as the real one does
VALID_YEARS = 10
_SERIAL_LENGTH = _AUTHENTICATION_CODE_LENGTH = 4  # inside the card identification code (chip-card.md 1.3)
_HISTORICAL_START = bytes.fromhex("8654534301")  # [A] historical bytes 1 to 5; 6 to 13 are the card's own
_MAKER_NUMBER = "01"
_CARD_NUMBER_DIGITS = 8


def personalise(
    person: HolderData,
    profile: CardProfile,
    *,
    region: str,
    root_keys: CardKeys,
    issue_certificate: Callable[[bytes, IssuerData], bytes],
    clock: Callable[[], datetime],
    randomness: Callable[[int], bytes],
    provider: Provider,
    card_class: CardClass = CardClass.ADULT,
    pin: bytes = DEFAULT_PIN,
) -> VirtualCard:
    """Make one card: identity, keys derived from the root keys, and on a 3.0 card a key pair with its certificate.

    Args:
        person: the holder; a synthetic one
        profile: the generation and interface to imitate
        region: six digits of the issuing city, first part of the card identification code
        root_keys: the ministry's four keys, of development
        issue_certificate: gets the card's public key (x ‖ y) and its issuer data, gives DER that fits its file;
            the subject names the card identification code
        clock: the time of personalisation
        randomness: gives n random bytes; the card goes on using it for its challenges
        provider: signs for the card
        card_class: EF05 record 02
        pin: ASCII digits of both PINs
    """
    card = _issuer_data(region, card_class, profile.version, clock().date(), randomness)
    historical = _HISTORICAL_START + randomness(HISTORICAL_LENGTH - len(_HISTORICAL_START))
    packed_pin = bytes(pack_pin(bytearray(pin)))
    pki = profile.pki
    contents = CardContents(
        profile=profile,
        historical_bytes=historical,
        issuer_records=write_ef05(card),
        holder_records=write_ef06(person),
        keys=root_keys.diversify(historical, region),
        key_tries=fresh_key_tries(profile),
        pin=PinState(packed_pin, profile.pin_tries),
        pki_pin=PinState(packed_pin, pki.pin_tries) if pki else None,
        certificate_key=_certificate_key(card, provider, issue_certificate, pki.certificate_file_length)
        if pki
        else None,
    )
    return VirtualCard(contents, provider, randomness=randomness)


def card_identification_code(region: str, randomness: Callable[[int], bytes]) -> str:
    """Compose city code, D156000005, serial and authentication code: 32 hexadecimal digits (chip-card.md 1.3).

    How a real maker computes the authentication code is not public; here it is random.
    """
    own = randomness(_SERIAL_LENGTH + _AUTHENTICATION_CODE_LENGTH)
    return f"{region}{CARD_CODE_APPLICATION}{own.hex().upper()}"


def _issuer_data(
    region: str, card_class: CardClass, version: str, issued_on: date, randomness: Callable[[int], bytes]
) -> IssuerData:
    return IssuerData(
        card_identification_code=card_identification_code(region, randomness),
        card_class=card_class,
        version=version,
        institution=f"{INSTITUTION_PREFIX}{region}{region}{_MAKER_NUMBER}",
        issued_on=issued_on,
        expires_on=_years_after(issued_on, VALID_YEARS),
        card_number=_card_number(randomness),
    )


def _years_after(day: date, years: int) -> date:
    if (day.month, day.day) == (2, 29):
        day = day.replace(day=28)
    return day.replace(year=day.year + years)


def _card_number(randomness: Callable[[int], bytes]) -> str:
    number = int.from_bytes(randomness(8), "big") % 10**_CARD_NUMBER_DIGITS
    return f"T{number:0{_CARD_NUMBER_DIGITS}}"


def _certificate_key(
    card: IssuerData, provider: Provider, issue_certificate: Callable[[bytes, IssuerData], bytes], room: int
) -> CertificateKey:
    private_key = provider.generate()
    public_key = provider.public_key_of(private_key)
    certificate = issue_certificate(public_key, card)
    if len(certificate) > room:
        raise ValueError(f"the certificate has {len(certificate)} bytes, its file {room}")
    return CertificateKey(private_key, public_key, certificate)
