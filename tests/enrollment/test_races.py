"""What comes at the same moment: the database decides, one wins, and nobody is told something else."""

import threading
import time
from functools import partial

import pytest
import sqlalchemy as sa

from auth.devices import active_devices
from core.outbox import outbox
from ecard import issuance
from ecard.models import holders
from ecard.standing import report_loss
from physical.register import get_chip_card_by_id
from tests.enrollment.attempt import Attempt
from tests.enrollment.together import together
from tests.service import Service

ROUNDS = 5


def lose(attempt: Attempt, delay: float = 0.0) -> None:
    """Report the chip card lost, as the hotline does: in a transaction of its own, so many seconds from now."""
    time.sleep(delay)
    ground = attempt.service.runtime.ground
    with ground.database.transaction() as connection:
        report_loss(ground, connection, attempt.chip.id, actor="hotline")


def count(service: Service, query: sa.Select[tuple[int]]) -> int:
    with service.database.transaction() as connection:
        return connection.execute(query).scalar_one()


# ── The same message twice ───────────────────────────────────────────────────────────────────────────────────────


def test_two_confirmations_at_once_issue_one_card(postgres_city: Service):
    for _ in range(ROUNDS):
        attempt = Attempt(postgres_city).until("complete")
        chip = attempt.chip.id
        first, second = together(*[partial(attempt.confirm, chip)] * 2)
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        with postgres_city.database.transaction() as connection:
            assert [device.id for device in active_devices(connection, attempt.electronic_card.id)] == [
                first.json()["device"]
            ]
        issued = sa.select(sa.func.count()).where(outbox.c.kind == "card.issued", outbox.c.card == first.json()["id"])
        assert count(postgres_city, issued) == 1


@pytest.mark.parametrize("step", ["begin", "hello", "complete"])
def test_the_same_message_twice_at_once_has_one_answer(postgres_city: Service, step):
    for _ in range(ROUNDS):
        attempt = Attempt(postgres_city).until({"begin": "open", "hello": "begin", "complete": "hello"}[step])
        body = {"hello": attempt.read_hello, "complete": attempt.read_completion}.get(step, dict)()
        attempt.sent[step] = body
        first, second = together(*[getattr(attempt, step)] * 2)
        assert first.is_success, first.text
        assert first.json() == second.json()
        assert Attempt.confirm(attempt).status_code == (201 if step == "complete" else 409)


# ── Two messages where one may win ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reached", "step", "change"),
    [("begin", "hello", {"round_trip_ms": 13}), ("hello", "complete", {"default_pin": True})],
)
def test_of_two_different_messages_at_once_one_is_taken_and_the_other_ends_it(
    postgres_city: Service, reached, step, change
):
    for _ in range(ROUNDS):
        attempt = Attempt(postgres_city).until(reached)
        body = attempt.read_hello() if step == "hello" else attempt.read_completion()
        answers = together(partial(attempt.send, step, body), partial(attempt.send, step, body | change))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert (attempt.state, attempt.refusal) == ("refused", "enrollment_out_of_step")


def test_of_phones_that_scan_one_code_at_once_one_begins(postgres_city: Service):
    for _ in range(ROUNDS):
        attempt = Attempt(postgres_city).until("open")
        phones = [postgres_city.phone() for _ in range(4)]
        answers = together(*[partial(phone.begin, attempt.session["display"]) for phone in phones])
        assert sorted(answer.status_code for answer in answers) == [201, 410, 410, 410]


def test_a_phone_that_begins_at_several_readers_at_once_begins_at_one(postgres_city: Service):
    for _ in range(ROUNDS):
        phone = postgres_city.phone()
        attempts = [Attempt(postgres_city, phone=phone, card=None).until("open") for _ in range(3)]
        answers = together(*[attempt.begin for attempt in attempts])
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


def test_of_two_readers_that_say_hello_for_one_card_at_once_one_wins(postgres_city: Service):
    for _ in range(ROUNDS):
        card = postgres_city.make_card()
        attempts = [Attempt(postgres_city, card=card).until("begin") for _ in range(2)]
        for attempt in attempts:
            attempt.sent["hello"] = attempt.read_hello()
        answers = together(*[attempt.hello for attempt in attempts])
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert {answer.json().get("code") for answer in answers} == {None, "enrollment_open"}
        assert sorted(attempt.state for attempt in attempts) == ["hello", "refused"]


