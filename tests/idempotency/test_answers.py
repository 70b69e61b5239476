"""What is kept under an Idempotency-Key, for whom, and for how long."""

import json
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from auth.kept_answers import KEPT, LEASE
from auth.models import idempotent_answers, signed_requests
from cli.phone import Phone, encode_base64url, sha256
from cli.till import Till
from physical.models import terminal_sessions
from tests.service import Service
from web.worker import Worker

SESSIONS = "/v1/terminal-sessions"
BODY = {"operator": "op-1"}


def ask(till: Till, key: str, body: Any = BODY, path: str = SESSIONS) -> httpx.Response:
    return till.send("POST", path, body, {"Idempotency-Key": key})


def call(phone: Phone, method: str, path: str, key: str, body: Any = None) -> httpx.Response:
    content = b"" if body is None else json.dumps(body).encode()
    proof = phone.proof(method, path, ath=encode_base64url(sha256(phone.token.encode()).digest()))
    headers = {"Authorization": f"DPoP {phone.token}", "DPoP": proof, "Idempotency-Key": key}
    if content:
        headers["Content-Type"] = "application/json"
    return phone.http.request(method, path, content=content, headers=headers)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def rows(service: Service, table: sa.Table = idempotent_answers) -> list[Any]:
    with service.database.transaction() as connection:
        return list(connection.execute(sa.select(table)).mappings())


# ── What is kept ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_key_nothing_is_kept_and_each_request_counts(service):
    till = service.add_till()
    first, second = (till.send("POST", SESSIONS, BODY) for _ in range(2))
    assert first.json()["id"] != second.json()["id"]
    assert rows(service) == []


def test_the_same_request_has_one_effect(service):
    till = service.add_till()
    first, *others = [ask(till, "key-1") for _ in range(3)]
    assert {(answer.status_code, answer.content) for answer in others} == {(201, first.content)}
    assert [answer.headers.get("Idempotent-Replay") for answer in (first, *others)] == [None, "true", "true"]
    assert len(rows(service, terminal_sessions)) == 1


def test_each_answer_has_a_request_id_of_its_own(sqlite_service):
    till = sqlite_service.add_till()
    assert len({ask(till, "key-1").headers["X-Request-Id"] for _ in range(3)}) == 3


def test_a_refusal_after_the_work_began_is_kept(service):
    till, path = service.add_till(), "/v1/enrollments/enr_" + "0" * 26 + "/abandon"
    first, again = (ask(till, "key-1", {"reason": "operator"}, path) for _ in range(2))
    assert code_of(first) == (404, "not_found")
    assert (again.status_code, again.content, again.headers["Idempotent-Replay"]) == (404, first.content, "true")
    assert again.headers["Content-Language"] == "en"


def test_a_wrong_password_sent_twice_under_one_key_is_one_try(service):
    phone = service.enroll()
    path = f"/v1/cards/{phone.card}/password"
    assert call(phone, "PUT", path, "set", {"password": "274958"}).status_code == 200
    wrong = {"password": "386104", "current": "604183"}
    first, again, other = (call(phone, "PUT", path, key, wrong) for key in ("key-1", "key-1", "key-2"))
    assert code_of(first) == (403, "password_wrong")
    assert again.content == first.content
    assert other.json()["tries_left"] == first.json()["tries_left"] - 1


def test_a_request_that_could_not_be_read_leaves_its_key_free(service):
    till = service.add_till()
    assert code_of(ask(till, "key-1", {"operator": 1})) == (400, "malformed_request")
    assert rows(service) == []
    assert ask(till, "key-1").status_code == 201


def test_a_request_that_was_not_proven_leaves_its_key_free(service):
    till = service.add_till()
    unsigned = service.http.post(SESSIONS, json=BODY, headers={"Idempotency-Key": "key-1"})
    assert unsigned.status_code == 401
    assert ask(till, "key-1").headers.get("Idempotent-Replay") is None


def test_a_request_that_is_refused_for_the_moment_leaves_its_key_free(service):
    phone = service.enroll()
    path, body = f"/v1/cards/{phone.card}/password", {"password": "274958"}
    service.clock.step(601)
    assert phone.sign_in().status_code == 200
    before = rows(service)  # of the reader that has enrolled the card
    assert code_of(call(phone, "PUT", path, "key-1", body)) == (403, "chip_not_present")
    assert rows(service) == before


def test_a_request_that_met_a_broken_database_leaves_its_key_free(sqlite_service):
    till = sqlite_service.add_till()
    rename(sqlite_service, "terminal_sessions", "away")
    assert ask(till, "key-1").status_code == 503
    rename(sqlite_service, "away", "terminal_sessions")
    assert ask(till, "key-1").status_code == 201


def rename(service: Service, old: str, new: str) -> None:
    with service.database.transaction() as connection:
        connection.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))


