"""The worker's part: asked again until there is an answer, ended after a day, repaired after every crash."""

from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
import sqlalchemy as sa

from auth.oauth.models import oauth_grants
from channels.bank_ports import PAUSE, PAUSED_FROM, find_port
from channels.issuance import finishing
from channels.issuance.finishing import finish_one
from channels.issuance.models import bank_issuances
from channels.issuance.records import LEASE, PATIENCE, claim_issuance, settle_claim, wait_after
from channels.models import news
from core.audit import audit_entries
from core.database import Database
from core.outbox import outbox
from ecard.models import electronic_cards
from sm.errors import KeyNotUsable
from tests.channels.news_of_tests import make_told_partner, tell
from tests.channels.partners import change, move
from tests.issuance.bank_server import BankServer, serving
from tests.issuance.banks import Bank, make_bank, make_customer, row_of
from tests.oauth.clients_of_tests import make_partner as make_client
from tests.service import Service
from web.worker import Worker


def state_of(bank: Bank, issuance: str) -> tuple[str, str | None]:
    row = row_of(bank.service, issuance)
    return row.state, row.because


def step(bank: Bank, wait: timedelta) -> None:
    bank.service.clock.step(wait.total_seconds())


def count(service: Service, table: sa.Table, *conditions: Any) -> int:
    with service.database.transaction() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one()


# ── A bank that gives no answer ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reason", ["timeout", "http_503", "not_signed", "destination_not_allowed"])
def test_a_bank_without_an_answer_is_asked_again_later(bank, reason):
    bank.core.silent = reason
    issuance = bank.ask(make_customer(bank.service))
    assert bank.work() == 1
    assert (*state_of(bank, issuance), row_of(bank.service, issuance).reason) == ("asked", None, reason)
    step(bank, wait_after(1) - timedelta(milliseconds=1))
    assert bank.work() == 0
    bank.core.silent = None
    step(bank, timedelta(milliseconds=1))
    assert bank.work() == 1
    assert state_of(bank, issuance) == ("issued", None)
    assert {question.issuance for _, question in bank.core.asked} == {issuance}


def test_the_waits_grow_to_an_hour():
    assert [wait_after(tries).total_seconds() for tries in (1, 2, 3, 4, 7, 8, 100)] == [
        15,
        30,
        60,
        180,
        1800,
        3600,
        3600,
    ]