def test_of_confirming_and_giving_up_at_once_one_wins(postgres_city: Service):
    for _ in range(ROUNDS * 2):
        attempt = Attempt(postgres_city).until("complete")
        chip = attempt.chip.id
        confirmed, abandoned = together(partial(attempt.confirm, chip), attempt.abandon)
        assert (confirmed.status_code, abandoned.status_code) in {(201, 410), (410, 200)}
        assert (attempt.electronic_card is not None) == confirmed.is_success == (attempt.state == "issued")


def test_two_cards_of_one_holder_confirmed_at_once_are_both_issued_to_one_holder(postgres_city: Service):
    for number in range(7000, 7000 + ROUNDS):
        attempts = [Attempt(postgres_city, card=postgres_city.make_card(number)).until("complete") for _ in range(2)]
        answers = together(*[attempt.confirm for attempt in attempts])
        assert [answer.status_code for answer in answers] == [201, 201]
        assert len({attempt.electronic_card.holder for attempt in attempts}) == 1
        of_holder = sa.select(sa.func.count()).where(holders.c.number_index == attempts[0].chip.holder_index)
        assert count(postgres_city, of_holder) == 1


# ── A loss report in between (threats.md E6; trust.md, figure 9) ─────────────────────────────────────────────────


def test_e6_a_loss_report_that_races_an_enrollment_never_leaves_an_active_card(postgres_city: Service):
    for number in range(50):
        reached = ("complete", "complete", "complete", "hello", "begin")[number % 5]
        attempt = Attempt(postgres_city).until(reached)
        following = {"complete": attempt.confirm, "hello": attempt.complete, "begin": attempt.hello}[reached]
        if reached == "begin":
            attempt.sent["hello"] = attempt.read_hello()
        if reached == "hello":
            attempt.sent["complete"] = attempt.read_completion()

        answer, _ = together(following, partial(lose, attempt, number // 5 * 0.008))
        assert answer.is_success or answer.json()["code"] == "chip_card_lost"
        if reached == "begin" and answer.is_success:
            attempt.answers["hello"] = answer.json()
        if reached != "complete":
            attempt.complete()
            assert not attempt.confirm().is_success
        assert attempt.chip.standing == "lost"
        card = attempt.electronic_card
        assert (card is None) == (attempt.state != "issued")
        assert card is None or card.standing == "suspended"


def test_e6_a_loss_reported_while_the_credential_is_being_signed_refuses_the_card(attempt: Attempt, monkeypatch):
    attempt.until("complete")

    def sign_after_the_loss(*given):
        together(partial(lose, attempt))
        return sign(*given)

    sign = issuance.sign_credential
    monkeypatch.setattr(issuance, "sign_credential", sign_after_the_loss)
    refused = attempt.confirm()
    assert (refused.status_code, refused.json()["code"]) == (409, "chip_card_lost")
    assert (attempt.state, attempt.refusal) == ("refused", "chip_card_lost")
    assert attempt.electronic_card is None


def test_e6_a_loss_reported_while_the_card_is_being_written_waits_and_then_suspends_it(attempt: Attempt, monkeypatch):
    attempt.until("complete")
    reporting = threading.Thread(target=lose, args=(attempt,))
    standing_seen = []

    def finish_beside_a_report(connection, *given, **more):
        reporting.start()
        reporting.join(0.3)
        standing_seen.append((reporting.is_alive(), get_chip_card_by_id(connection, attempt.chip.id).standing))
        return finish(connection, *given, **more)

    finish = issuance.finish_enrollment
    monkeypatch.setattr(issuance, "finish_enrollment", finish_beside_a_report)
    assert attempt.confirm().status_code == 201
    reporting.join()
    assert standing_seen == [(True, "active")]
    assert (attempt.chip.standing, attempt.electronic_card.standing) == ("lost", "suspended")
