"""Rules that a reading for security found without a test: payment, keys that end on time, a list that is missing."""

import time
from datetime import timedelta

import pytest

from physical.chip.profiles import CONTACT_2_0, CONTACT_3_0
from sm.city_keys import code_ring
from sm.errors import KeyNotFound
from sm.keystore import MemoryKeyStore
from tests.service import Service
from web.runtime import _read_crls


@pytest.mark.parametrize(
    ("profile", "pin", "may_pay"),
    [(CONTACT_3_0, b"271828", True), (CONTACT_3_0, b"123456", False), (CONTACT_2_0, b"271828", False)],
)
def test_a_merchant_is_told_whether_the_card_may_pay(service: Service, profile, pin, may_pay):
    card, phone, begun = service.make_card(7, profile, pin=pin), service.phone(), {}
    agent = service.agent(
        service.add_till(), card, pin=pin, on_show=lambda shown: begun.update(phone.begin(shown).json())
    )
    agent.enroll()
    assert phone.confirm(begun["id"], phone.look(begun["id"]).json()["chip_card"]).status_code == 201
    phone.sign_in()
    taken = service.add_till().redeem(phone.code("merchant").json()["code"], "merchant").json()
    assert (taken["entitlement"]["eligible"], taken["entitlement"]["payment"]) == (True, may_pay)


def test_a_key_past_its_end_signs_no_more_although_its_ring_was_not_written(sqlite_service: Service):
    phone, keys = sqlite_service.enroll(), sqlite_service.runtime.codes.keys
    assert phone.code("medical").status_code == 201
    ring = code_ring(sqlite_service.runtime.store)
    sqlite_service.clock.now = ring.current().not_after - timedelta(seconds=1)
    assert becomes(lambda: keys().minting is not None)
    sqlite_service.clock.step(1)
    assert becomes(lambda: keys().minting is None)
    phone.sign_in()
    refused = phone.code("medical")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")


def test_in_production_a_revocation_list_that_is_missing_is_no_empty_one():
    assert _read_crls(MemoryKeyStore("development")) == []
    with pytest.raises(KeyNotFound, match="ecard keys crl --refresh"):
        _read_crls(MemoryKeyStore("production"))


def becomes(condition) -> bool:
    """Look until it is so: a worker looks at its ring each second."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
