"""The keys of a city: made once, rotated without a gap, withdrawn for good."""

from datetime import UTC, datetime, timedelta

import pytest

from sm.certificates import CARD_PURPOSE, Subject, development_subjects
from sm.city_keys import (
    CITY_KEYS,
    CODE_HANDLE,
    CODE_RING,
    CODE_SIGNING,
    RETIRED_LIFE,
    city_trust,
    code_ring,
    create_city_keys,
    issue_leaf,
    load_code_keys,
    missing_city_keys,
    read_hierarchy,
    rotate_code_keys,
    withdraw_code_key,
)
from sm.errors import InvalidSignature, KeyNotFound, KeyNotUsable, Malformed
from sm.keyring import KeyState
from sm.keystore import MemoryKeyStore
from sm.providers import open_provider
from sm.ring_document import read_ring, write_ring

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LEAD, SECOND, DAY = timedelta(hours=1), timedelta(seconds=1), timedelta(days=1)
QR_USER_ID = b"ESSC-QR-B1"
SUBJECTS = development_subjects("990100")


@pytest.fixture(scope="module")
def provider():
    return open_provider()


@pytest.fixture
def store(provider):
    made = MemoryKeyStore()
    create_city_keys(made, provider, NOW, SUBJECTS, LEAD)
    return made


def states(ring):
    return {key.kid: str(key.state) for key in ring.keys}


def test_every_key_of_the_list_is_made_with_its_level_and_kind(store):
    for key in CITY_KEYS:
        entry = store.entry(key.name)
        assert (entry.level, entry.kind) == (key.level, key.kind)
    assert len({key.name for key in CITY_KEYS}) == len(CITY_KEYS)
    assert missing_city_keys(store) == []


def test_making_the_keys_again_changes_nothing(store, provider):
    before = {name: store.read(name) for name in store.names()}
    assert create_city_keys(store, provider, NOW + DAY, SUBJECTS, LEAD) == []
    assert {name: store.read(name) for name in store.names()} == before


class Stop(BaseException):
    """A crash."""


class CrashingStore(MemoryKeyStore):
    """Crashes at the write that follows so many others."""

    def __init__(self, writes):
        super().__init__()
        self.left = writes

    def put(self, *arguments):
        self.spend()
        return super().put(*arguments)

    def write_document(self, *arguments):
        self.spend()
        super().write_document(*arguments)

    def spend(self):
        if self.left == 0:
            raise Stop
        self.left -= 1


@pytest.mark.parametrize("writes", range(24))
def test_a_creation_that_crashed_is_completed_by_the_next(provider, writes):
    store = CrashingStore(writes)
    try:
        create_city_keys(store, provider, NOW, SUBJECTS, LEAD)
    except Stop:
        before = {name: store.read(name) for name in store.names()}
        store.left = -1
        create_city_keys(store, provider, NOW, SUBJECTS, LEAD)
        assert {name: store.read(name) for name in before} == before
    assert missing_city_keys(store) == []
    assert states(code_ring(store)) == {1: "current", 2: "next"}


def test_a_leaf_of_the_city_is_believed_below_its_ministry(store, provider):
    key = provider.generate()
    leaf = issue_leaf(
        store,
        provider,
        subject=Subject("99" * 16),
        public_key=provider.public_key_of(key),
        purpose=CARD_PURPOSE,
        not_before=NOW,
        not_after=NOW + DAY,
    )
    trust, intermediates = city_trust(store, provider), read_hierarchy(store).intermediates
    assert trust.verify_chain(leaf, intermediates, NOW, purpose=CARD_PURPOSE) is leaf


def test_the_first_code_key_signs_and_the_second_is_published_ahead(store):
    ring = code_ring(store)
    assert states(ring) == {1: "current", 2: "next"}
    assert ring.get_for_signing(NOW).kid == 1
    assert ring.find(2).not_before == NOW + LEAD
    assert ring.current().reference == "file:" + CODE_SIGNING.format(kid=1)


def test_code_keys_sign_verify_and_open_handles(store, provider):
    keys = load_code_keys(store, provider, QR_USER_ID)
    assert sorted(keys) == [1, 2]
    signature = keys[1].signer.sign(b"code")
    keys[1].verifier.verify(b"code", signature)
    with pytest.raises(InvalidSignature):
        keys[2].verifier.verify(b"code", signature)
    handle = keys[1].handle.encrypt(bytes(16))
    assert keys[1].handle.decrypt(handle) == bytes(16)
    assert keys[2].handle.encrypt(bytes(16)) != handle


