"""The description itself: valid, complete, and true of what a whole enrollment and its refusals answer."""

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from werkzeug.test import Client

from auth.guard import CALLERS
from tests.channels.carriers import make_carrying
from tests.channels.news_of_tests import make_told_partner, tell
from tests.device_flow.terminals_of_tests import Rotating, new_key, settle
from tests.issuance.banks import make_bank
from tests.login.browser import Browser
from tests.oauth.clients_of_tests import make_partner, make_relying_party
from tests.oauth.holder import Holder
from tests.persons import make_person
from tests.service import ISSUER, Service
from tests.web.asking_around import fetch_statements, have_requests_examined
from tests.web.callers import HEADERS, Proven
from tests.web.recording import Recording, faults_of, operations_of, resolve, validator_of
from web.plain_routes import PAGES
from web.published_description import PUBLISHED_ROUTES
from web.worker import Worker

pytestmark = pytest.mark.xdist_group("test_openapi")  # what is costly to set up is set up once

PROVEN_IN_THE_FORM = {
    f"POST /oauth/{name}" for name in ("par", "token", "device_authorization", "introspect", "revoke")
}
"""Where anybody may call, and the form says who does."""
PUBLISHED = [
    path for path in PUBLISHED_ROUTES if "{" not in path and path not in {"/livez", "/readyz", "/openapi.json"}
]


@pytest.fixture(scope="module")
def description(shared_service) -> dict[str, Any]:
    answer = shared_service.http.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


@pytest.fixture(scope="module")
def operations(description) -> dict[str, dict[str, Any]]:
    return operations_of(description)


def every(node: Any, path: str = "#") -> Iterator[tuple[str, Any]]:
    """Walk the whole description."""
    yield path, node
    for name, inner in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from every(inner, f"{path}/{name}")


# ── Valid and complete ───────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_a_valid_openapi_3_1_document(description):
    assert description["openapi"] == "3.1.0"
    assert [fault.message for fault in OPENAPI_31_VALIDATOR.iter_errors(description)] == []


def test_every_reference_leads_somewhere(description):
    for path, node in every(description):
        if isinstance(node, dict) and "$ref" in node:
            assert resolve(description, node) is not None, path


def test_every_schema_is_a_schema(description):
    for name, schema in description["components"]["schemas"].items():
        assert validator_of(description, schema), name


def test_every_operation_says_what_it_does_and_for_whom(operations):
    for label, operation in operations.items():
        assert operation["summary"].endswith("."), label
        assert operation["tags"], label
        assert operation["x-caller"] in CALLERS.values(), label
        is_proven = operation["x-caller"] != "anyone" or label in PROVEN_IN_THE_FORM
        assert bool(operation["security"]) == is_proven, label


def test_every_way_to_prove_oneself_is_described(description, operations):
    used = {name for operation in operations.values() for way in operation["security"] for name in way}
    assert used == set(description["components"]["securitySchemes"])


def test_operation_ids_are_unique(operations):
    ids = [operation["operationId"] for operation in operations.values() if "operationId" in operation]
    assert len(ids) == len(set(ids))


def test_every_guarded_operation_describes_its_refusals_as_problems(description, operations):
    for label, operation in operations.items():
        guarded = operation["x-caller"] != "anyone" and "oauth" not in operation["tags"]
        for status in (400, 401, 403, 404, 409, 413, 415, 422, 429, 503) if guarded else ():
            answer = resolve(description, operation["responses"][str(status)])
            assert list(answer["content"]) == ["application/problem+json"], (label, status)


def test_every_input_refuses_what_it_does_not_name(description, operations):
    for label, operation in operations.items():
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            schema = resolve(description, content["application/json"]["schema"])
            assert schema["additionalProperties"] is False, label
            assert schema["required"], label


def test_every_example_is_one(description):
    for path, node in every(description):
        if isinstance(node, dict) and "example" in node and ("type" in node or "schema" in node):
            schema = node.get("schema") or {name: value for name, value in node.items() if name != "example"}
            faults = [fault.message for fault in validator_of(description, schema).iter_errors(node["example"])]
            assert faults == [], (path, node["example"])


def test_ids_in_examples_are_ids(description):
    for path, node in every(description):
        if path.endswith("/example") and isinstance(node, str) and "_" in node[:4] and node[:3].isalpha():
            assert len(node.partition("_")[2]) == 26, (path, node)


def test_no_description_names_a_place_outside(description):
    places = set(re.findall(r"https?://[^/\"]*", json.dumps(description)))
    assert places == {"https://bank.example"}


