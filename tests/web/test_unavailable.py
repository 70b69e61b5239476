"""What the service needs and does not get: database, card HSM, keys. Fails closed, says so, says when to come back."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from auth.guard import Anyone, Rule
from core.settings import Environment
from physical.chip.terminal_client import ServiceUnavailable
from physical.hsm import RemoteCardHsm
from sm import city_keys
from sm.keyring import withdraw
from sm.ring_document import write_ring
from tests.servers import free_port
from tests.service import Service, running_service
from tests.web.callers import HEADERS, Proven
from tests.web.recording import Recording
from tests.web.test_openapi import GOOD
from tests.web.test_routes import requests

pytestmark = pytest.mark.xdist_group("test_unavailable")  # what is costly to set up is set up once

WITHOUT_DATABASE = {"/livez", "/docs/", "/docs/problems", "/openapi.json", "/v1/verification-keys", "/v1/news-keys"}


def assert_unavailable(answer: TestResponse, *where: object) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(answer.data)
    assert (answer.status_code, body["status"]) == (503, 503), (where, body)
    assert answer.mimetype == "application/problem+json", where
    assert int(answer.headers["Retry-After"]) >= 1, where
    assert "Traceback" not in answer.text, where
    return body


# ── The database ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def away(postgres_server, tmp_path_factory) -> Iterator[Proven]:
    """A service that was well, and whose database is gone."""
    name = postgres_server.create_database()
    with running_service(postgres_server.url(name), tmp_path_factory.mktemp("service")) as service:
        proven = Proven(service, service.enroll(), service.add_till())
        proven.app_of_card(signs=False)  # while there still is where to enter it
        postgres_server.drop_database(name)
        yield proven


def test_without_the_database_nothing_is_granted_and_everybody_is_told_when_to_come_back(away):
    client = Client(away)
    seen = 0
    for method, path, rule in requests(away.service.app):
        if rule.caller is not Anyone and path.startswith("/v1/"):
            seen += 1
            body = GOOD.get(f"{method} {_as_described(path)}")
            own, headers = path.replace("crd_" + "0" * 26, away.phone.card), HEADERS | {"Idempotency-Key": "away-1234"}
            answer = client.open(own, method=method, json=body, headers=headers)
            problem = assert_unavailable(answer, method, path)
            assert problem["code"] in {"database_unavailable", "cannot_tell"}, (path, problem)
    assert seen >= 17


def _as_described(path: str) -> str:
    return path.replace("crd_" + "0" * 26, "{card}").replace("enr_" + "0" * 26, "{enrollment}")


def test_without_the_database_what_needs_none_still_answers(away):
    for method, path, rule in requests(away.service.app):
        if path in WITHOUT_DATABASE:
            assert rule.caller is Anyone
            answer = away.service.http.request(method, path)
            assert answer.status_code in {200, 302}, path


def test_without_the_database_a_worker_lives_and_is_not_ready(away):
    assert away.service.http.get("/livez").json() == {"status": "alive"}
    answer = away.service.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "checks": {"database": "away", "keys": "ok", "card_hsm": "ok"}}


# ── The card HSM ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def without_hsm(sqlite_url, tmp_path) -> Iterator[Service]:
    gone = RemoteCardHsm(("127.0.0.1", free_port()), bytes(32), timeout=0.2, retries=0)
    with running_service(sqlite_url, tmp_path, hsm=gone) as service:
        yield service
    gone.close()


def test_without_the_card_hsm_a_worker_is_ready_and_says_what_is_missing(without_hsm):
    answer = without_hsm.http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["checks"] == {"database": "ok", "keys": "ok", "card_hsm": "away"}


def test_without_the_card_hsm_an_enrollment_waits_and_is_not_lost(without_hsm):
    recording = Recording(without_hsm.app)
    without_hsm.app = recording
    phone = without_hsm.phone()
    begun: list[str] = []
    agent = without_hsm.agent(
        without_hsm.add_till(),
        without_hsm.make_card(),
        on_show=lambda text: begun.append(phone.begin(text).json()["id"]),
    )
    with pytest.raises(ServiceUnavailable):
        agent.enroll()
    hellos = [answer for answer in recording.answers if answer.route.endswith("/hello")]
    assert {answer.status for answer in hellos} == {503}
    assert {json.loads(answer.body)["code"] for answer in hellos} == {"card_hsm_unavailable"}
    assert phone.look(begun[0]).json()["state"] == "pending"


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def without_keys(sqlite_service) -> Proven:
    """A service whose one key for codes was withdrawn, and no other one is there yet."""
    proven = Proven(sqlite_service, sqlite_service.enroll(), sqlite_service.add_till())
    runtime = sqlite_service.runtime
    ring = city_keys.code_ring(runtime.store)
    runtime.store.write_document(city_keys.CODE_RING, "city", write_ring(withdraw(ring, ring.current().kid)))
    runtime.codes.keys._look_at = runtime.codes.key_list._look_at = 0.0  # as a second later
    return proven


def test_without_a_key_no_code_is_made_and_the_worker_says_so_while_it_goes_on_taking_codes(without_keys):
    phone, service = without_keys.phone, without_keys.service
    body = GOOD["POST /v1/cards/{card}/codes"]
    assert_unavailable(Client(without_keys).post(f"/v1/cards/{phone.card}/codes", json=body, headers=HEADERS))
    answer = service.http.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["keys"]) == (200, "none may sign")
    assert service.http.get("/livez").status_code == 200


def test_a_worker_with_everything_is_ready(shared_service):
    answer = shared_service.http.get("/readyz")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json() == {"status": "ready", "checks": {"database": "ok", "keys": "ok", "card_hsm": "ok"}}


def test_health_is_told_to_anyone_and_tells_no_address(shared_service):
    view: Rule = shared_service.app.view_functions["health.get_ready"].rule
    assert view.caller is Anyone
    assert shared_service.runtime.ground.settings.environment is Environment.DEVELOPMENT
    assert "127.0.0.1" not in shared_service.http.get("/readyz").text