def test_after_a_day_of_silence_it_is_refused_and_the_person_erased(both):
    bank = make_bank(both)
    bank.core.silent = "timeout"
    issuance, begun = bank.ask(make_customer(both)), both.clock()
    while state_of(bank, issuance)[0] == "asked":
        bank.work()
        assert both.clock() <= begun + PATIENCE
        both.clock.now = min(begun + PATIENCE, both.clock() + timedelta(minutes=10))
    assert state_of(bank, issuance) == ("refused", "bank_silent")
    row = row_of(both, issuance)
    assert (row.asked, row.finished_at - row.asked_at) == (None, PATIENCE // timedelta(milliseconds=1))
    assert 25 < len(bank.core.asked) < 40
    asked_last = [question for _, question in bank.core.asked][-1]
    assert asked_last.issuance == issuance


def test_an_answer_in_the_last_moment_counts_and_none_is_asked_for_after_it(bank):
    for late, state in ((timedelta(milliseconds=1), "issued"), (timedelta(), "refused")):
        bank.core.silent = "timeout"
        issuance, begun = bank.ask(make_customer(bank.service)), bank.service.clock()
        bank.work()
        bank.core.silent, asked = None, len(bank.core.asked)
        bank.service.clock.now = begun + PATIENCE - late
        bank.work()
        assert state_of(bank, issuance)[0] == state
        assert len(bank.core.asked) - asked == (1 if state == "issued" else 0)


def test_a_bank_that_is_silent_several_times_is_left_alone_and_others_are_not(bank):
    other = make_bank(bank.service)
    bank.core.silent = "timeout"
    for _ in range(PAUSED_FROM + 3):
        bank.ask(make_customer(bank.service))
    assert bank.work() == PAUSED_FROM
    assert other.issue(make_customer(bank.service))["state"] == "issued"
    step(bank, PAUSE)
    bank.core.silent = None
    assert bank.work() == 3
    with bank.service.database.transaction() as connection:
        assert find_port(connection, bank.app.channel).failures == 0


def test_a_bank_that_takes_its_time_holds_up_no_other(both):
    slow, other = make_bank(both), make_bank(both)
    for _ in range(4):
        slow.ask(make_customer(both))
    both.clock.step(1)
    issuance = other.ask(make_customer(both))
    desk = replace(other.desk, port=Cores(slow, other))

    def let_another_thread_work():
        slow.core.before = lambda: None
        another = Thread(target=finish_one, args=(desk,))
        another.start()
        another.join()

    slow.core.before = let_another_thread_work
    assert finish_one(desk)
    assert state_of(other, issuance)[0] == "issued"
    assert len(slow.core.asked) == 1


@dataclass
class Cores:
    """The cores of two banks, behind one port."""

    slow: Bank
    other: Bank

    def ask(self, channel, url, question):
        bank = self.slow if channel == self.slow.app.channel else self.other
        return bank.core.ask(channel, url, question)


def test_a_bank_whose_port_was_taken_away_is_asked_no_more_and_it_ends_after_a_day(bank):
    other = make_bank(bank.service)
    issuance = other.ask(make_customer(bank.service))
    change(bank.service, other.app.channel, "bank-port-end", {"url": "https://core.bank.example/essc"})
    assert other.work() == 0
    step(bank, PATIENCE)
    assert other.work() == 1
    assert (state_of(other, issuance), other.core.asked) == (("refused", "bank_silent"), [])


def test_a_suspended_channel_waits_until_it_is_live_again(bank):
    other = make_bank(bank.service)
    issuance = other.ask(make_customer(bank.service))
    move(bank.service, other.app.channel, "suspended")
    assert other.work() == 0
    move(bank.service, other.app.channel, "live")
    assert other.work() == 1
    assert state_of(other, issuance)[0] == "issued"


def test_a_channel_suspended_while_its_bank_is_asked_gets_no_card(bank):
    other = make_bank(bank.service)
    issuance = other.ask(make_customer(bank.service))
    other.core.before = lambda: move(bank.service, other.app.channel, "suspended")
    other.work()
    row = row_of(bank.service, issuance)
    assert (row.state, row.reason, row.card) == ("asked", "channel_not_live", None)


def test_a_channel_that_may_have_no_cards_issued_any_more_gets_none_that_it_has_asked_for_before(bank):
    other = make_bank(bank.service)
    issuance = other.ask(make_customer(bank.service))
    before, after = ["carriage", "news", "issue"], ["carriage", "news"]
    change(bank.service, other.app.channel, "terms", {"from": {"scopes": before}, "to": {"scopes": after}})
    other.work()
    row = row_of(bank.service, issuance)
    assert (row.state, row.reason, row.card) == ("asked", "scope_missing", None)


def test_a_client_without_card_present_gets_a_link_for_what_it_is_registered_for(bank):
    other = make_bank(bank.service)
    client = make_client(bank.service, scopes=["openid", "offline_access", "card.read"])
    before = {"client": other.client.id}
    change(bank.service, other.app.channel, "terms", {"from": before, "to": {"client": client.id}})
    other.client = client
    issued = other.issue(make_customer(bank.service))
    assert other.link(issued).exchange().json()["scope"] == "card.read"


# ── Who is told ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_end_is_told_to_that_channel_and_nobody_else(bank):
    carrying, stranger = make_bank(bank.service), make_told_partner(bank.service)
    person = make_customer(bank.service)
    first = carrying.issue(person)
    tell(bank.service)
    issued = bank.issue(person)
    tell(bank.service)
    with bank.service.database.transaction() as connection:
        rows = connection.execute(sa.select(news).where(news.c.kind == "issuance.finished")).all()
    mine = [row for row in rows if row.content["issuance"] == issued["id"]]
    assert [(row.channel, row.card, row.content["state"]) for row in mine] == [
        (bank.app.channel, issued["subject"], "issued")
    ]
    assert [row.channel for row in rows if row.content["issuance"] == first["id"]] == [carrying.app.channel]
    assert not [row for row in rows if row.channel == stranger.channel]


# ── Several workers ──────────────────────────────────────────────────────────────────────────────────────────────


def test_many_workers_do_each_request_once(both):
    bank, people = make_bank(both), [make_customer(both) for _ in range(12)]
    issuances = [bank.ask(person) for person in people]
    with serving(BankServer(bank.app)) as core:
        change(both, bank.app.channel, "bank-port", {"url": core.url})
        stopping, worker = Event(), Worker(both.runtime)
        watcher = _Watcher(both, stopping, len(people))
        worker.tell = watcher.look  # type: ignore[method-assign]
        worker.run(stopping, pause=0.05)
        assert sorted(asked["issuance"] for asked in core.asked) == sorted(issuances)
    assert {state_of(bank, issuance)[0] for issuance in issuances} == {"issued"}
    assert count(both, electronic_cards) == count(both, oauth_grants) == len(people)
    assert count(both, outbox, outbox.c.kind == "issuance.finished") == len(people)


class _Watcher:
    """Ends a worker when everything is done, or after a minute."""

    def __init__(self, service: Service, stopping: Event, wanted: int) -> None:
        self._service, self._stopping, self._wanted, self._rounds = service, stopping, wanted, 0

    def look(self) -> int:
        self._rounds += 1
        done = count(self._service, bank_issuances, bank_issuances.c.state != "asked")
        if done == self._wanted or self._rounds > 1200:
            self._stopping.set()
        return 0


def test_a_claim_is_passed_by_and_runs_out(both):
    bank = make_bank(both)
    bank.ask(make_customer(both))
    ground = both.runtime.ground
    first = claim_issuance(ground)
    assert first is not None
    assert claim_issuance(ground) is None
    step(bank, LEASE - timedelta(milliseconds=1))
    assert claim_issuance(ground) is None
    step(bank, timedelta(milliseconds=1))
    second = claim_issuance(ground)
    assert second is not None
    assert (second.issuance.id, second.issuance.tries) == (first.issuance.id, 2)


def test_who_was_overtaken_settles_nothing(both):
    bank = make_bank(both)
    issuance = bank.ask(make_customer(both))

    def be_overtaken() -> None:
        bank.core.before = lambda: None
        step(bank, LEASE)
        assert finish_one(bank.desk)

    bank.core.before = be_overtaken
    bank.core.phone_agrees = False
    assert finish_one(bank.desk)
    assert count(both, outbox, outbox.c.kind == "issuance.finished") == 1
    assert count(both, audit_entries, audit_entries.c.act == "issuance.refused") == 1
    assert row_of(both, issuance).tries == 2


# ── Crashes ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Killed(BaseException):
    """The worker dies: nothing after this runs."""


POINTS = {
    "before the bank is asked": ("channels.issuance.finishing._question", False),
    "after its answer": ("channels.issuance.finishing.plan_assured_card", False),
    "after the plan was made, before it is written": ("channels.issuance.finishing.plan_assured_card", True),
    "before the signature": ("channels.issuance.finishing.sign_plan", False),
    "after the signature": ("channels.issuance.finishing.sign_plan", True),
    "before the card is written": ("channels.issuance.finishing.issue_assured_card", False),
    "after the card was written": ("channels.issuance.finishing.issue_assured_card", True),
    "after the link": ("channels.issuance.finishing.start_grant", True),
    "after the carriage": ("channels.issuance.finishing.take_up", True),
    "before it is settled": ("channels.issuance.finishing.settle_claim", False),
    "after it was settled, before the commit": ("channels.issuance.finishing._record", True),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_any_point_leaves_no_half_and_the_next_one_finishes(both, monkeypatch, point):
    bank, (name, after) = make_bank(both), POINTS[point]
    issuance = bank.ask(make_customer(both))
    with monkeypatch.context() as patched:
        patched.setattr(name, dying(name.rpartition(".")[2], after=after))
        with pytest.raises(Killed):
            finish_one(bank.desk)
    assert state_of(bank, issuance) == ("asked", None)
    assert (count(both, electronic_cards), count(both, oauth_grants)) == (0, 0)
    assert finish_one(bank.desk) is False
    step(bank, LEASE)
    assert finish_one(bank.desk)
    assert state_of(bank, issuance) == ("issued", None)
    assert (count(both, electronic_cards), count(both, oauth_grants)) == (1, 1)
    assert count(both, outbox, outbox.c.kind == "issuance.finished") == 1
    signed = [row.detail for row in entries(both, "credential.to_be_signed")]
    written = {"before the signature", "after the signature"} | set(list(POINTS)[5:])
    assert len(signed) == (2 if point in written else 1)  # the trace of what was, or may have been, signed


def dying(function: str, *, after: bool):
    original = getattr(finishing, function)

    def die(*given: Any, **named: Any) -> None:
        if after:
            original(*given, **named)
        raise Killed

    return die


def entries(service: Service, act: str) -> list[Any]:
    with service.database.transaction() as connection:
        return list(connection.execute(sa.select(audit_entries).where(audit_entries.c.act == act)))


def test_a_worker_that_dies_again_and_again_tries_ever_more_seldom(bank, monkeypatch):
    issuance = bank.ask(make_customer(bank.service))
    with monkeypatch.context() as patched:
        patched.setattr(finishing, "sign_plan", dying("sign_plan", after=False))
        for wait in (60, 60, 60, 180, 600):
            with pytest.raises(Killed):
                finish_one(bank.desk)
            bank.service.clock.step(wait - 0.001)
            assert finish_one(bank.desk) is False
            bank.service.clock.step(0.001)
    assert finish_one(bank.desk)
    assert state_of(bank, issuance)[0] == "issued"


def test_without_an_answer_key_nobody_is_asked_and_nothing_is_lost(bank, monkeypatch):
    other = make_bank(bank.service)
    with serving(BankServer(other.app)) as core:
        change(bank.service, other.app.channel, "bank-port", {"url": core.url})
        issuance = other.ask(make_customer(bank.service))

        def refuse(*_given: Any) -> None:
            raise KeyNotUsable("none")

        with monkeypatch.context() as patched:
            patched.setattr("sm.answer_keys.AnswerKeys.require_signer", refuse)
            with pytest.raises(KeyNotUsable):
                finish_one(bank.service.runtime.issuance)
        assert core.asked == []
        step(bank, LEASE)
        assert finish_one(bank.service.runtime.issuance)
    assert state_of(other, issuance)[0] == "issued"


def test_a_database_that_goes_away_in_the_middle_costs_a_while_and_nothing_else(bank, monkeypatch):
    issuance = bank.ask(make_customer(bank.service))
    transaction = Database.transaction

    def away(*_given: Any) -> None:
        monkeypatch.setattr(Database, "transaction", transaction)
        raise sa.exc.OperationalError("x", {}, Exception("away"))

    bank.core.before = lambda: monkeypatch.setattr(Database, "transaction", away)
    worker = Worker(bank.service.runtime)
    assert worker._try(lambda: int(finish_one(bank.desk))) == 0
    bank.core.before = lambda: None
    step(bank, LEASE)
    assert bank.work() == 1
    assert state_of(bank, issuance)[0] == "issued"


def test_a_settled_request_is_not_settled_again(bank):
    issuance = bank.ask(make_customer(bank.service))
    claim = claim_issuance(bank.service.runtime.ground)
    assert claim is not None
    with bank.service.database.transaction() as connection:
        settle_claim(connection, claim, bank.service.clock(), "refused", because="not_eligible")
    with pytest.raises(finishing.Overtaken), bank.service.database.transaction() as connection:
        settle_claim(connection, claim, bank.service.clock(), "issued", card="x")
    assert state_of(bank, issuance) == ("refused", "not_eligible")
