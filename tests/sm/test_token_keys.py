"""The rings of token keys: turned by operators or by their dates, for clients and for phones."""

from datetime import UTC, datetime, timedelta

import pytest

from sm.certificates.hierarchy import development_subjects
from sm.city_keys import create_city_keys
from sm.errors import KeyNotFound, KeyNotUsable, Malformed
from sm.keyring import KeyRing, KeyState, RingKey, announce, end_current, start_ring, turned_by_date
from sm.keystore import MemoryKeyStore
from sm.providers import open_provider
from sm.sm2 import PrivateKey
from sm.token_keys import (
    CLIENT_RINGS,
    PHONE_RINGS,
    PUBLISHED_LIFE,
    RETIRED_LIFE,
    TOKEN_KEY_LIFE,
    TOKEN_RINGS,
    as_of,
    find_token_ring,
    rotate_token_keys,
    schedule_token_keys,
    token_ring,
    withdraw_token_key,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
TURN = START + 30 * DAY
PROVIDER = open_provider()
every_ring = pytest.mark.parametrize("ring", TOKEN_RINGS, ids=lambda ring: ring.prefix)


@pytest.fixture
def store():
    made = MemoryKeyStore("development")
    create_city_keys(made, PROVIDER, START, development_subjects("990100"), lead=DAY)
    return made


def states(ring: KeyRing) -> dict[str, str]:
    return {str(key.kid).rpartition("-")[2]: str(key.state) for key in ring.keys}


@every_ring
def test_a_ring_begins_with_a_key_that_signs_and_one_that_is_announced(store, ring):
    made = token_ring(store, ring)
    assert states(made) == {"1": "current", "2": "next"}
    assert made.find(f"{ring.prefix}-2").not_before == START + DAY


def test_no_two_rings_have_a_key_or_a_name_in_common(store):
    keys = [key for ring in TOKEN_RINGS for key in token_ring(store, ring).keys]
    assert len({key.public_key for key in keys}) == len(keys) == 8
    assert len({key.kid for key in keys}) == 8
    assert set(TOKEN_RINGS) == {*CLIENT_RINGS, *PHONE_RINGS}
    assert {ring.algorithm for ring in CLIENT_RINGS} == {ring.algorithm for ring in PHONE_RINGS}


@every_ring
def test_a_kid_names_its_ring(ring):
    assert find_token_ring(f"{ring.prefix}-17") is ring


@pytest.mark.parametrize("kid", ["", "17", "es256", "es256-", "rs256-1", "phone-1", "-es256-1", "phone-es256"])
def test_a_kid_of_no_ring_names_none(kid):
    assert find_token_ring(kid) is None or kid == "es256-"


@every_ring
def test_a_rotation_retires_promotes_and_announces(store, ring):
    with pytest.raises(KeyNotUsable):
        rotate_token_keys(store, PROVIDER, ring, START + DAY - SECOND, DAY)
    turned = rotate_token_keys(store, PROVIDER, ring, START + DAY, DAY)
    assert turned == token_ring(store, ring)
    assert states(turned) == {"1": "retired", "2": "current", "3": "next"}
    assert turned.find(f"{ring.prefix}-1").not_after == START + DAY + RETIRED_LIFE
    assert turned.find(f"{ring.prefix}-3").not_before == START + 2 * DAY
    assert states(token_ring(store, TOKEN_RINGS[TOKEN_RINGS.index(ring) - 1])) == {"1": "current", "2": "next"}


def test_what_was_signed_last_is_believed_longer_than_any_token_lives_and_than_others_keep_keys():
    assert timedelta(minutes=10) + PUBLISHED_LIFE <= RETIRED_LIFE


@every_ring
def test_a_withdrawn_key_gives_way_to_the_next_one_if_its_time_has_come(store, ring):
    left = withdraw_token_key(store, PROVIDER, ring, f"{ring.prefix}-1", START + DAY, DAY)
    assert states(left) == {"1": "withdrawn", "2": "current", "3": "next"}
    with pytest.raises(KeyNotFound):
        withdraw_token_key(store, PROVIDER, ring, "es256-99", START + DAY, DAY)


def test_a_withdrawn_key_leaves_nobody_who_signs_before_the_next_one_s_time(store):
    ring = CLIENT_RINGS[0]
    left = withdraw_token_key(store, PROVIDER, ring, "es256-1", START, DAY)
    assert states(left) == {"1": "withdrawn", "2": "next"}
    turned = rotate_token_keys(store, PROVIDER, ring, START + DAY, DAY)
    assert states(turned) == {"1": "withdrawn", "2": "current", "3": "next"}


# ── By date ──────────────────────────────────────────────────────────────────────────────────────────────────────


@every_ring
def test_a_scheduled_ring_turns_by_itself(store, ring):
    written = schedule_token_keys(store, ring, START, TURN)
    assert states(written) == {"1": "current", "2": "next"}
    assert as_of(written, TURN - SECOND) == written
    turned = as_of(written, TURN)
    assert states(turned) == {"1": "retired", "2": "current"}
    assert turned.get_for_signing(TURN).kid == f"{ring.prefix}-2"
    assert turned.get_for_verifying(f"{ring.prefix}-1", TURN + RETIRED_LIFE - SECOND)
    with pytest.raises(KeyNotUsable):
        as_of(written, TURN + RETIRED_LIFE).get_for_verifying(f"{ring.prefix}-1", TURN + RETIRED_LIFE)
    assert token_ring(store, ring) == written  # nobody has to write for it


def test_after_a_turn_by_date_a_next_key_is_announced_and_nothing_else_happens(store):
    ring = CLIENT_RINGS[0]
    schedule_token_keys(store, ring, START, TURN)
    announced = rotate_token_keys(store, PROVIDER, ring, TURN + SECOND, DAY)
    assert states(announced) == {"1": "retired", "2": "current", "3": "next"}
    assert announced.find("es256-3").not_before == TURN + SECOND + DAY
    assert announced.find("es256-1").not_after == TURN + RETIRED_LIFE
    turned = rotate_token_keys(store, PROVIDER, ring, TURN + SECOND + DAY, DAY)
    assert states(turned) == {"1": "retired", "2": "retired", "3": "current", "4": "next"}


def test_a_key_withdrawn_after_a_turn_by_date_is_the_one_that_was_named(store):
    ring = CLIENT_RINGS[0]
    schedule_token_keys(store, ring, START, TURN)
    left = withdraw_token_key(store, PROVIDER, ring, "es256-1", TURN + SECOND, DAY)
    assert states(left) == {"1": "withdrawn", "2": "current", "3": "next"}


def test_a_turn_may_be_set_anew_but_not_beyond_the_key_s_life(store):
    ring = CLIENT_RINGS[0]
    schedule_token_keys(store, ring, START, TURN)
    later = schedule_token_keys(store, ring, START + DAY, TURN + 10 * DAY)
    assert as_of(later, TURN) == later
    end = START + TOKEN_KEY_LIFE - RETIRED_LIFE
    assert schedule_token_keys(store, ring, START + DAY, end)
    with pytest.raises(KeyNotUsable):
        schedule_token_keys(store, ring, START + DAY, end + SECOND)


@pytest.mark.parametrize("turns_at", [START - DAY, START, START + DAY - SECOND])
def test_a_ring_turns_in_the_future_and_not_before_the_next_key_s_time(store, turns_at):
    with pytest.raises(KeyNotUsable):
        schedule_token_keys(store, CLIENT_RINGS[0], START, turns_at)
    with pytest.raises(KeyNotUsable):
        schedule_token_keys(store, CLIENT_RINGS[0], START + 2 * DAY, START + 2 * DAY)


def test_without_a_next_key_no_turn_can_be_set(store):
    schedule_token_keys(store, CLIENT_RINGS[0], START, TURN)
    with pytest.raises(KeyNotFound):
        schedule_token_keys(store, CLIENT_RINGS[0], TURN, TURN + DAY)


def test_a_key_that_nobody_rotates_hands_over_before_it_ends(store):
    ring = token_ring(store, CLIENT_RINGS[0])
    end = START + TOKEN_KEY_LIFE
    assert as_of(ring, end - RETIRED_LIFE - SECOND).current().kid == "es256-1"
    for moment in (end - RETIRED_LIFE, end, end + SECOND):
        assert as_of(ring, moment).get_for_signing(moment).kid == "es256-2"


# ── The ring itself ──────────────────────────────────────────────────────────────────────────────────────────────


def key(kid: int, **changes: object) -> RingKey:
    public_key = PROVIDER.public_key_of(PrivateKey(bytes([kid]) * 32))
    fields = {"state": KeyState.NEXT, "public_key": public_key, "not_before": START, "not_after": START + 10 * DAY}
    return RingKey(kid, **fields | changes)


def test_a_ring_without_a_successor_in_its_dates_stays_as_it_is():
    alone = start_ring(key(1))
    late = announce(alone, key(2, not_before=START + 20 * DAY, not_after=START + 30 * DAY), START)
    for ring in (KeyRing(), alone, late):
        assert turned_by_date(ring, START + 10 * DAY, DAY) is ring


def test_the_end_of_the_current_key_alone_is_set():
    ring = announce(start_ring(key(1)), key(2, not_before=START + DAY), START)
    ended = end_current(ring, START + 5 * DAY)
    assert ended.current().not_after == START + 5 * DAY
    assert ended.find(2) == ring.find(2)
    with pytest.raises(Malformed):
        end_current(ring, START)
    with pytest.raises(KeyNotFound):
        end_current(KeyRing(), START + DAY)
