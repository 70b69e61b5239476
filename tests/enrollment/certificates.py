"""Certificates that a card should not have."""

from datetime import timedelta

from physical.chip.files import read_ef05
from physical.chip.virtual_card import VirtualCard
from sm import city_keys
from sm.certificates import (
    CARD_PURPOSE,
    AuthorityKeys,
    development_subjects,
    issue,
    issue_hierarchy,
    leaf_profile,
    new_serial,
)
from sm.certificates.issuing import Subject
from tests.persons import REGION
from tests.service import PROVIDER, Service


def code_of_card(card: VirtualCard) -> str:
    return read_ef05(card.contents.issuer_records).card_identification_code


def certificate(
    service: Service,
    card: VirtualCard,
    *,
    code: str = "",
    purpose: str = CARD_PURPOSE,
    begins: int = 0,
    ends: int = 365,
) -> bytes:
    """Have the city certify a card's key, valid from and until so many days from now."""
    now = service.clock()
    return city_keys.issue_leaf(
        service.runtime.store,
        PROVIDER,
        subject=Subject(common_name=code or code_of_card(card)),
        public_key=card.contents.certificate_key.public_key,
        purpose=purpose,
        not_before=now + timedelta(days=begins),
        not_after=now + timedelta(days=ends),
    ).der


def certificate_of_another_ministry(service: Service, card: VirtualCard) -> bytes:
    """A certificate under authorities that have the same names as ours, and other keys."""
    keys = AuthorityKeys(*(PROVIDER.generate() for _ in range(3)))
    start = service.clock() - timedelta(days=1)
    return issue(
        subject=Subject(common_name=code_of_card(card)),
        public_key=card.contents.certificate_key.public_key,
        profile=leaf_profile(CARD_PURPOSE),
        serial=new_serial(),
        not_before=start,
        not_after=start + timedelta(days=365),
        signer=PROVIDER.signer(keys.city),
        issuer=issue_hierarchy(keys, PROVIDER, start, development_subjects(REGION)).city,
    )


def certificate_with_a_bent_signature(card: VirtualCard) -> bytes:
    good = card.contents.certificate_key.certificate
    return good[:-1] + bytes([good[-1] ^ 1])
