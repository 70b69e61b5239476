"""Every route has a guard, names its caller, and lets nobody else in."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.routing import Rule as Route
from werkzeug.test import Client, TestResponse

from auth.channel_requests import Channel
from auth.guard import CALLERS, Anyone, DeviceKey, Phone, Rule
from auth.signed_requests import Terminal
from channels.registry import SCOPES
from tests.auth.forging import sha256
from tests.channels.partners import make_partner
from tests.web.callers import HEADERS, Proven
from web.plain_routes import PAGES, path_of

IDS = {"card": "crd_", "enrollment": "enr_", "session": "ts_", "name": "docs.js"}


@pytest.fixture(scope="module")
def description(shared_service) -> dict[str, Any]:
    return shared_service.http.get("/openapi.json").json()


def routes(app: Any) -> Iterator[tuple[Route, Rule | None]]:
    for route in app.url_map.iter_rules():
        yield route, getattr(app.view_functions[route.endpoint], "rule", None)


def requests(app: Any) -> Iterator[tuple[str, str, Rule]]:
    """Give method, path with made-up ids, and rule of every request that some route would take."""
    for route, rule in routes(app):
        assert rule is not None
        path = str(route)
        for name, value in IDS.items():
            path = path.replace(f"<{name}>", value + "0" * 26 if value.endswith("_") else value)
        for method in sorted((route.methods or set()) - {"OPTIONS", "HEAD"}):
            yield method, path, rule


def test_every_route_has_a_guard(shared_service):
    assert [str(route) for route, rule in routes(shared_service.app) if not isinstance(rule, Rule)] == []


def test_every_guard_names_a_caller_that_there_is(shared_service):
    assert {rule.caller for _, rule in routes(shared_service.app) if rule} <= set(CALLERS)


def test_every_route_stands_in_the_description_with_every_method(shared_service, description):
    described = {(path, method) for path, operations in description["paths"].items() for method in operations}
    taken = {
        (path_of(str(route)), method.lower())
        for route, _ in routes(shared_service.app)
        for method in (route.methods or set()) - {"OPTIONS", "HEAD"}
    }
    assert taken == {(path, method) for path, method in described if method != "parameters"}


def test_only_what_people_see_is_described_as_a_page(shared_service, description):
    pages = {path for path, operations in description["paths"].items() if is_page(operations)}
    assert {path.split("/")[1] for path in pages} <= {"docs", "login", "app", "account", "device"}


def is_page(operations: dict[str, Any]) -> bool:
    return any(PAGES in operation.get("tags", ()) for operation in operations.values() if isinstance(operation, dict))


def test_the_description_names_caller_and_scope_of_every_operation(shared_service, description):
    for route, rule in routes(shared_service.app):
        operations = description["paths"].get(path_of(str(route)), {})
        for operation in (operations[method] for method in operations if method.upper() in route.methods):
            assert rule is not None
            assert operation["x-caller"] == CALLERS[rule.caller]
            assert operation.get("x-scope") == rule.scope


def test_whoever_proves_nothing_is_let_in_only_where_anyone_is(shared_service):
    client = Client(shared_service.app)
    for method, path, rule in requests(shared_service.app):
        if rule.caller is not Anyone:
            assert_refused(client.open(path, method=method), method, path)
            assert_refused(client.open(path, method=method, json={}), method, path)


@pytest.mark.parametrize("caller", [DeviceKey, Phone, Terminal, Channel], ids=lambda caller: caller.__name__)
def test_each_kind_of_caller_is_let_in_only_where_it_is_named(edge, caller):
    client = Client(edge.service.app)
    for method, path, rule in requests(edge.service.app):
        if rule.caller not in {Anyone, caller}:
            headers = credentials(edge, caller, method, path, b"{}")
            answer = client.open(path, method=method, data=b"{}", content_type="application/json", headers=headers)
            assert_refused(answer, method, path)


def credentials(edge: Proven, caller: type, method: str, path: str, body: bytes) -> dict[str, str]:
    """Prove a request as this caller would, whether or not the route knows it."""
    if caller is Terminal:
        return {"Authorization": edge.till.sign(method, path, body)}
    if caller is Channel:
        return {"Authorization": edge.channel.sign(method, path, body)}
    if caller is DeviceKey:
        return {"DPoP": edge.phone.proof(method, path, digest=sha256(body))}
    proof = edge.phone.proof(method, path, ath=sha256(edge.phone.token.encode()), jti=sha256(path.encode() + b"phone"))
    return {"Authorization": f"DPoP {edge.phone.token}", "DPoP": proof}


def assert_refused(answer: TestResponse, method: str, path: str) -> None:
    assert answer.status_code == 401, (method, path, answer.text)
    assert answer.headers.getlist("WWW-Authenticate"), (method, path)
    if path.startswith("/v1/"):  # OAuth's own endpoints answer in OAuth's form
        code = json.loads(answer.data)["code"]
        assert code in {"signature_missing", "signature_wrong", "proof_wrong", "token_wrong"}, (method, path)


@pytest.mark.parametrize(
    ("standing", "let_in"),
    [("sandbox", {"any", "carrying"}), ("reviewed", {"any"}), ("live", {"any", "carrying", "live"})],
)
def test_a_channel_is_let_in_where_it_stands_as_the_route_wants(edge, standing, let_in):
    channels = Proven(edge.service, edge.phone, edge.till)
    channels.channel = channels.trying = make_partner(edge.service, standing, scopes=list(SCOPES))
    asked = set()
    for method, path, rule in requests(edge.service.app):
        if rule.caller is Channel:
            asked.add(rule.standing)
            answer = Client(channels).open(path, method=method, json={}, headers=HEADERS)
            is_kept_out = answer.status_code == 403 and json.loads(answer.data)["code"] == "channel_not_live"
            assert is_kept_out != (rule.standing in let_in), path
    assert asked == {"any", "carrying", "live"}


def test_a_channel_without_a_scope_is_let_in_nowhere_where_one_is_needed(edge):
    channels = Proven(edge.service, edge.phone, edge.till)
    channels.channel = channels.trying = make_partner(edge.service, "live", scopes=[])
    for method, path, rule in requests(edge.service.app):
        if rule.caller is Channel:
            bare = Client(channels).open(path, method=method, json={}, headers=HEADERS)
            assert (bare.status_code == 403) == bool(rule.scope), path


def test_a_terminal_without_a_scope_is_let_in_nowhere_where_one_is_needed(edge):
    service = edge.service
    without = Proven(service, edge.phone, service.add_till(service.add_institution(scopes=())))
    client = Client(without)
    seen = 0
    for method, path, rule in requests(service.app):
        if rule.caller is Terminal and rule.scope:
            seen += 1
            answer = client.open(path, method=method, json={}, headers=HEADERS)
            assert (answer.status_code, answer.get_json(force=True)["code"]) == (403, "terminal_not_allowed"), path
    assert seen >= 8
