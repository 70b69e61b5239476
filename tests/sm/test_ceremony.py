"""What two people must approve, how it is refused, and what remains of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm.ceremony import (
    APPROVAL_USER_ID,
    PLAN_LIFE,
    approve,
    propose,
    read_approval,
    read_operators,
    read_plan,
    verify_approvals,
    write_approval,
    write_operators,
    write_plan,
)
from sm.ceremony_log import LOG_FILE, LOG_HEAD, OPERATORS, CeremonyLog, carry_out
from sm.errors import CeremonyLogBroken, CeremonyRefused, KeyNotUsable, Malformed
from sm.keystore import FileKeyStore, MemoryKeyStore, create_file_store
from sm.providers import open_provider
from sm.sm2 import PrivateKey

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SECRET = "a secret for these tests"
ALICE, BOB, EVE = (PrivateKey(bytes([number]) * 32) for number in (1, 2, 3))


@pytest.fixture(scope="module")
def provider():
    return open_provider()


@pytest.fixture(scope="module")
def operators(provider):
    return {"alice": provider.public_key_of(ALICE), "bob": provider.public_key_of(BOB)}


@pytest.fixture
def plan():
    return propose(store="00" * 16, action="rotate", details={"current": "1"}, previous="ab", now=NOW)


@pytest.fixture
def approval(provider, plan):
    def build(operator, key, of=None, user_id=APPROVAL_USER_ID):
        return approve(of or plan, operator, provider.signer(key, user_id))

    return build


@pytest.fixture
def verify(provider, operators, plan):
    def run(*approvals, of=None, known=operators, at=NOW):
        verify_approvals(of or plan, approvals, known, provider, at)

    return run


# ── Approvals ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_operators_approve_a_plan(verify, approval):
    verify(approval("alice", ALICE), approval("bob", BOB))


def test_one_operator_is_not_enough(verify, approval):
    with pytest.raises(CeremonyRefused, match="2 operators"):
        verify(approval("alice", ALICE))
    with pytest.raises(CeremonyRefused, match="2 operators"):
        verify()


def test_the_same_operator_twice_is_one(verify, approval):
    with pytest.raises(CeremonyRefused, match="approved twice"):
        verify(approval("alice", ALICE), approval("alice", ALICE))


def test_one_key_under_two_names_is_one(provider, verify, approval, operators):
    known = {"alice": operators["alice"], "alias": operators["alice"]}
    with pytest.raises(CeremonyRefused, match="same key"):
        verify(approval("alice", ALICE), approval("alias", ALICE), known=known)


def test_a_stranger_approves_nothing(verify, approval):
    with pytest.raises(CeremonyRefused, match="nobody who is registered"):
        verify(approval("alice", ALICE), approval("eve", EVE))


def test_an_approval_in_another_s_name_is_refused(verify, approval):
    with pytest.raises(CeremonyRefused, match="not signed by the operator"):
        verify(approval("alice", ALICE), approval("bob", ALICE))


def test_an_approval_under_another_user_id_is_refused(verify, approval):
    with pytest.raises(CeremonyRefused, match="not signed by the operator"):
        verify(approval("alice", ALICE), approval("bob", BOB, user_id=b"1234567812345678"))


@pytest.mark.parametrize(
    "changes",
    [{"action": "withdraw"}, {"details": {"current": "2"}}, {"previous": "cd"}, {"store": "11" * 16}],
)
def test_an_approval_is_for_one_plan_only(verify, approval, plan, changes):
    other = replace(plan, **changes)
    with pytest.raises(CeremonyRefused, match="another plan"):
        verify(approval("alice", ALICE, other), approval("bob", BOB))


def test_an_approval_cannot_be_relabelled_for_another_plan(verify, approval, plan):
    other = replace(plan, action="withdraw")
    moved = replace(approval("bob", BOB, other), plan=approval("bob", BOB).plan)
    with pytest.raises(CeremonyRefused, match="not signed by the operator"):
        verify(approval("alice", ALICE), moved)


def test_one_approval_that_does_not_hold_spoils_two_that_do(verify, approval):
    with pytest.raises(CeremonyRefused):
        verify(approval("alice", ALICE), approval("bob", BOB), approval("eve", EVE))


def test_approvals_die_with_their_plan_after_a_day(verify, approval):
    both = approval("alice", ALICE), approval("bob", BOB)
    verify(*both, at=NOW + PLAN_LIFE - SECOND)
    with pytest.raises(CeremonyRefused, match="expired"):
        verify(*both, at=NOW + PLAN_LIFE)
    with pytest.raises(CeremonyRefused, match="not valid yet"):
        verify(*both, at=NOW - SECOND)


def test_a_plan_cannot_give_itself_a_longer_life(verify, approval, plan):
    patient = replace(plan, expires_at=plan.expires_at + SECOND)
    with pytest.raises(CeremonyRefused, match="too long"):
        verify(approval("alice", ALICE, patient), approval("bob", BOB, patient), of=patient)


def test_a_register_with_one_operator_approves_nothing(verify, approval, operators):
    with pytest.raises(CeremonyRefused, match="at least 2"):
        verify(approval("alice", ALICE), known={"alice": operators["alice"]})


# ── Texts ────────────────────────────────────────────────────────────────────────────────────────────────────────

TEXTS = st.text(max_size=20)


@given(TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=4))
def test_a_plan_is_read_as_it_was_written(store, action, details):
    written = propose(store=store, action=action, details=details, previous="", now=NOW)
    assert read_plan(write_plan(written)) == written


@given(st.binary(max_size=200))
def test_no_bytes_break_the_readers(content):
    for read in (read_plan, read_approval, read_operators):
        with pytest.raises(Malformed):
            read(content)


def test_a_second_spelling_of_a_plan_is_malformed(plan):
    text = write_plan(plan)
    for other in (text.replace(b",", b", "), text.replace(b"rotate", b"\\u0072otate"), text + text):
        with pytest.raises(Malformed):
            read_plan(other)


def test_an_approval_and_a_register_are_read_as_they_were_written(approval, operators):
    one = approval("alice", ALICE)
    assert read_approval(write_approval(one)) == one
    assert read_operators(write_operators(operators)) == operators


# ── Carrying out, and the log ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def log_of(tmp_path, provider, operators):
    def build(environment):
        store = create_file_store(tmp_path / environment, SECRET, environment)
        store.write_document(OPERATORS, "city", write_operators(operators))
        log = CeremonyLog(store.directory / LOG_FILE, store, provider)
        log.begin()
        return log

    return build


@pytest.fixture
def log(log_of):
    return log_of("production")


class Act:
    """An effect that counts how often it happened."""

    def __init__(self, refusal=None):
        self.count = 0
        self.refusal = refusal

    def __call__(self):
        if self.refusal is not None:
            raise self.refusal
        self.count += 1
        return {"count": str(self.count)}


def next_plan(log, action="rotate"):
    return propose(store=log.store.identifier, action=action, details={}, previous=log.head(), now=NOW)


def approved(log, plan):
    return [
        approve(plan, name, log.provider.signer(key, APPROVAL_USER_ID))
        for name, key in (("alice", ALICE), ("bob", BOB))
    ]


def test_an_approved_plan_is_carried_out_and_recorded_before_and_after(log):
    act, plan = Act(), next_plan(log)
    assert carry_out(log, plan, approved(log, plan), NOW, act) == {"count": "1"}
    begun, done = log.records()
    assert (begun.state, done.state) == ("begun", "done")
    assert begun.plan == done.plan == plan
    assert [approval.operator for approval in done.approvals] == ["alice", "bob"]
    assert done.result == {"count": "1"}
    assert done.previous == begun.digest
    assert log.head() == done.digest


def test_the_approvals_in_the_log_can_be_verified_again_later(log, provider, operators):
    plan = next_plan(log)
    carry_out(log, plan, approved(log, plan), NOW, Act())
    record = log.records()[-1]
    verify_approvals(record.plan, record.approvals, operators, provider, record.recorded_at)


def test_in_production_nothing_happens_without_two_approvals(log):
    act, plan = Act(), next_plan(log)
    for approvals in ([], approved(log, plan)[:1], approved(log, plan)[:1] * 2):
        with pytest.raises(CeremonyRefused):
            carry_out(log, plan, approvals, NOW, act)
    assert act.count == 0
    assert log.records() == []


def test_approvals_work_once(log):
    act, plan = Act(), next_plan(log)
    approvals = approved(log, plan)
    carry_out(log, plan, approvals, NOW, act)
    with pytest.raises(CeremonyRefused, match="before the last ceremony"):
        carry_out(log, plan, approvals, NOW, act)
    assert act.count == 1


def test_of_two_plans_approved_at_the_same_time_the_second_is_refused(log):
    act, first, second = Act(), next_plan(log, "rotate"), next_plan(log, "withdraw")
    both = [(plan, approved(log, plan)) for plan in (first, second)]
    carry_out(log, *both[0], NOW, act)
    with pytest.raises(CeremonyRefused):
        carry_out(log, *both[1], NOW, act)


def test_a_plan_for_another_store_is_refused(log):
    plan = replace(next_plan(log), store="00" * 16)
    with pytest.raises(CeremonyRefused, match="another key store"):
        carry_out(log, plan, approved(log, plan), NOW, Act())


def test_an_expired_plan_is_not_carried_out(log):
    act, plan = Act(), next_plan(log)
    with pytest.raises(CeremonyRefused, match="expired"):
        carry_out(log, plan, approved(log, plan), NOW + PLAN_LIFE, act)
    assert act.count == 0


def test_what_the_act_refuses_is_recorded_and_uses_up_the_approvals(log):
    plan = next_plan(log)
    approvals = approved(log, plan)
    with pytest.raises(KeyNotUsable):
        carry_out(log, plan, approvals, NOW, Act(KeyNotUsable("not yet")))
    assert [record.state for record in log.records()] == ["begun", "failed"]
    assert log.records()[-1].result == {"code": "key_not_usable"}
    with pytest.raises(CeremonyRefused):
        carry_out(log, plan, approvals, NOW, Act())


def test_a_crash_in_the_middle_of_the_act_shows_as_begun_and_not_done(log):
    class Crash(BaseException):
        pass

    plan = next_plan(log)
    with pytest.raises(Crash):
        carry_out(log, plan, approved(log, plan), NOW, Act(Crash()))
    assert [record.state for record in log.records()] == ["begun"]


def test_in_development_nobody_needs_to_approve_but_it_is_recorded(log_of):
    log, act = log_of("development"), Act()
    carry_out(log, next_plan(log), [], NOW, act)
    assert act.count == 1
    assert [record.approvals for record in log.records()] == [(), ()]


def test_in_development_a_wrong_approval_is_refused_too(log_of, provider):
    log = log_of("development")
    plan = next_plan(log)
    with pytest.raises(CeremonyRefused):
        carry_out(log, plan, [approve(plan, "eve", provider.signer(EVE, APPROVAL_USER_ID))], NOW, Act())


def test_a_production_store_without_operators_carries_out_nothing(tmp_path, provider):
    log = CeremonyLog(tmp_path / LOG_FILE, MemoryKeyStore("production"), provider)
    log.begin()
    with pytest.raises(CeremonyRefused, match="no operators"):
        carry_out(log, next_plan(log), [], NOW, Act())


@pytest.fixture
def long_log(log):
    for _ in range(3):
        plan = next_plan(log)
        carry_out(log, plan, approved(log, plan), NOW, Act())
    return log


def lines_of(log):
    return (log.store.directory / LOG_FILE).read_bytes().splitlines(keepends=True)


def write_lines(log, lines):
    (log.store.directory / LOG_FILE).write_bytes(b"".join(lines))


@pytest.mark.parametrize("missing", range(6))
def test_a_line_taken_from_the_log_is_noticed(long_log, missing):
    lines = lines_of(long_log)
    assert len(lines) == 6
    write_lines(long_log, lines[:missing] + lines[missing + 1 :])
    with pytest.raises(CeremonyLogBroken):
        long_log.records()


def test_a_log_taken_away_as_a_whole_is_noticed(long_log):
    (long_log.store.directory / LOG_FILE).unlink()
    with pytest.raises(CeremonyLogBroken):
        long_log.head()


def test_lines_in_another_order_are_noticed(long_log):
    first, second, *rest = lines_of(long_log)
    write_lines(long_log, [second, first, *rest])
    with pytest.raises(CeremonyLogBroken):
        long_log.records()


@pytest.mark.parametrize("position", range(0, 1500, 97))
def test_a_flipped_bit_in_the_log_is_noticed(long_log, position):
    lines = lines_of(long_log)
    changed = bytearray(lines[2])
    changed[position % (len(changed) - 1)] ^= 1
    write_lines(long_log, [*lines[:2], bytes(changed), *lines[3:]])
    with pytest.raises(CeremonyLogBroken):
        long_log.records()


def test_a_line_of_another_store_s_log_is_noticed(long_log, log_of):
    other = log_of("development")
    carry_out(other, next_plan(other), [], NOW, Act())
    write_lines(long_log, [*lines_of(long_log), lines_of(other)[0]])
    with pytest.raises(CeremonyLogBroken):
        long_log.records()


def test_a_line_cut_short_by_a_crash_does_not_count_and_goes_at_the_next_ceremony(long_log):
    before = long_log.records()
    with (long_log.store.directory / LOG_FILE).open("ab") as file:
        file.write(lines_of(long_log)[0][:100])
    assert long_log.records() == before
    plan = next_plan(long_log)
    carry_out(long_log, plan, approved(long_log, plan), NOW, Act())
    assert len(long_log.records()) == len(before) + 2


def test_a_crash_between_the_line_and_its_head_is_mended_by_the_next_ceremony(long_log):
    """The head says one line less than there is: the line is signed, so it counts."""
    lines = long_log.records()
    old_head = f'{{"digest":"{lines[4].digest}","sequence":5}}'.encode()
    long_log.store.write_document(LOG_HEAD, "city", old_head)
    assert long_log.records() == lines
    plan = next_plan(long_log)
    carry_out(long_log, plan, approved(long_log, plan), NOW, Act())
    assert len(long_log.records()) == 8


def test_a_log_without_its_head_is_broken(long_log):
    (long_log.store.directory / "entries" / "ceremony~log-head.json").unlink()
    with pytest.raises(CeremonyLogBroken):
        long_log.records()


def test_the_log_is_read_by_another_process_that_has_the_secret(long_log, provider):
    store = FileKeyStore(long_log.store.directory, SECRET)
    again = CeremonyLog(store.directory / LOG_FILE, store, provider)
    assert again.records() == long_log.records()
