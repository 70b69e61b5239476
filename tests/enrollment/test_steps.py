"""The steps of an enrollment: their order, their repetition, their end, and who may see them."""

import pytest
import sqlalchemy as sa

from core.audit import audit_entries
from core.outbox import outbox
from ecard.enrollment_records import end_all_expired
from tests.enrollment.attempt import STEPS, Attempt

LIFE = 120  # seconds: chip-card.md section 3
REACHED = {"begin": "pending", "hello": "hello", "complete": "verified", "confirm": "issued"}


# ── Order ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reached", "message", "changes"),
    [
        ("begin", "complete", {}),
        ("begin", "confirm", {}),
        ("hello", "hello", {"round_trip_ms": 13}),
        ("hello", "confirm", {}),
        ("complete", "hello", {"round_trip_ms": 13}),
        ("complete", "complete", {"default_pin": True}),
    ],
)
def test_a_message_out_of_its_turn_ends_the_enrollment(attempt: Attempt, reached, message, changes):
    attempt.until(reached)
    refused = getattr(attempt, message)(**changes)
    assert (refused.status_code, refused.json()["code"]) == (409, "enrollment_out_of_step")
    assert (attempt.state, attempt.refusal) == ("refused", "enrollment_out_of_step")
    following = attempt.confirm() if reached == "complete" else attempt.hello()
    assert following.json()["code"] == "enrollment_over"
    assert attempt.electronic_card is None


@pytest.mark.parametrize("message", ["hello", "complete", "confirm"])
def test_after_a_refusal_every_message_is_refused(attempt: Attempt, message):
    attempt.until("hello")
    assert attempt.complete(pin_verified=False).status_code == 403
    late = getattr(attempt, message)()
    assert (late.status_code, late.json()["code"]) == (410, "enrollment_over")
    assert (attempt.state, attempt.refusal) == ("refused", "pin_not_proven")


def test_a_refusal_is_kept_with_its_trace_and_its_news(attempt: Attempt):
    attempt.until("begin")
    assert attempt.hello(round_trip_ms=1001).status_code == 403
    assert (attempt.row.state, attempt.row.refused_because) == ("refused", "reader_too_slow")
    assert attempt.row.ended_at is not None
    traces = sa.select(audit_entries).where(audit_entries.c.subject == attempt.id)
    with attempt.service.database.transaction() as connection:
        assert [row.act for row in connection.execute(traces)] == ["enrollment.started", "enrollment.refused"]
        told = connection.execute(sa.select(outbox).where(outbox.c.kind == "enrollment.refused"))
        assert [row.content["because"] for row in told if row.content["enrollment"] == attempt.id] == [
            "reader_too_slow"
        ]


@pytest.mark.parametrize(
    ("message", "changes"), [("hello", {"round_trip_ms": 13}), ("complete", {"default_pin": True})]
)
def test_an_issued_card_is_not_taken_back_by_a_late_message(attempt: Attempt, message, changes):
    attempt.until("confirm")
    assert getattr(attempt, message)(**changes).json()["code"] == "enrollment_over"
    assert attempt.abandon().json()["code"] == "enrollment_over"
    assert (attempt.state, attempt.electronic_card.standing) == ("issued", "active")


@pytest.mark.parametrize("reached", ["begin", "hello", "complete"])
def test_the_reader_may_give_up_at_any_step(attempt: Attempt, reached):
    attempt.until(reached)
    first, again = attempt.abandon("card_removed"), attempt.abandon("card_removed")
    assert (first.status_code, first.json()) == (again.status_code, again.json()) == (200, {"state": "refused"})
    assert (attempt.state, attempt.refusal) == ("refused", "abandoned_card_removed")
    assert attempt.confirm().json()["code"] == "enrollment_over"


# ── Repetition ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_message_sent_again_gets_the_same_answer(attempt: Attempt, step):
    first = attempt.until(step).answers[step]
    again = getattr(attempt, step)()
    assert again.is_success
    assert again.json() == first
    assert attempt.state == REACHED[step]


def test_the_answers_stay_the_same_when_the_other_side_has_gone_on(attempt: Attempt):
    attempt.until("complete")
    begun = attempt.begin().json()
    assert begun | {"state": "pending"} == attempt.answers["begin"]
    assert attempt.hello().json() == attempt.answers["hello"]
    assert attempt.confirm().status_code == 201
    assert attempt.complete().json() == attempt.answers["complete"]
    assert attempt.state == "issued"


