"""Mass assignment (threats.md D3): what the service answers with cannot be told to it."""

import pytest
from marshmallow import Schema

import ecard.schemas
import physical.schemas
from tests.enrollment.attempt import Attempt
from tests.service import Service

WRITES = {
    "open": ("/v1/terminal-sessions", physical.schemas.OpenSessionSchema),
    "begin": ("/v1/enrollments", ecard.schemas.StartSchema),
    "hello": ("/v1/enrollments/{id}/hello", ecard.schemas.HelloSchema),
    "complete": ("/v1/enrollments/{id}/complete", ecard.schemas.CompleteSchema),
    "abandon": ("/v1/enrollments/{id}/abandon", ecard.schemas.AbandonSchema),
    "confirm": ("/v1/enrollments/{id}/confirm", ecard.schemas.ConfirmSchema),
}
COLUMNS = {"standing", "holder", "thumbprint", "public_jwk", "card", "default_pin", "ended_at", "refused_because"}


def schemas() -> list[type[Schema]]:
    found = [value for module in (ecard.schemas, physical.schemas) for value in vars(module).values()]
    return [value for value in found if isinstance(value, type) and issubclass(value, Schema) and value is not Schema]


def fields_of_answers() -> set[str]:
    inputs = {schema for _, schema in WRITES.values()}
    return {name for schema in schemas() if schema not in inputs for name in schema().fields}


def post(attempt: Attempt, message: str, body: dict):
    path = WRITES[message][0].format(id=attempt.id)
    sender = attempt.phone if message in {"begin", "confirm"} else attempt.till
    return sender.send("POST", path, body)


def body_of(attempt: Attempt, message: str) -> dict:
    if message in {"hello", "complete"}:
        return attempt.read_hello() if message == "hello" else attempt.read_completion()
    return {
        "open": {"operator": "op-1"},
        "begin": {
            "session": attempt.session.get("id"),
            "terminal_nonce": attempt.session.get("terminal_nonce"),
            "channel": "app",
        },
        "abandon": {"reason": "operator", "pin_tries_left": None},
        "confirm": {"chip_card": attempt.chip.id, "confirmed": True},
    }[message]


@pytest.mark.parametrize("message", WRITES)
def test_d3_no_field_of_an_answer_is_taken_in_a_request(sqlite_city: Service, message):
    reached = {"begin": "open", "hello": "begin", "complete": "hello", "abandon": "hello", "confirm": "complete"}
    attempt = Attempt(sqlite_city)
    if message in reached:
        attempt.until(reached[message])
    good, before = body_of(attempt, message), attempt.row
    unknown = sorted((fields_of_answers() | COLUMNS) - set(WRITES[message][1]().fields))
    assert {"state", "level", "id", "credential", "holder_name"} <= set(unknown)
    for name in unknown:
        refused = post(attempt, message, good | {name: "L3" if name == "level" else "active"})
        assert (refused.status_code, refused.json()["code"]) == (400, "malformed_request")
        assert refused.json()["detail"] == f"{name}: Unknown field."
    assert attempt.row == before
    assert post(attempt, message, good).is_success


def test_d3_the_whole_answer_posted_back_changes_nothing(light_attempt: Attempt):
    light_attempt.until("complete")
    shown, before = light_attempt.look().json(), light_attempt.row
    for message in ("hello", "complete", "abandon", "confirm"):
        assert post(light_attempt, message, shown).status_code == 400
    assert light_attempt.row == before
    issued = light_attempt.confirm().json()
    card = light_attempt.electronic_card
    assert post(light_attempt, "confirm", issued | {"level": "L3", "state": "active"}).status_code == 400
    assert light_attempt.electronic_card == card


@pytest.mark.parametrize("message", ["hello", "complete", "abandon", "confirm"])
def test_a_body_that_is_not_understood_does_not_end_the_enrollment(light_attempt: Attempt, message):
    light_attempt.until("begin")
    assert post(light_attempt, message, {}).status_code == 400
    assert light_attempt.state == "pending"