# ── True ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def record(service: Service) -> Recording:
    """Put a recorder between the service and everything that calls it from now on."""
    recording = Recording(service.app)
    service.app = recording
    service.http = httpx.Client(transport=httpx.WSGITransport(app=recording), base_url=ISSUER)
    return recording


def test_everything_that_the_story_answers_is_as_described(sqlite_service):
    description = sqlite_service.http.get("/openapi.json").json()
    unrecorded = replace(sqlite_service)
    recording = record(sqlite_service)
    phone, till = (
        sqlite_service.enroll(),
        sqlite_service.add_till(purposes=("identity", "medical", "merchant", "gate", "test")),
    )
    card = f"/v1/cards/{phone.card}"
    for use in ("identity", "medical", "merchant", "gate", "test"):
        for kind in ("signed", "counter"):
            code = phone.code(use, kind).json()["code"]
            taken = till.redeem(code, use, key=f"key-{use}-{kind}")
            till.redeem(code, use, key=f"key-{use}-{kind}")
            till.redeem(code, use)
            till.send("POST", "/v1/visits", {"visit_token": taken.json()["visit_token"]})
    _ask_around(sqlite_service, phone, till, card)
    _log_in(sqlite_service, phone)
    _enrol_a_scanner(sqlite_service, phone)
    _get_and_use_tokens(sqlite_service, phone)
    _end_what_rests_on_the_card(unrecorded, phone, card)
    partner = make_told_partner(sqlite_service)
    partner.app.send("GET", "/v1/channel")
    have_requests_examined(sqlite_service, partner.app)
    sqlite_service.http.get("/v1/platform-certificates")
    _have_a_card_issued(sqlite_service)
    _carry_the_card(sqlite_service)
    phone = sqlite_service.enroll(card=sqlite_service.make_card(2))
    partner.link(phone.card)
    phone.call("POST", f"/v1/cards/{phone.card}/loss-reports")
    phone.code("medical")
    tell(sqlite_service)
    partner.app.send("GET", "/v1/news")
    sqlite_service.http.get("/v1/news-keys")
    fetch_statements(sqlite_service)
    sqlite_service.http.close()

    assert [fault for answer in recording.answers for fault in faults_of(description, answer)] == []
    seen = {f"{answer.method} {answer.route}" for answer in recording.answers if answer.status < 400}
    beside = {"POST /v1/enrollments/{enrollment}/abandon", "GET /readyz", "GET /livez", "GET /openapi.json"}
    described = operations_of(description).items()
    assert {label for label, operation in described if PAGES not in operation["tags"]} - seen - beside == set()


def _enrol_a_scanner(service: Service, phone: Any) -> None:
    town = settle(service, phone)
    software = town.software()
    software.ask(scope="openid")
    town.let_in(software)
    software.poll()
    software.register(proof="00" * 64)
    scanner = Rotating(software.till(software.register().json()))
    software.register(new_key())
    for _ in range(2):
        scanner.add(new_key())


def _ask_around(service: Service, phone: Any, till: Any, card: str) -> None:
    Worker(service.runtime).tell()
    for path in (card, f"{card}/credential", f"{card}/uses", f"{card}/uses?limit=2", f"/v1/cards/crd_{'0' * 26}"):
        phone.call("GET", path)
    for look in ({"format": "png"}, {"format": "svg"}, {"scale": 99}, {"symbology": "code128"}):
        phone.call("POST", "/v1/code-images", {"code": phone.code("test").json()["code"], **look})
    for path in ("/v1/notices", "/v1/notices?limit=1", "/v1/notices?after=ntc_x", "/v1/notices?limit=0"):
        phone.send("GET", path)
    taken = {"code": phone.code("test").json()["code"], "accepted_at": "2026-03-02T08:00:00Z"}
    for items in ([taken], [taken, taken], [taken | {"code": "0"}], []):
        till.send("POST", "/v1/offline-acceptances", {"items": items})
    for given in ({"password": "274958"}, {"password": "123456"}, {"password": "830472", "current": "618305"}):
        phone.call("PUT", f"{card}/password", given)
    phone.call("GET", f"{card}/password")
    service.http.get("/v1/verification-keys")
    till.send("GET", f"/v1/terminal-sessions/ts_{'0' * 26}")
    till.redeem("0", "medical")
    till.send("POST", "/v1/redemptions", {"code": "0", "purpose": "medical"})


def _have_a_card_issued(service: Service) -> None:
    bank = make_bank(service)
    service.make_card(3)
    assert bank.issue(make_person(3), out_request_no="B-3")["state"] == "issued"
    bank.app.send("GET", "/v1/bank-issuances?out_request_no=B-3")


