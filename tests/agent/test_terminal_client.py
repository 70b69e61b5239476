"""The terminal's calls: signed anew, repeated where that is safe, refusals and faults kept apart."""

from collections.abc import Callable

import httpx
import pytest

from physical.chip.terminal_client import ServiceRefused, ServiceUnavailable
from physical.chip.terminal_messages import AbandonReason
from tests.agent.builders import Clock, client_of
from tests.agent.fake_service import SESSION, FakeService, problem

Step = httpx.Response | Exception | None
PROBLEM = {"Content-Type": "application/problem+json"}


def failing_first(service: FakeService, *steps: Step) -> httpx.MockTransport:
    """A way to the service on which the first calls go wrong as told; None lets a call through."""
    waiting = list(steps)
    through: Callable[[httpx.Request], httpx.Response] = service.transport().handler

    def handle(request: httpx.Request) -> httpx.Response:
        answered = through(request)
        step = waiting.pop(0) if waiting else None
        if isinstance(step, Exception):
            raise step
        return step or answered

    return httpx.MockTransport(handle)


def test_a_call_is_repeated_with_the_same_key_and_a_new_signature():
    service, clock = FakeService(), Clock()
    client = client_of(service, clock, transport=failing_first(service, httpx.ReadTimeout("late"), httpx.Response(503)))
    assert client.open_session("op-1").id == SESSION
    assert len(service.idempotency_keys) == 3
    assert len(set(service.idempotency_keys)) == 1
    assert len(set(service.authorizations)) == 3


def test_two_calls_never_share_an_idempotency_key():
    service = FakeService()
    client = client_of(service, Clock())
    client.open_session("op-1")
    client.open_session("op-1")
    assert len(set(service.idempotency_keys)) == 2


def test_the_pauses_between_attempts_grow_and_end():
    service, clock = FakeService(), Clock()
    client = client_of(service, clock, transport=failing_first(service, *[httpx.ConnectError("refused")] * 9))
    with pytest.raises(ServiceUnavailable):
        client.session_state(SESSION)
    assert clock.pauses == [0.2, 0.4, 0.8]


def test_a_service_that_asks_for_patience_gets_it():
    service, clock = FakeService(), Clock()
    patience = httpx.Response(429, headers={"Retry-After": "2", **PROBLEM}, json=problem(429, "slow_down")[1])
    client = client_of(service, clock, transport=failing_first(service, patience))
    client.open_session("op-1")
    assert clock.pauses == [2.2]


def test_a_wait_that_is_too_long_for_a_counter_is_not_waited():
    service, clock = FakeService(), Clock()
    patience = httpx.Response(429, headers={"Retry-After": "3600", **PROBLEM}, json=problem(429, "daily_limit")[1])
    client = client_of(service, clock, transport=failing_first(service, patience))
    with pytest.raises(ServiceRefused, match="daily_limit"):
        client.open_session("op-1")
    assert clock.pauses == []


def test_a_refusal_is_not_repeated_and_keeps_code_title_and_next_step():
    service = FakeService(spoil={"terminal-sessions": problem(403, "terminal_suspended", next_step="call the centre")})
    with pytest.raises(ServiceRefused) as refusal:
        client_of(service, Clock()).open_session("op-1")
    error = refusal.value
    assert (error.code, error.title, error.next_step) == (
        "terminal_suspended",
        "title of terminal_suspended",
        "call the centre",
    )
    assert len(service.calls) == 1


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(403, text="<html>a proxy's own page</html>"),
        httpx.Response(403, headers=PROBLEM, text="{"),
        httpx.Response(403, headers=PROBLEM, text="[]"),
    ],
    ids=["html", "broken", "list"],
)
def test_a_refusal_without_a_problem_names_the_status(response):
    service = FakeService()
    with pytest.raises(ServiceRefused) as refusal:
        client_of(service, Clock(), transport=failing_first(service, response)).open_session("op-1")
    assert refusal.value.code == "http_403"


@pytest.mark.parametrize("status", [301, 500, 501])
def test_what_is_neither_answer_nor_refusal_is_a_fault_and_is_not_repeated(status):
    service = FakeService()
    client = client_of(service, Clock(), transport=failing_first(service, httpx.Response(status)))
    with pytest.raises(ServiceUnavailable):
        client.open_session("op-1")
    assert len(service.calls) == 1


GOOD = {
    "id": SESSION,
    "terminal_nonce": "00" * 16,
    "expires_at": "2026-03-02T08:02:00Z",
    "display": "ESSC-ENROLL:1:x",
}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {**GOOD, "id": "../admin"},
        {**GOOD, "id": 7},
        {**GOOD, "terminal_nonce": "00" * 15},
        {**GOOD, "terminal_nonce": "ZZ" * 16},
        {**GOOD, "terminal_nonce": "0" * 31 + " "},
        {**GOOD, "expires_at": "tomorrow"},
        {**GOOD, "expires_at": "2026-03-02T08:02:00"},
        {**GOOD, "display": "x" * 1000},
    ],
)
def test_an_answer_that_does_not_read_is_a_fault_of_the_service(body):
    service = FakeService(spoil={"terminal-sessions": (201, body)})
    with pytest.raises(ServiceUnavailable):
        client_of(service, Clock()).open_session("op-1")


@pytest.mark.parametrize("enrollment", [None, {"id": "enr_1"}])
def test_a_begun_session_without_its_enrollment_is_a_fault_of_the_service(enrollment):
    service = FakeService(spoil={SESSION: (200, {"id": SESSION, "state": "begun", "enrollment": enrollment})})
    with pytest.raises(ServiceUnavailable):
        client_of(service, Clock()).session_state(SESSION)


def test_the_signature_covers_the_path_below_a_prefix():
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(200, json={"state": "refused"})

    client_of(FakeService(), Clock(), transport=httpx.MockTransport(handle)).abandon(
        "enr_1", AbandonReason.OPERATOR, None
    )
    assert seen == [b"/v1/enrollments/enr_1/abandon"]
