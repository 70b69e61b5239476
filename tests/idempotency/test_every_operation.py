"""Every POST and PUT of the description: harmless by itself when repeated, or answered once for each key (C5)."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import Client, TestResponse

from auth.guard import CALLER_NAMES, CALLERS, Anyone
from auth.models import devices, idempotent_answers
from tests.service import Service, running_service
from tests.web.callers import HEADERS, Proven
from tests.web.recording import operations_of
from tests.web.test_openapi import GOOD

pytestmark = pytest.mark.xdist_group("test_every_operation")  # what is costly to set up is set up once

OWN = {
    "POST /v1/code-images",  # draws
    "POST /v1/visits",  # reads
    "POST /v1/redemptions",
    "POST /v1/enrollments",
    "POST /v1/enrollments/{enrollment}/hello",
    "POST /v1/enrollments/{enrollment}/complete",
    "POST /v1/enrollments/{enrollment}/confirm",
    "POST /v1/terminals",
    "POST /v1/terminals/keys",
    "POST /v1/sandbox/signature-examinations",  # explains
    "POST /v1/channel/signature-examinations",
    "PUT /v1/sandbox/switches",  # sets what it says, however often
    "PUT /v1/sandbox/clock",
}
"""What needs no kept answer: it writes nothing, or knows its own repetitions."""
IDS = {
    "enrollment": "enr_" + "0" * 26,
    "login": "lgn_" + "0" * 26,
    "device": "dev_" + "0" * 26,
    "grant": "grt_" + "0" * 26,
    "client": "cli_" + "0" * 26,
    "carriage": "crg_" + "0" * 26,
    "made_up_card": "crd_" + "0" * 26,
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proven]:
    home = tmp_path_factory.mktemp("service")
    url = f"sqlite:///{home / 'ecard.sqlite3'}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        url = server.url(server.create_database())
    with running_service(url, home, phone_requests_per_minute=6000, codes_per_minute=600) as service:
        yield Proven(service, service.enroll(), service.add_till())


@pytest.fixture
def edge(town: Proven) -> Proven:
    """Give each test a card of its own: it reports it lost."""
    number = count(town.service, devices) + 1
    town.phone = town.service.enroll(card=town.service.make_card(number))
    return town


@pytest.fixture(scope="module")
def writes(town: Proven) -> dict[str, dict[str, Any]]:
    """All operations that write; what ends the card or its link comes last."""
    operations = operations_of(town.service.http.get("/openapi.json").json()).items()
    found = {label: operation for label, operation in operations if label.startswith(("POST /v1/", "PUT /v1/"))}
    lasts = {label: (label.endswith("/loss-reports"), label == "POST /v1/carriage/end") for label in found}
    return dict(sorted(found.items(), key=lambda item: lasts[item[0]]))


@pytest.fixture(scope="module")
def kept(writes: dict[str, dict[str, Any]]) -> list[str]:
    return [label for label, operation in writes.items() if operation["x-idempotency"] == "kept"]


def send(edge: Proven, label: str, key: str, **more: str) -> TestResponse:
    """Send a good body; ``more`` makes it another request."""
    method, path = label.split(" ")
    path = path.format(card=edge.phone.card, **IDS)
    body = json.dumps(GOOD.get(label, {}) | more).encode() if label in GOOD or more else b""
    headers = HEADERS | {"Content-Type": "application/json", "Idempotency-Key": key}
    return Client(edge).open(path, method=method, data=body, headers=headers)


def code_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json(force=True)["code"]


def test_every_write_says_what_a_repetition_does(writes):
    assert {label for label, operation in writes.items() if operation["x-idempotency"] == "own"} == OWN
    for label, operation in writes.items():
        named = [parameter for parameter in operation["parameters"] if parameter["name"] == "Idempotency-Key"]
        assert len(named) == 1, label
        assert named[0]["required"] is (label == "POST /v1/redemptions"), label


def test_every_kind_of_caller_has_keys_of_its_own():
    assert set(CALLER_NAMES) == set(CALLERS) - {Anyone}


def test_the_same_request_gets_the_same_answer(edge, kept):
    for label in kept:
        key = secrets.token_hex(8)
        first, again = send(edge, label, key), send(edge, label, key)
        assert first.status_code in {200, 201, 404, 409, 410}, (label, first.text)
        assert (again.status_code, again.data, again.mimetype) == (first.status_code, first.data, first.mimetype), label
        assert (first.headers.get("Idempotent-Replay"), again.headers["Idempotent-Replay"]) == (None, "true"), label


def test_another_body_under_the_same_key_is_refused(edge, kept):
    for label in kept:
        key = secrets.token_hex(8)
        send(edge, label, key)
        assert code_of(send(edge, label, key, other="1")) == (422, "idempotency_key_reused"), label


def test_a_request_that_is_being_worked_on_is_not_begun_again(edge, kept):
    for label in kept:
        key = secrets.token_hex(8)
        first = send(edge, label, key)
        forget_answers(edge)
        waiting = send(edge, label, key)
        assert code_of(waiting) == (409, "request_in_progress"), label
        assert waiting.headers["Retry-After"] == "1", label
        assert code_of(send(edge, label, key, other="1")) == (422, "idempotency_key_reused")
        assert first.status_code != 422, label


def forget_answers(edge: Proven) -> None:
    """Leave the claims as they are while the work goes on, or after a crash."""
    with edge.service.database.transaction() as connection:
        connection.execute(sa.update(idempotent_answers).values(answer=None))


def test_what_is_harmless_by_itself_keeps_nothing(edge):
    before = count(edge.service, idempotent_answers)
    for label in OWN:
        send(edge, label, secrets.token_hex(8))
    assert count(edge.service, idempotent_answers) == before


def count(service: Service, table: sa.Table) -> int:
    with service.database.transaction() as connection:
        rows: int = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    return rows
