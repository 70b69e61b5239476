"""News is signed by two keys of ours, and a partner needs the published list alone to verify it."""

import re
from datetime import timedelta

import pytest

from channels.news_signing import load_news_keys
from core.errors import Unavailable
from sm.news_keys import NEWS_RINGS, V1A, V1SM2
from sm.token_keys import rotate_token_keys, withdraw_token_key
from tests.channels.news_of_tests import verify_signature
from tests.service import PROVIDER, START, test_store

LEAD = timedelta(hours=1)
BODY = b'{"type":"card.issued"}'
MESSAGE = "evt_" + "0" * 26


@pytest.fixture(scope="module")
def city_store():
    return test_store()


@pytest.fixture
def news_keys(city_store):
    return load_news_keys(city_store, PROVIDER)


def test_both_signatures_hold_under_the_published_keys(news_keys):
    headers = news_keys.sign(MESSAGE, START, BODY)
    assert verify_signature(news_keys.published(START), headers, BODY) == {"v1a", "v1sm2"}
    assert headers["webhook-id"] == MESSAGE
    assert headers["webhook-timestamp"] == str(int(START.timestamp()))
    assert re.fullmatch(r"v1a,[A-Za-z0-9+/]{86}== v1sm2,[A-Za-z0-9+/]{92,96}=*", headers["webhook-signature"])


@pytest.mark.parametrize("change", [("webhook-id", "evt_1"), ("webhook-timestamp", "1")])
def test_id_and_time_are_signed_with_the_body(news_keys, change):
    headers, keys = news_keys.sign(MESSAGE, START, BODY), news_keys.published(START)
    assert verify_signature(keys, headers | dict([change]), BODY) == set()
    assert verify_signature(keys, headers, BODY + b" ") == set()


def test_an_id_that_would_divide_what_is_signed_elsewhere_is_a_fault(news_keys):
    for message in ("", "evt.1", "evt 1", "a" * 65):
        with pytest.raises(ValueError, match="letters"):
            news_keys.sign(message, START, BODY)


def test_the_list_holds_public_parts_alone_and_the_next_keys_before_they_sign(news_keys):
    listed = news_keys.published(START)
    assert [(key["version"], key["state"]) for key in listed] == [
        ("v1a", "current"),
        ("v1a", "next"),
        ("v1sm2", "current"),
        ("v1sm2", "next"),
    ]
    assert not any("d" in key for key in listed)
    assert "Ed25519PrivateKey" not in repr(news_keys)


@pytest.mark.parametrize("ring", NEWS_RINGS, ids=lambda ring: ring.algorithm)
def test_after_a_rotation_the_retired_key_signs_beside_the_new_one_until_its_end(ring):
    store = test_store()
    before = load_news_keys(store, PROVIDER).published(START)
    old = [key for key in before if key["state"] == "current"]
    rotated = START + timedelta(days=2)
    rotate_token_keys(store, PROVIDER, ring, rotated, LEAD)
    keys = load_news_keys(store, PROVIDER)
    headers = keys.sign(MESSAGE, rotated, BODY)
    assert len(headers["webhook-signature"].split(" ")) == 3
    assert verify_signature(old, headers, BODY) == {"v1a", "v1sm2"}  # a partner who knows the old keys alone
    assert verify_signature(before, keys.sign(MESSAGE, rotated, BODY), BODY) == {"v1a", "v1sm2"}
    later = rotated + timedelta(minutes=15)
    assert verify_signature(old, keys.sign(MESSAGE, later, BODY), BODY) == {"v1a", "v1sm2"} - {ring.algorithm}


@pytest.mark.parametrize("ring", [V1A, V1SM2], ids=lambda ring: ring.algorithm)
def test_a_withdrawn_key_signs_nothing_and_is_not_listed(ring):
    store = test_store()
    withdraw_token_key(store, PROVIDER, ring, f"{ring.prefix}-1", START, LEAD)
    keys = load_news_keys(store, PROVIDER)
    assert f"{ring.prefix}-1" not in {key["kid"] for key in keys.published(START)}
    with pytest.raises(Unavailable):  # the next key's time has not come: nothing goes out half signed
        keys.sign(MESSAGE, START, BODY)
