from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sm.errors import InvalidKey, KeyExists, KeyNotFound, KeyNotUsable, Malformed
from sm.keyring import KeyRing, KeyState, RingKey, announce, rotate, start_ring, withdraw
from sm.providers import open_provider
from sm.sm2 import PrivateKey

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
SWITCH = START + 30 * DAY  # when key 2 may be used
RETIRED_UNTIL = SWITCH + 2 * DAY


@pytest.fixture(scope="module")
def public_keys():
    provider = open_provider()
    return [provider.public_key_of(PrivateKey(bytes([number]) * 32)) for number in range(1, 5)]


@pytest.fixture
def key(public_keys):
    def build(kid, **changes):
        fields = {
            "state": KeyState.NEXT,
            "public_key": public_keys[kid],
            "not_before": START if kid == 1 else SWITCH,
            "not_after": START + 365 * DAY,
        }
        return RingKey(kid, **fields | changes)

    return build


@pytest.fixture
def announced(key):
    return announce(start_ring(key(1)), key(2), START + DAY)


@pytest.fixture
def rotated(announced):
    return rotate(announced, SWITCH, RETIRED_UNTIL)


def test_the_first_key_is_current_at_once(key):
    ring = start_ring(key(1))
    assert ring.current().kid == 1
    assert ring.get_for_signing(START).kid == 1


def test_an_announced_key_is_published_but_does_not_sign(announced):
    assert announced.current().kid == 1
    assert announced.find(2).state is KeyState.NEXT


def test_an_announced_key_verifies_from_its_first_day(announced):
    with pytest.raises(KeyNotUsable):
        announced.get_for_verifying(2, SWITCH - SECOND)
    assert announced.get_for_verifying(2, SWITCH).kid == 2


def test_a_key_is_published_before_its_first_use(key):
    with pytest.raises(KeyNotUsable):
        announce(start_ring(key(1)), key(2), SWITCH)
    assert announce(start_ring(key(1)), key(2), SWITCH - SECOND).find(2)


def test_one_next_key_at_a_time(announced, key):
    with pytest.raises(KeyNotUsable):
        announce(announced, key(3), START + DAY)


def test_a_kid_is_never_used_twice(key):
    ring = withdraw(start_ring(key(1)), 1)
    with pytest.raises(KeyExists):
        announce(ring, replace(key(2), kid=1), START)


def test_a_key_is_never_in_the_ring_twice(key):
    with pytest.raises(KeyExists):
        announce(start_ring(key(1)), replace(key(1), kid=9, not_before=SWITCH), START)


def test_rotation_retires_the_old_key_until_its_end(rotated):
    assert rotated.current().kid == 2
    assert rotated.find(1).state is KeyState.RETIRED
    assert rotated.get_for_verifying(1, RETIRED_UNTIL - SECOND).kid == 1
    with pytest.raises(KeyNotUsable):
        rotated.get_for_verifying(1, RETIRED_UNTIL)


def test_a_retired_key_never_lives_longer_than_it_would_have(announced):
    ring = rotate(announced, SWITCH, START + 1000 * DAY)
    assert ring.find(1).not_after == START + 365 * DAY


def test_rotation_waits_for_the_next_keys_first_day(announced):
    with pytest.raises(KeyNotUsable):
        rotate(announced, SWITCH - SECOND, RETIRED_UNTIL)
    assert announced.current().kid == 1


def test_rotation_needs_a_next_key(key, rotated):
    with pytest.raises(KeyNotFound):
        rotate(start_ring(key(1)), SWITCH, RETIRED_UNTIL)
    with pytest.raises(KeyNotFound):
        rotate(rotated, SWITCH, RETIRED_UNTIL)


def test_a_withdrawn_key_never_verifies(rotated):
    for kid in (1, 2):
        ring = withdraw(rotated, kid)
        with pytest.raises(KeyNotUsable):
            ring.get_for_verifying(kid, SWITCH)


def test_without_a_current_key_nothing_is_signed(key):
    ring = withdraw(start_ring(key(1)), 1)
    with pytest.raises(KeyNotFound):
        ring.current()
    with pytest.raises(KeyNotFound):
        ring.get_for_signing(START)


def test_after_a_withdrawal_the_next_key_takes_over_and_the_withdrawn_one_stays_so(announced):
    ring = rotate(withdraw(announced, 1), SWITCH, RETIRED_UNTIL)
    assert ring.current().kid == 2
    assert ring.find(1).state is KeyState.WITHDRAWN


def test_a_current_key_signs_strictly_before_its_end(key):
    ring = start_ring(key(1))
    end = START + 365 * DAY
    with pytest.raises(KeyNotUsable):
        ring.get_for_signing(START - SECOND)
    assert ring.get_for_signing(end - SECOND)
    with pytest.raises(KeyNotUsable):
        ring.get_for_signing(end)


def test_an_unknown_kid_is_none_or_a_refusal(rotated):
    assert rotated.find(7) is None
    assert rotated.find("1") is None
    with pytest.raises(KeyNotFound):
        rotated.get_for_verifying(7, SWITCH)
    with pytest.raises(KeyNotFound):
        withdraw(rotated, 7)


def test_an_empty_ring_knows_nothing():
    with pytest.raises(KeyNotFound):
        KeyRing().current()


def test_acts_leave_the_old_ring_as_it_was(announced):
    rotate(announced, SWITCH, RETIRED_UNTIL)
    withdraw(announced, 1)
    assert announced.current().kid == 1


@pytest.mark.parametrize("state", [KeyState.CURRENT, KeyState.NEXT])
def test_a_ring_with_two_current_or_two_next_keys_is_refused(key, state):
    with pytest.raises(Malformed):
        KeyRing((key(1, state=state), key(2, state=state)))


def test_a_key_has_lawful_dates_and_a_point(key):
    with pytest.raises(Malformed):
        key(1, not_after=START)
    with pytest.raises(Malformed):
        key(1, not_before=datetime(2026, 1, 1))  # noqa: DTZ001 - the naive time is the point
    with pytest.raises(InvalidKey):
        key(1, public_key=bytes(64))
