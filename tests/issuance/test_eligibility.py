"""Whoever is not eligible: one answer for every reason, and five tries in vain a day for a person (threats.md E5)."""

import json

import pytest
import sqlalchemy as sa

from channels.issuance.asking import MOST_TRIES
from channels.issuance.models import bank_issuances
from channels.issuance.records import TRIES_WINDOW, count_tries, forget_numbers
from channels.models import news
from core.audit import audit_entries
from core.outbox import outbox
from ecard.cards import find_card_of_chip
from ecard.holders import number_index
from ecard.models import electronic_cards
from ecard.standing import cancel_card, report_loss
from physical.models import chip_cards
from physical.register import get_chip_card_by_id
from tests.channels.news_of_tests import tell
from tests.issuance.banks import Bank, Core, make_bank, make_customer, row_of
from tests.persons import Person, make_person
from tests.service import Service

DAY = TRIES_WINDOW.total_seconds()


def chip_of(service: Service, person: Person) -> str:
    index = number_index(service.runtime.ground, person.social_security_number)
    with service.database.transaction() as connection:
        query = (
            sa.select(chip_cards.c.id).where(chip_cards.c.holder_index == index).order_by(chip_cards.c.registered_at)
        )
        return str(connection.execute(query.limit(1)).scalar_one())


def unknown(bank: Bank) -> Person:
    return make_person(900_000 + len(bank.core.asked) + hash(bank.app.channel) % 10_000)


def change_chip(bank: Bank, act) -> Person:
    person, ground = make_customer(bank.service), bank.service.runtime.ground
    with ground.database.transaction() as connection:
        act(ground, connection, chip_of(bank.service, person), actor="hotline")
    return person


def set_dates(bank: Bank, **dates) -> Person:
    person = make_customer(bank.service)
    chip = chip_of(bank.service, person)
    with bank.service.database.transaction() as connection:
        connection.execute(chip_cards.update().where(chip_cards.c.id == chip).values(**dates))
    return person


def two_cards(bank: Bank) -> Person:
    person = make_customer(bank.service)
    number = next(n for n in range(1, 10_000) if make_person(n) == person)
    bank.service.make_card(number)
    return person


def named_otherwise(bank: Bank) -> Person:
    """Make a customer whom the service knows already, and a bank that has another name for the same number."""
    person = make_customer(bank.service)
    assert bank.issue(person)["state"] == "issued"
    return Person("样例丁", person.birth_date, person.sequence, person.sex, person.region)


def with_ended_card(bank: Bank) -> Person:
    person = make_customer(bank.service)
    assert bank.issue(person)["state"] == "issued"
    with bank.service.database.transaction() as connection:
        ended = electronic_cards.update().where(electronic_cards.c.chip_card == chip_of(bank.service, person))
        connection.execute(ended.values(standing="revoked"))
    return person


def today(bank: Bank):
    return bank.service.clock().date()


REGISTER = {
    "an unknown number": unknown,
    "a lost card": lambda bank: change_chip(bank, report_loss),
    "a cancelled card": lambda bank: change_chip(bank, cancel_card),
    "a card that has expired": lambda bank: set_dates(bank, expires_on=today(bank).replace(year=2025)),
    "a card before its first day": lambda bank: set_dates(bank, issued_on=today(bank).replace(year=2027)),
    "two cards": two_cards,
    "another name": named_otherwise,
    "an electronic card that has ended": with_ended_card,
}
CORES = {
    "not this bank's": {"function": "not_ours"},
    "an inactive financial function": {"function": "inactive"},
    "another phone": {"phone_agrees": False},
}


def told(bank: Bank, person: Person) -> tuple[object, ...]:
    """Give all that the bank's side is told of a request, but for ids and times."""
    answer = bank.send(person)
    bank.core.asked.clear()
    bank.work()
    assert len(bank.core.asked) == 1
    issuance = answer.json()["id"]
    looked = bank.app.send("GET", f"/v1/bank-issuances/{issuance}")
    tell(bank.service)
    with bank.service.database.transaction() as connection:
        rows = connection.execute(sa.select(news).where(news.c.card == issuance)).all()
    body = {name: value for name, value in looked.json().items() if name not in {"id", "out_request_no"}}
    mine = [(row.kind, row.channel == bank.app.channel, sorted(row.content)) for row in rows]
    asked = (answer.status_code, sorted(answer.json()), answer.json()["state"])
    return asked, looked.status_code, str(body), mine


REFUSED = {"state": "refused", "because": "not_eligible", "result": None, "carriage": None, "subject": None}


@pytest.mark.parametrize("reason", [*REGISTER, *CORES])
def test_every_reason_looks_like_every_other(bank, reason):
    person = REGISTER[reason](bank) if reason in REGISTER else make_customer(bank.service)
    for name, value in CORES.get(reason, {}).items():
        setattr(bank.core, name, value)
    asked, status, body, mine = told(bank, person)
    assert asked == (202, ["id", "state"], "asked")
    assert (status, body) == (200, str(REFUSED))
    assert mine == [("issuance.finished", True, ["issuance", "state"])]


def test_every_reason_is_found_by_the_same_statements(bank):
    """A number that is known takes no step more than one that is not, so that time tells nothing either."""
    people = {reason: make(bank) for reason, make in REGISTER.items()}
    seen = {reason: statements_of(bank, person) for reason, person in people.items()}
    assert len(set(seen.values())) == 1, seen
    assert len(seen["an unknown number"]) > 5