def _carry_the_card(service: Service) -> None:
    phone = service.enroll(card=service.make_card(4))
    app, holder = make_carrying(service), Holder(service, phone.card, phone.device)
    linked = app.link(holder)
    linked.show()
    linked.call("GET", "/v1/carriage")
    carriage = linked.sign().json()["id"]
    linked.sign("x" * 70)
    service.add_till().redeem(linked.show().json()["code"], "medical")
    for path in ("/v1/carriage?seen=0", "/v1/carriage/uses"):
        linked.call("GET", path)
    phone.call("GET", f"/v1/cards/{phone.card}/carriages")
    for path in ("/v1/carriages", f"/v1/carriages/{carriage}", "/v1/carriages/x"):
        app.partner.send("GET", path)
    app.partner.send("POST", "/v1/h5-entries", json.dumps(GOOD["POST /v1/h5-entries"]).encode())
    app.partner.send("POST", "/v1/h5-entries", b'{"act":"sign","name":"x"}')
    app.partner.send("POST", f"/v1/carriages/{carriage}/suspend", b'{"reason":"risk"}')
    app.partner.send("POST", f"/v1/carriages/{carriage}/resume")
    acting = app.link(holder, "openid card.report_loss card.unlink")
    acting.call("POST", "/v1/carriage/loss-reports", {"out_request_no": "L-1"})
    acting.call("POST", "/v1/carriage/end", {"out_request_no": "E-1"})
    other = app.link(Holder(service, (phone := service.enroll(card=service.make_card(5))).card, phone.device))
    ended = other.sign().json()["id"]
    app.partner.send("POST", f"/v1/carriages/{ended}/end", b'{"out_request_no":"E-2"}')


def _log_in(service: Service, phone: Any) -> None:
    for answer in (phone.approve_login, phone.deny_login):
        browser = Browser(service).begin(reference=answer.__name__)
        assert phone.scan_login(browser.code).status_code == 200
        assert answer(browser.id).status_code == 200
        phone.approve_login(browser.id)
    phone.scan_login("BCDF-GHJK")


def _get_and_use_tokens(service: Service, phone: Any) -> None:
    partner, other, holder = make_partner(service), make_partner(service), Holder(service, phone.card, phone.device)
    tokens = holder.tokens_for(partner)
    for method in ("GET", "POST"):
        partner.call(tokens["access_token"], method=method)
        partner.call("x", method=method)
    partner.authorize(client_id="x")
    for client_id in (partner.id, "x"):
        service.http.post("/oauth/authorize", data={**partner.parameters(), "client_id": client_id})
    asking = make_relying_party(service)
    service.http.post("/oauth/authorize", data=asking.parameters())
    for path in ("/oauth/par", "/oauth/token", "/oauth/introspect", "/oauth/revoke"):
        service.http.post(path)
        service.http.post(path, data={"grant_type": "refresh_token", "client_id": "x", "token": "x"})
    refreshed = partner.refresh(tokens["refresh_token"]).json()
    for token in (refreshed["access_token"], tokens["refresh_token"], "x"):
        partner.post("/oauth/introspect", {"token": token})
        other.post("/oauth/introspect", {"token": token})
    partner.post("/oauth/revoke", {"token": tokens["refresh_token"]})
    partner.refresh(tokens["refresh_token"])
    for path in PUBLISHED:
        etag = service.http.get(path).headers.get("ETag", "")
        service.http.get(path, headers={"If-None-Match": etag})


def _end_what_rests_on_the_card(service: Service, phone: Any, card: str) -> None:
    """See a link, a consent and the phone, and end them: the phone carries the card no more.

    ``service`` is the one past the recorder, which has seen enough of OAuth's own endpoints.
    """
    for client in (make_partner(service, scopes=("openid", "offline_access")), make_relying_party(service)):
        Browser(service).begin_for(client).log_in(phone).agree()
    for name in ("links", "consents", "devices"):
        [item] = phone.call("GET", f"{card}/{name}").json()["items"]
        phone.call("GET", f"{card}/{name}?after=x")
        ended = item["client"]["id"] if name == "consents" else item["id"]
        for _ in range(2):
            phone.call("POST", f"{card}/{name}/{ended}/end")


# ── Nothing more is taken in than is described ───────────────────────────────────────────────────────────────────


