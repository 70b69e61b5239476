"""The service does what its description says, for good and for hostile data (P1, P4 of the threat model).

Positive and negative data, the description's examples and every boundary of its schemas; always the same requests.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.core.parameters import ParameterLocation

from cli.phone import Phone
from core.settings import Settings
from tests.service import ISSUER, PROVIDER, running_service, test_store
from tests.web.callers import HEADERS, Proven
from web.app import create_app
from web.plain_routes import PAGES, path_of
from web.runtime import wire

pytestmark = pytest.mark.xdist_group("test_contract")  # what is costly to set up is set up once

EXAMPLES = 25  # for each operation and kind of data, beside examples and boundaries
REFUSED_BY_RULE = ["400", "401", "403", "404", "409", "410", "422", "429"]
"""Data may be well-formed and still name nothing, or what is over."""


class Stage:
    """Stands where the service will be: tests are named after its description before any service runs."""

    def __init__(self) -> None:
        self.target: Any = create_app(wire(Settings(home=Path("nowhere"), issuer=ISSUER), test_store(), PROVIDER))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self.target(environ, start_response)


def describe(stage: Stage) -> Any:
    described = schemathesis.openapi.from_wsgi("/openapi.json", stage)
    # NUL is no character of any text here; what becomes of it stands in test_hostile_bodies.py
    described.config.generation.update(deterministic=True, max_examples=EXAMPLES, allow_x00=False)
    described.config.checks.positive_data_acceptance.expected_statuses = ["2xx", *REFUSED_BY_RULE]
    described.config.checks.negative_data_rejection.expected_statuses = [*REFUSED_BY_RULE, "405", "406", "413", "415"]
    return described.exclude(tag=PAGES)  # people's pages have tests of their own


stage = Stage()
api = describe(stage)


@dataclass
class City:
    """A service, a phone whose card stays good and one whose card may be reported lost, and a till."""

    edge: Proven
    kept: Phone
    lost: Phone

    def live_code(self, use: str) -> str:
        answer = self.kept.code(use)
        return answer.json()["code"] if answer.status_code == 201 else "0" * 222


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    home = tmp_path_factory.mktemp("contract")
    limits = {"phone_requests_per_minute": 6000, "codes_per_minute": 600, "terminal_requests_per_minute": 60_000}
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **limits) as service:
        kept, lost = (service.enroll(card=service.make_card(number)) for number in (1, 2))
        till = service.add_till(purposes=("identity", "medical", "merchant", "gate", "test"))
        stage.target = Proven(service, kept, till)
        yield City(stage.target, kept, lost)


@api.hook
def map_body(_context: Any, body: Any) -> Any:
    """Write whole numbers without a fraction: JSON Schema calls 1.0 an integer, this service does not."""
    if isinstance(body, dict):
        return {name: map_body(_context, value) for name, value in body.items()}
    return int(body) if isinstance(body, float) and body.is_integer() and abs(body) < 2**53 else body


@api.parametrize()
@hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_every_operation_keeps_its_contract(case, city):
    city.edge.service.clock.step(0.02)  # so that no limit of a minute is met
    city.edge.phone = city.lost if case.path.endswith("/loss-reports") else city.kept
    headers = {} if _is_about(case, ParameterLocation.HEADER) else HEADERS
    _name_what_is_there(case, city)
    _begin_a_request_of_its_own(case)
    response = case.call(headers=headers)
    case.validate_response(response, headers=headers)
    _require_that_good_data_was_read(case, response)


def _is_about(case: Any, location: ParameterLocation) -> bool:
    """Tell whether it is here that this request is wrong on purpose."""
    return bool(case.meta and case.meta.is_negative_at(location))


def _name_what_is_there(case: Any, city: City) -> None:
    """Ask for a card and a code that are alive: what never was is refused before much is looked at."""
    if "card" in case.path_parameters and not _is_about(case, ParameterLocation.PATH):
        case.path_parameters["card"] = city.edge.phone.card
    if case.path in {"/v1/redemptions", "/v1/code-images"} and not _is_about(case, ParameterLocation.BODY):
        case.body = case.body | {"code": city.live_code(case.body.get("purpose", "test"))}


def _begin_a_request_of_its_own(case: Any) -> None:
    """Give each request a key that was not used before: which requests share one is the business of other tests."""
    if case.headers.get("Idempotency-Key") and not _is_about(case, ParameterLocation.HEADER):
        case.headers["Idempotency-Key"] = secrets.token_hex(16)


def _require_that_good_data_was_read(case: Any, response: Any) -> None:
    is_problem = response.headers["content-type"][0] == "application/problem+json"
    if case.meta and case.meta.generation.mode.is_positive and is_problem:
        problem = response.json()
        assert problem["code"] != "malformed_request" or problem["detail"].startswith("after must be"), problem


def test_the_description_names_every_operation_of_the_api():
    routes = {
        f"{method} {path_of(rule.rule)}"
        for rule in Stage().target.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/v1/")
    }
    described = {operation.ok().label for operation in api.get_all_operations()}
    assert routes <= described