# ── Whose it is ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_callers_do_not_see_each_others_answers(service):
    one, other = service.add_till(), service.add_till()
    first, second = ask(one, "key-1"), ask(other, "key-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    assert "Idempotent-Replay" not in second.headers


def test_phones_do_not_see_each_others_answers(service):
    phones = [service.enroll(card=service.make_card(number)) for number in (1, 2)]
    made = [call(phone, "POST", f"/v1/cards/{phone.card}/codes", "key-1", {"class": "test"}) for phone in phones]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json()["code"] != made[1].json()["code"]
    stranger = call(phones[1], "POST", f"/v1/cards/{phones[0].card}/codes", "key-2", {"class": "test"})
    assert code_of(stranger) == (404, "not_found")


def test_a_key_belongs_to_one_route(service):
    till = service.add_till()
    ask(till, "key-1")
    other = ask(till, "key-1", {"reason": "operator"}, "/v1/enrollments/enr_" + "0" * 26 + "/abandon")
    assert code_of(other) == (422, "idempotency_key_reused")


def test_a_key_belongs_to_one_body(service):
    till = service.add_till()
    ask(till, "key-1")
    assert code_of(ask(till, "key-1", {"operator": "op-2"})) == (422, "idempotency_key_reused")
    assert len(rows(service, terminal_sessions)) == 1


def test_whoever_repeats_a_signed_request_of_another_gets_no_kept_answer(service):
    till, content = service.add_till(), json.dumps(BODY).encode()
    signed = {"Authorization": till.sign("POST", SESSIONS, content), "Content-Type": "application/json"}
    sent = [
        service.http.post(SESSIONS, content=content, headers=signed | {"Idempotency-Key": key})
        for key in ("key-1", "key-1", "key-2")
    ]
    assert [answer.status_code for answer in sent] == [201, 409, 409]
    assert {answer.json()["code"] for answer in sent[1:]} == {"nonce_spent"}
    assert len(rows(service)) == 1


def test_a_refused_key_has_spent_the_signature_too(service):
    till = service.add_till()
    ask(till, "key-1")
    ask(till, "key-1", {"operator": "op-2"})
    assert len(rows(service, signed_requests)) == 2


# ── How long ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "is_again"), [(-0.001, True), (0, False)])
def test_an_answer_is_kept_for_a_day(service, seconds, is_again):
    till = service.add_till()
    first = ask(till, "key-1")
    service.clock.step(KEPT.total_seconds() + seconds)
    again = ask(till, "key-1")
    assert again.status_code == 201
    assert (again.content == first.content) is is_again


@pytest.mark.parametrize(("seconds", "left"), [(-0.001, 1), (0, 0)])
def test_the_worker_forgets_after_a_day(service, seconds, left):
    ask(service.add_till(), "key-1")
    service.clock.step(KEPT.total_seconds() + seconds)
    Worker(service.runtime).clean()
    assert len(rows(service)) == left


@pytest.mark.parametrize(("seconds", "status"), [(-0.001, 409), (0, 201)])
def test_what_a_crash_has_left_is_free_after_the_lease(service, seconds, status):
    till = service.add_till()
    ask(till, "key-1")
    with service.database.transaction() as connection:  # as if the process had died at its work
        connection.execute(sa.update(idempotent_answers).values(answer=None))
    service.clock.step(LEASE.total_seconds() + seconds)
    assert ask(till, "key-1").status_code == status


# ── Hostile keys, and what is left of keys and answers ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", ["", "x" * 129, "with a blank", "tab\tbed", "del\x7f", "b\xfccher", "x" * 60_000])
def test_a_key_of_another_form_is_refused(sqlite_service, key):
    till = sqlite_service.add_till()
    signed = till.sign("POST", SESSIONS, b"{}")
    environ = {"Authorization": signed, "Content-Type": "application/json", "Idempotency-Key": key}
    answer = sqlite_service.app.test_client().post(SESSIONS, data=b"{}", headers=environ)
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (400, "idempotency_key_malformed")
    assert rows(sqlite_service) == []


@pytest.mark.parametrize(
    "key", ["1", "x" * 128, '"quoted"', "'OR'1'='1';--", "../../etc/passwd", "%00%s{0}", ",", "~!"]
)
def test_a_key_of_visible_characters_is_a_key(service, key):
    till = service.add_till()
    first, again = ask(till, key), ask(till, key)
    assert (first.status_code, again.content) == (201, first.content)


def test_neither_keys_nor_bodies_nor_answers_can_be_read_in_database_and_log(sqlite_service):
    service, canary = sqlite_service, "canary-3301-key"
    phone = service.enroll()
    before, path = len(rows(service)), f"/v1/cards/{phone.card}"
    with capture_logs() as lines:
        code = call(phone, "POST", f"{path}/codes", canary, {"class": "medical"}).json()["code"]
        call(phone, "POST", f"{path}/codes", canary, {"class": "medical"})
        call(phone, "POST", f"{path}/codes", canary, {"class": "test"})
        call(phone, "PUT", f"{path}/password", canary + "-2", {"password": "274958"})
    told = json.dumps(lines) + repr(rows(service)) + repr(service.runtime.gate)
    assert len(rows(service)) == before + 2
    assert [text for text in (canary, code, "274958", phone.card, phone.device, "tries_left") if text in told] == []


def test_an_answer_opens_only_under_its_own_key(sqlite_service):
    till = sqlite_service.add_till()
    ask(till, "key-1")
    ask(till, "key-2")
    with sqlite_service.database.transaction() as connection:  # somebody who writes into the database swaps answers
        first, second = connection.execute(sa.select(idempotent_answers.c.handle, idempotent_answers.c.answer)).all()
        moved = sa.update(idempotent_answers).where(idempotent_answers.c.handle == first.handle)
        connection.execute(moved.values(answer=second.answer))
    assert sorted(ask(till, key).status_code for key in ("key-1", "key-2")) == [201, 500]