def test_a_rotation_waits_until_the_next_key_was_published_long_enough(store, provider):
    with pytest.raises(KeyNotUsable):
        rotate_code_keys(store, provider, NOW + LEAD - SECOND, LEAD)
    assert states(code_ring(store)) == {1: "current", 2: "next"}
    ring = rotate_code_keys(store, provider, NOW + LEAD, LEAD)
    assert states(ring) == states(code_ring(store)) == {1: "retired", 2: "current", 3: "next"}


def test_a_retired_key_verifies_for_a_quarter_of_an_hour_and_signs_no_more(store, provider):
    switch = NOW + LEAD
    ring = rotate_code_keys(store, provider, switch, LEAD)
    assert ring.get_for_verifying(1, switch + RETIRED_LIFE - SECOND).kid == 1
    with pytest.raises(KeyNotUsable):
        ring.get_for_verifying(1, switch + RETIRED_LIFE)
    assert load_code_keys(store, provider, QR_USER_ID)[1].signer is None


def test_twenty_rotations_never_leave_a_moment_without_a_key(store, provider):
    moment = NOW
    for number in range(1, 21):
        before = code_ring(store)
        moment += LEAD
        after = rotate_code_keys(store, provider, moment, LEAD)
        assert before.get_for_signing(moment).kid == number
        assert after.get_for_signing(moment).kid == number + 1
        assert before.get_for_verifying(number + 1, moment).state is KeyState.NEXT
        assert after.get_for_verifying(number, moment).state is KeyState.RETIRED


def test_a_withdrawn_key_is_replaced_at_once_when_the_next_is_ready(store, provider):
    moment = NOW + LEAD
    ring = withdraw_code_key(store, provider, 1, moment, LEAD)
    assert states(ring) == {1: "withdrawn", 2: "current", 3: "next"}
    with pytest.raises(KeyNotUsable):
        ring.get_for_verifying(1, moment)
    assert ring.get_for_signing(moment).kid == 2


def test_a_key_withdrawn_before_the_next_is_ready_leaves_none_that_signs(store, provider):
    ring = withdraw_code_key(store, provider, 1, NOW, LEAD)
    assert states(ring) == {1: "withdrawn", 2: "next"}
    with pytest.raises(KeyNotFound):
        ring.get_for_signing(NOW)
    assert states(rotate_code_keys(store, provider, NOW + LEAD, LEAD)) == {1: "withdrawn", 2: "current", 3: "next"}


def test_a_withdrawn_next_key_is_replaced_by_another_next(store, provider):
    ring = withdraw_code_key(store, provider, 2, NOW, LEAD)
    assert states(ring) == {1: "current", 2: "withdrawn", 3: "next"}


def test_a_withdrawn_key_stays_withdrawn(store, provider):
    withdraw_code_key(store, provider, 1, NOW + LEAD, LEAD)
    ring = rotate_code_keys(store, provider, NOW + 3 * LEAD, LEAD)
    assert states(ring)[1] == "withdrawn"


def test_old_handles_open_after_their_key_was_withdrawn(store, provider):
    handle = load_code_keys(store, provider, QR_USER_ID)[1].handle.encrypt(b"sixteen bytes of")
    withdraw_code_key(store, provider, 1, NOW + LEAD, LEAD)
    assert load_code_keys(store, provider, QR_USER_ID)[1].handle.decrypt(handle) == b"sixteen bytes of"


def test_a_key_that_never_was_is_not_withdrawn(store, provider):
    with pytest.raises(KeyNotFound):
        withdraw_code_key(store, provider, 9, NOW, LEAD)


def test_a_ring_with_another_key_than_the_store_is_not_loaded(store, provider):
    ring = code_ring(store)
    other = MemoryKeyStore()
    create_city_keys(other, provider, NOW, SUBJECTS, LEAD)
    store.write_document(CODE_RING, "city", write_ring(code_ring(other)))
    assert code_ring(store) != ring
    with pytest.raises(KeyNotFound):
        load_code_keys(store, provider, QR_USER_ID)


def test_each_code_key_has_its_own_handle_key(store):
    assert store.symmetric(CODE_HANDLE.format(kid=1)) != store.symmetric(CODE_HANDLE.format(kid=2))


def test_a_ring_is_read_as_it_was_written(store):
    ring = code_ring(store)
    assert read_ring(write_ring(ring)) == ring


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"current"', b'"signing"'),
        (b'"kid":1', b'"kid":true'),
        (b'"format":1', b'"format":2'),
        (b"Z", b"z"),
        (b"{", b"{ "),
    ],
)
def test_a_ring_of_another_form_is_malformed(store, old, new):
    text = write_ring(code_ring(store))
    assert old in text
    with pytest.raises(Malformed):
        read_ring(text.replace(old, new, 1))