def test_a_message_is_not_answered_again_after_a_refusal(attempt: Attempt):
    attempt.until("complete")
    attempt.abandon("operator")
    assert attempt.begin().json()["code"] == "terminal_session_over"
    assert attempt.hello().json()["code"] == "enrollment_over"
    assert attempt.complete().json()["code"] == "enrollment_over"


def test_another_start_with_the_same_code_is_refused(attempt: Attempt):
    attempt.until("begin")
    elsewhere = attempt.phone.begin(attempt.session["display"], channel="another-app")
    somebody = attempt.service.phone().begin(attempt.session["display"])
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (410, "terminal_session_over")
    assert (somebody.status_code, somebody.json()["code"]) == (410, "terminal_session_over")
    assert attempt.hello().status_code == 200


def test_a_code_with_another_nonce_and_a_code_that_never_was_look_alike(attempt: Attempt):
    attempt.until("open")
    session, nonce = attempt.session["id"], attempt.session["terminal_nonce"]
    bent = attempt.phone.begin(f"ESSC-ENROLL:1:{session}:{nonce[:-1]}{'0' if nonce[-1] != '0' else '1'}")
    invented = attempt.phone.begin(f"ESSC-ENROLL:1:ts_{'0' * 26}:{nonce}")
    assert bent.json() | {"request_id": ""} == invented.json() | {"request_id": ""}
    assert bent.status_code == invented.status_code == 410
    assert attempt.begin().status_code == 201


# ── The end of its time ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", STEPS[1:])
@pytest.mark.parametrize(("seconds", "is_good"), [(LIFE - 1, True), (LIFE, False), (LIFE + 1, False)])
def test_a_step_is_good_strictly_before_the_end(attempt: Attempt, step, seconds, is_good):
    attempt.until(STEPS[STEPS.index(step) - 1])
    attempt.service.clock.step(seconds)
    answer = getattr(attempt, step)()
    assert answer.is_success == is_good
    if not is_good:
        assert (answer.status_code, answer.json()["code"]) == (
            410,
            "terminal_session_over" if step == "begin" else "enrollment_over",
        )
    if step != "begin":
        assert attempt.state == (REACHED[step] if is_good else "expired")


@pytest.mark.parametrize(
    ("step", "seconds", "is_good"), [("hello", 119, True), ("hello", 120, False), ("complete", 120, False)]
)
def test_a_repeated_message_is_answered_as_long_as_the_enrollment_lives(attempt: Attempt, step, seconds, is_good):
    attempt.until(step)
    attempt.service.clock.step(seconds)
    assert getattr(attempt, step)().is_success == is_good


def test_a_repeated_complete_is_answered_for_ever_once_the_card_is_issued(attempt: Attempt):
    attempt.until("confirm")
    attempt.service.clock.step(LIFE * 5)
    assert attempt.complete().json() == attempt.answers["complete"]


@pytest.mark.parametrize("reached", ["begin", "hello", "complete"])
def test_an_enrollment_that_is_over_frees_its_phone(attempt: Attempt, reached):
    attempt.until(reached)
    attempt.service.clock.step(LIFE)
    assert Attempt(attempt.service, phone=attempt.phone).until("confirm").state == "issued"
    assert (attempt.state, attempt.row.holder_data) == ("expired", None)


@pytest.mark.parametrize("reached", ["hello", "complete"])
def test_an_enrollment_that_is_over_frees_its_card(attempt: Attempt, reached):
    attempt.until(reached)
    attempt.service.clock.step(LIFE)
    assert Attempt(attempt.service, card=attempt.card).until("confirm").state == "issued"
    assert (attempt.row.state, attempt.row.holder_data) == ("expired", None)


def test_the_worker_ends_what_is_over_and_drops_the_holder(attempt: Attempt):
    attempt.until("complete")
    assert attempt.row.holder_data is not None
    attempt.service.clock.step(LIFE)
    ground = attempt.service.runtime.ground
    with ground.database.transaction() as connection:
        end_all_expired(connection, ground.clock())
    assert (attempt.row.state, attempt.row.holder_data) == ("expired", None)
    assert (attempt.row.refused_because, attempt.row.ended_at is None) == ("enrollment_over", False)


def test_a_confirmation_after_the_end_is_refused_for_good_even_if_the_clock_goes_back(attempt: Attempt):
    attempt.until("complete")
    attempt.service.clock.step(LIFE)
    assert attempt.confirm().json()["code"] == "enrollment_over"
    attempt.service.clock.step(-60)
    assert attempt.confirm().json()["code"] == "enrollment_over"
    attempt.service.clock.step(60)
    assert attempt.electronic_card is None