_UNSIGNED = struct.pack(">BHIBB16sH64s", 0x19, 0xFFFF, 0, 12, 0x80, bytes(16), 0, bytes(64))
UNKNOWN_CODE = f"82{int.from_bytes(_UNSIGNED):0220d}"
"""A code for tests as qr.signed_code writes it, of a key that there is not."""
GOOD: dict[str, dict[str, Any]] = {
    "POST /v1/terminal-sessions": {"operator": "op-1"},
    "POST /v1/enrollments": {"session": "ts_" + "0" * 26, "terminal_nonce": "00" * 16},
    "POST /v1/enrollments/{enrollment}/hello": {
        "atr": "3b00",
        "interface": "contact",
        "algorithm": "SM4",
        "issuer_data": "00",
        "internal_authentication": "00" * 8,
        "certificate": None,
        "challenge": "00" * 8,
        "pin_tries_left": 3,
        "round_trip_ms": 1,
    },
    "POST /v1/enrollments/{enrollment}/complete": {
        "holder_data": "00",
        "signature": None,
        "pin_verified": True,
        "default_pin": False,
    },
    "POST /v1/enrollments/{enrollment}/abandon": {"reason": "operator"},
    "POST /v1/enrollments/{enrollment}/confirm": {"chip_card": "chp_" + "0" * 26, "confirmed": True},
    "POST /v1/cards/{card}/codes": {"class": "test"},
    "PUT /v1/cards/{card}/password": {"password": "274958"},
    "POST /v1/login-requests": {"code": "BCDF-GHJK"},
    "POST /v1/code-images": {"code": "0" * 20},
    "POST /v1/redemptions": {"code": "0", "purpose": "test"},
    "POST /v1/visits": {"visit_token": "0" * 20},
    "POST /v1/terminals": {"public_key": "00" * 64, "proof": "00" * 64},
    "POST /v1/terminals/keys": {"public_key": "00" * 64, "proof": "00" * 64},
    "POST /v1/sandbox/signature-examinations": {"method": "GET", "target": "/v1/channel", "header_fields": {}},
    "POST /v1/channel/signature-examinations": {"method": "GET", "target": "/v1/channel", "header_fields": {}},
    "POST /v1/sandbox/news": {"kind": "card.issued"},
    "POST /v1/sandbox/cards": {"level": "L3"},
    "PUT /v1/sandbox/clock": {"offset_seconds": 0},
    "POST /v1/sandbox/cards/{made_up_card}/acts": {"act": "report_loss"},
    "POST /v1/sandbox/cards/{made_up_card}/logins": {"code": "BCDF-GHJK"},
    "POST /v1/sandbox/redemptions": {"code": UNKNOWN_CODE},
    "PUT /v1/sandbox/switches": {"answers": None, "news": None},
    "POST /v1/bank-issuances": {
        "out_request_no": "B-1",
        "social_security_number": "99010019850314012X",
        "name": "测试甲",
        "phone": "19900000001",
    },
    "POST /v1/carriages": {"out_request_no": "S-1"},
    "POST /v1/carriage/codes": {"class": "test"},
    "POST /v1/carriage/loss-reports": {"out_request_no": "L-1"},
    "POST /v1/carriage/end": {"out_request_no": "E-1"},
    "POST /v1/carriages/{carriage}/suspend": {"reason": "risk"},
    "POST /v1/carriages/{carriage}/end": {"out_request_no": "E-2"},
    "POST /v1/h5-entries": {"act": "sign", "state": "st", "code_challenge": "x" * 43, "dpop_jkt": "x" * 43},
    "POST /v1/offline-acceptances": {"items": [{"code": "0", "accepted_at": "2026-03-02T08:00:00Z"}]},
}
"""A body that the schema of each write takes."""


def test_no_write_takes_a_member_that_only_answers_have(edge, description, operations):
    """Post every member of every answer to every write (threats.md D1 to D3): standing, level, owner are not theirs."""
    schemas = description["components"]["schemas"].values()
    answered = {name for schema in schemas for name in schema.get("properties", {})} | {
        "__proto__",
        "owner",
        "standing",
    }
    taken: list[tuple[str, str]] = []
    for label, operation in sorted(operations.items(), key=lambda item: item[0] == "POST /v1/carriage/end"):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        assert "Unknown field" not in refusal_of(edge, label, GOOD[label])
        more = sorted(answered - set(resolve(description, content["schema"])["properties"]))
        taken += [(label, name) for name in more if not is_refused(edge, label, name)]
    assert taken == []


def is_refused(edge: Proven, label: str, name: str) -> bool:
    return refusal_of(edge, label, GOOD[label] | {name: "active"}) == f"{name}: Unknown field."


def refusal_of(edge: Proven, label: str, body: dict[str, Any]) -> str:
    method, path = label.split(" ")
    path = path.replace("{card}", edge.phone.card).replace("{enrollment}", "enr_" + "0" * 26)
    answer = Client(edge).open(path, method=method, json=body, headers=HEADERS)
    return answer.get_json(force=True).get("detail", "") if answer.mimetype.endswith("json") else ""
