"""Cards and fake connections for the tests of this folder."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from physical.chip import card_keys
from physical.chip.apdu import Octets
from physical.chip.card import PkiApplication, SocialSecurityApplication
from physical.chip.card_keys import CardKeys
from physical.chip.files import IssuerData
from physical.chip.profiles import CONTACT_3_0, CardProfile
from physical.chip.virtual_card import VirtualCard
from physical.chip.virtual_card_maker import personalise
from sm.certificates import (
    CARD_PURPOSE,
    AuthorityKeys,
    Hierarchy,
    Subject,
    development_subjects,
    issue,
    issue_hierarchy,
    leaf_profile,
    new_serial,
)
from sm.digest import sm3
from sm.providers import open_provider
from sm.sm2 import Provider
from tests.persons import ANNA, REGION, Person

MADE_AT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
ROOT_KEYS = CardKeys(*(bytes((number,)) * 16 for number in (0x11, 0x22, 0x33, 0x44)))
DATA = bytes(range(8))


@cache
def provider() -> Provider:
    return open_provider()


@cache
def authorities() -> tuple[AuthorityKeys, Hierarchy]:
    keys = AuthorityKeys(*(provider().generate() for _ in range(3)))
    return keys, issue_hierarchy(keys, provider(), MADE_AT - timedelta(days=1), development_subjects(REGION))


def issue_card_certificate(public_key: bytes, card: IssuerData) -> bytes:
    keys, hierarchy = authorities()
    return issue(
        subject=Subject(card.card_identification_code),
        public_key=public_key,
        profile=leaf_profile(CARD_PURPOSE),
        serial=new_serial(),
        not_before=MADE_AT,
        not_after=MADE_AT + timedelta(days=3650),
        signer=provider().signer(keys.city),
        issuer=hierarchy.city,
    )


def counting_randomness(seed: bytes = b"") -> Callable[[int], bytes]:
    """Give bytes that differ at each call and are the same in each run."""
    calls = iter(range(1_000_000))
    return lambda length: sm3(seed, next(calls).to_bytes(4, "big"))[:length]


def make_card(profile: CardProfile = CONTACT_3_0, person: Person = ANNA, pin: bytes = b"123456") -> VirtualCard:
    return personalise(
        person.holder_data(),
        profile,
        region=person.region,
        root_keys=ROOT_KEYS,
        issue_certificate=issue_card_certificate,
        clock=lambda: MADE_AT,
        randomness=counting_randomness(),
        provider=provider(),
        pin=pin,
    )


def ssse(card: VirtualCard) -> SocialSecurityApplication:
    """Open the social security application."""
    session = SocialSecurityApplication(card, card.profile)
    session.select()
    return session


def pki(card: VirtualCard) -> PkiApplication:
    """Open the certificate application."""
    session = PkiApplication(card, card.profile)
    session.select()
    return session


def prove(session: SocialSecurityApplication, key: bytes, key_id: int = 0x0A) -> None:
    """Prove a key to the card."""
    proof = card_keys.external_authentication(key, session.get_challenge(), DATA)
    session.external_authenticate(proof + DATA, key_id)


def pin(text: str = "123456") -> bytearray:
    return bytearray(text.encode())


def transmit(card: VirtualCard, *apdus: str) -> str:
    """Send hexadecimal APDUs; give data and status word of the last answer in hexadecimal."""
    data, status_word = b"", 0
    for apdu in apdus:
        data, status_word = card.send_and_receive(bytes.fromhex(apdu))
    return f"{data.hex().upper()} {status_word:04X}".strip()


class ScriptedCard:
    """Answers what it was told to, in order, and keeps what it was sent."""

    def __init__(self, answers: Sequence[tuple[str, int]]) -> None:
        self._answers = iter(answers)
        self.received: list[str] = []

    def send_and_receive(self, apdu: Octets) -> tuple[bytes, int]:
        self.received.append(bytes(apdu).hex().upper())
        data, status_word = next(self._answers)
        return bytes.fromhex(data), status_word
