"""Many requests with one key at once, and work that outlives its claim, on PostgreSQL: one effect."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sqlalchemy as sa

from auth.errors import RequestInProgress
from auth.kept_answers import LEASE, Answer, Asked
from core.outbox import outbox, record_event
from physical.models import terminal_sessions
from tests.idempotency.test_answers import ask, call, rows
from tests.service import Service

MANY = 32
ASKED = Asked("terminal trm_1", "key-1", "POST", "/v1/things", b"{}")


def at_once(act: Callable[[], httpx.Response]) -> list[httpx.Response]:
    barrier = threading.Barrier(MANY)

    def run(_number: int) -> httpx.Response:
        barrier.wait(30)
        return act()

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(run, range(MANY)))


def require_one_answer(answers: list[httpx.Response], status: int) -> None:
    """Require one first answer; all others are its repetition or were asked to come back."""
    firsts = [
        answer for answer in answers if answer.status_code == status and "Idempotent-Replay" not in answer.headers
    ]
    assert len(firsts) == 1, Counter(answer.status_code for answer in answers)
    for answer in answers:
        if answer.status_code == status:
            assert answer.content == firsts[0].content
        else:
            assert (answer.status_code, answer.json()["code"]) == (409, "request_in_progress"), answer.text
            assert answer.headers["Retry-After"] == "1"


def test_of_thirty_two_requests_with_one_key_one_is_worked_on(crowded):
    till = crowded.add_till()
    answers = at_once(lambda: ask(till, "key-1"))
    require_one_answer(answers, 201)
    assert len(rows(crowded, terminal_sessions)) == 1
    assert ask(till, "key-1").headers["Idempotent-Replay"] == "true"


def test_of_thirty_two_loss_reports_with_one_key_one_is_worked_on(crowded):
    phone = crowded.enroll()
    answers = at_once(lambda: call(phone, "POST", f"/v1/cards/{phone.card}/loss-reports", "key-1"))
    require_one_answer(answers, 201)
    assert [row["content"].get("standing") for row in rows(crowded, outbox)].count("suspended") == 1


def test_while_one_is_worked_on_the_next_is_asked_to_come_back(crowded):
    till = crowded.add_till()
    with ThreadPoolExecutor(1) as pool:
        with crowded.database.engine.begin() as other:
            other.execute(sa.text("LOCK TABLE terminal_sessions IN ACCESS EXCLUSIVE MODE"))
            first = pool.submit(ask, till, "key-1")
            while not rows(crowded):
                pass
            waiting = ask(till, "key-1")
        done = first.result(30)
    assert (waiting.status_code, waiting.json()["code"]) == (409, "request_in_progress")
    assert done.status_code == 201
    assert ask(till, "key-1").content == done.content


def make(service: Service, name: str) -> Answer:
    """Work that leaves an event behind."""
    with service.database.transaction() as connection:
        record_event(connection, kind="test.made", card=None, content={"by": name}, at=service.clock())
    return Answer(201, (("Content-Type", "text/plain"),), name.encode())


def test_work_that_outlives_its_claim_is_undone(crowded):
    answers = crowded.runtime.gate.answers

    def refused(_refusal: Exception) -> Answer:
        return Answer(409, (("Retry-After", "1"),), b"")

    def late() -> Answer:
        made = make(crowded, "late")
        crowded.clock.step(LEASE.total_seconds())
        with ThreadPoolExecutor(1) as pool:
            taken = pool.submit(answers.answer_once, ASKED, lambda: make(crowded, "early"), refused).result(30)
        assert (taken.body, taken.again) == (b"early", False)
        return made

    with pytest.raises(RequestInProgress):
        answers.answer_once(ASKED, late, refused)
    assert [row["content"] for row in rows(crowded, outbox)] == [{"by": "early"}]
    again = answers.answer_once(ASKED, lambda: make(crowded, "again"), refused)
    assert (again.body, again.again) == (b"early", True)