def statements_of(bank: Bank, person: Person) -> tuple[str, ...]:
    bank.ask(person)
    found: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        found.append(statement)

    engine = bank.service.database.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        bank.work()
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return tuple(found)


def test_nothing_is_written_of_a_person_who_is_refused(bank):
    bank.core.function = "inactive"
    person = make_customer(bank.service)
    issuance = bank.ask(person)
    bank.work()
    row = row_of(bank.service, issuance)
    assert (row.asked, row.card, row.evidence["serial"]) == (None, None, "5f")
    with bank.service.database.transaction() as connection:
        assert find_card_of_chip(connection, chip_of(bank.service, person)) is None
        entry = connection.execute(sa.select(audit_entries).where(audit_entries.c.act == "issuance.refused")).all()[-1]
        events = connection.execute(sa.select(outbox).where(outbox.c.kind == "issuance.finished")).all()
    assert (entry.subject, json.loads(entry.detail)["because"]) == (issuance, "not_eligible")
    assert events[-1].content == {"channel": bank.app.channel, "issuance": issuance, "state": "refused"}


def test_the_bank_is_asked_before_the_register(bank):
    """Being asked, or not, would tell a bank whom the register knows."""
    looked: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        looked.append(statement)

    bank.core.before = lambda: looked.append("the bank")
    engine = bank.service.database.engine
    bank.ask(unknown(bank))
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        bank.work()
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    chips = [place for place, statement in enumerate(looked) if "chip_cards" in statement]
    assert chips
    assert looked.index("the bank") < min(chips)


# ── Five tries ───────────────────────────────────────────────────────────────────────────────────────────────────


def refused_as_too_many(answer):
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_issuance_tries"), answer.text
    assert answer.headers["Retry-After"] == str(int(DAY))


@pytest.mark.parametrize("known", [True, False])
def test_the_sixth_try_in_vain_is_refused_from_another_bank_too(both, known):
    first, second = make_bank(both, Core(phone_agrees=False)), make_bank(both)
    person = make_customer(both) if known else make_person(777_777)
    assert [first.issue(person)["because"] for _ in range(MOST_TRIES)] == ["not_eligible"] * MOST_TRIES
    refused_as_too_many(first.send(person))
    refused_as_too_many(second.send(person))
    assert second.send(make_person(777_778)).status_code == 202
    both.clock.step(DAY - 0.001)
    refused_as_too_many(second.send(person))
    both.clock.step(0.001)
    assert second.issue(person)["state"] == ("issued" if known else "refused")


def test_tries_that_ended_well_or_without_an_answer_do_not_count(bank):
    person = make_customer(bank.service)
    for _ in range(2 * MOST_TRIES):
        assert bank.issue(person)["state"] == "issued"


def test_what_is_still_being_tried_counts_so_that_a_burst_gains_nothing(bank):
    person = make_customer(bank.service)
    for _ in range(MOST_TRIES):
        bank.ask(person)
    refused_as_too_many(bank.send(person))
    bank.work()
    assert bank.send(person).status_code == 202


def test_a_request_that_is_sent_again_counts_once(bank):
    bank.core.phone_agrees = False
    person = make_customer(bank.service)
    for _ in range(3 * MOST_TRIES):
        bank.ask(person, out_request_no="B-again-and-again")
    bank.work()
    assert bank.send(person).status_code == 202


def test_a_number_refused_as_too_many_is_free_for_use(bank):
    bank.core.phone_agrees = False
    person = make_customer(bank.service)
    for _ in range(MOST_TRIES):
        bank.issue(person)
    refused_as_too_many(bank.send(person, out_request_no="B-free"))
    assert bank.send(make_customer(bank.service), out_request_no="B-free").status_code == 202


def test_the_number_by_which_tries_are_counted_is_forgotten_when_it_counts_no_more(bank):
    bank.core.phone_agrees = False
    person, service = make_customer(bank.service), bank.service
    issuance = bank.issue(person)["id"]
    index = number_index(service.runtime.ground, person.social_security_number)
    assert row_of(service, issuance).number_index == index
    for step, left in ((DAY - 0.001, index), (0.001, None)):
        service.clock.step(step)
        with service.database.transaction() as connection:
            forget_numbers(connection, service.clock())
        assert row_of(service, issuance).number_index == left


def test_where_tries_cannot_be_counted_nothing_is_asked(bank, monkeypatch):
    person = make_customer(bank.service)

    def fail(*_arguments):
        raise sa.exc.OperationalError("count", {}, Exception("away"))

    monkeypatch.setattr("channels.issuance.asking.count_tries", fail)
    answer = bank.send(person, out_request_no="B-away")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    with bank.service.database.transaction() as connection:
        query = sa.select(bank_issuances).where(bank_issuances.c.out_request_no == "B-away")
        assert connection.execute(query).first() is None


def test_the_register_s_own_state_is_what_counts_not_the_try(bank):
    person = change_chip(bank, report_loss)
    assert bank.issue(person)["because"] == "not_eligible"
    with bank.service.database.transaction() as connection:
        assert get_chip_card_by_id(connection, chip_of(bank.service, person)).standing == "lost"
        index = number_index(bank.service.runtime.ground, person.social_security_number)
        assert count_tries(connection, index, bank.service.clock()) == 1