# ── While the database is away ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("step", "statement"),
    [
        ("begin", "ecard.enrollment.begin_enrollment"),
        ("hello", "ecard.enrollment.move_enrollment"),
        ("complete", "ecard.enrollment.move_enrollment"),
        ("confirm", "ecard.issuance.finish_enrollment"),
    ],
)
def test_a_step_that_the_database_cuts_off_is_not_half_done(attempt: Attempt, monkeypatch, step, statement):
    attempt.until(STEPS[STEPS.index(step) - 1])
    before = attempt.row, attempt.electronic_card

    def cut_off(*_given, **_more):
        raise sa.exc.OperationalError("UPDATE", {}, Exception("lock timeout"))

    with monkeypatch.context() as patched:
        patched.setattr(statement, cut_off)
        away = getattr(attempt, step)()
    assert (away.status_code, away.json()["code"]) == (503, "database_unavailable")
    assert (attempt.row, attempt.electronic_card) == before
    assert getattr(attempt, step)().is_success


# ── Who may see it ───────────────────────────────────────────────────────────────────────────────────────────────


def test_to_another_terminal_an_enrollment_is_not_there(attempt: Attempt):
    attempt.until("complete")
    stranger = attempt.service.add_till()
    missing = stranger.send("POST", f"/v1/enrollments/enr_{'0' * 26}/hello", attempt.sent["hello"]).json()
    seen = [attempt.hello(stranger), attempt.complete(stranger), attempt.abandon(till=stranger)]
    seen.append(stranger.send("GET", f"/v1/terminal-sessions/{attempt.session['id']}"))
    assert [answer.status_code for answer in seen] == [404] * 4
    assert {answer.text.replace(answer.json()["request_id"], "") for answer in seen} == {
        seen[0].text.replace(seen[0].json()["request_id"], "")
    }
    assert seen[0].json() | {"request_id": ""} == missing | {"request_id": ""}
    assert attempt.confirm().status_code == 201


def test_to_another_phone_an_enrollment_is_not_there(attempt: Attempt):
    attempt.until("complete")
    stranger = attempt.service.phone()
    assert attempt.look(stranger).status_code == attempt.confirm(phone=stranger).status_code == 404
    assert attempt.look(stranger).json()["code"] == "not_found"
    assert (attempt.state, attempt.confirm().status_code) == ("verified", 201)
    assert attempt.look(stranger).status_code == 404


def test_the_phone_sees_the_masked_name_and_the_terminal_before_it_confirms(attempt: Attempt):
    attempt.until("hello")
    assert (attempt.look().json()["holder_name"], attempt.look().json()["chip_card"]) == (None, None)
    assert attempt.complete().status_code == 200
    shown = attempt.look().json()
    assert (shown["state"], shown["level"], shown["chip_card"]) == ("verified", "L3", attempt.chip.id)
    assert shown["terminal"] == {"id": attempt.till.terminal, "name": "1 号窗口"}
    assert set(shown["holder_name"][:-1]) == {"*"}


# ── One open enrollment for each phone and each card ─────────────────────────────────────────────────────────────


def test_a_phone_has_one_open_enrollment(attempt: Attempt):
    attempt.until("begin")
    second = Attempt(attempt.service, phone=attempt.phone).until("open")
    refused = second.begin()
    assert (refused.status_code, refused.json()["code"]) == (409, "enrollment_open")
    assert refused.headers["Retry-After"] == str(LIFE)
    assert second.begin(attempt.service.phone()).status_code == 201  # the reader's code was not used up
    assert attempt.hello().status_code == 200


def test_a_card_has_one_open_enrollment(attempt: Attempt):
    attempt.until("hello")
    second = Attempt(attempt.service, card=attempt.card).until("begin")
    refused = second.hello()
    assert (refused.status_code, refused.json()["code"]) == (409, "enrollment_open")
    assert second.state == "refused"
    assert attempt.state == "hello"


def test_the_database_finds_a_card_that_is_taken_where_the_look_did_not(attempt: Attempt, monkeypatch):
    attempt.until("hello")
    monkeypatch.setattr("ecard.enrollment.is_card_taken", lambda *_: False)
    second = Attempt(attempt.service, card=attempt.card).until("begin")
    refused = second.hello()
    assert (refused.status_code, refused.json()["code"]) == (409, "enrollment_open")
    assert (second.row.state, second.row.chip_card) == ("refused", None)
    assert attempt.state == "hello"


def test_a_phone_and_a_card_may_enroll_again_after_a_refusal(attempt: Attempt):
    attempt.until("complete")
    assert attempt.confirm(confirmed=False).json()["code"] == "not_confirmed"
    assert Attempt(attempt.service, phone=attempt.phone, card=attempt.card).until("confirm").state == "issued"
