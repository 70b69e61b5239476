"""The edge: languages, request ids, headers, methods, sizes, and faults that show nothing (P3, P4)."""

import io
import json
from typing import Any

import pytest
import structlog
from werkzeug.test import Client

from core.errors import Limited, Refusal, Unavailable
from core.ids import is_id
from tests.service import Service
from tests.web.callers import HEADERS
from web.logs import configure_logs
from web.problems import _HTTP_TITLES, answer_refusal

MEMBERS = {"type", "title", "status", "code", "next_step", "request_id"}


@pytest.fixture
def client(shared_service: Service) -> Client:
    return Client(shared_service.app)


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    body = json.loads(answer.data)
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert answer.mimetype == "application/problem+json"
    assert set(body) - {"detail"} >= MEMBERS
    assert body["type"] == f"/docs/problems#{code}"
    return body


# ── Languages ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("*", "en"),
        ("en", "en"),
        ("de", "en"),
        ("de, zh;q=0.5", "zh-CN"),
        ("zh", "zh-CN"),
        ("zh-CN", "zh-CN"),
        ("zh-Hans-CN", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.1, zh;q=0.9", "zh-CN"),
        ("zh;q=0", "en"),
        ("zh;q=abc", "en"),
        ("q=1;;;,,,=", "en"),
        ("x" * 5000, "en"),
        ("\xff\xfe", "en"),
        (";" * 3000, "en"),
    ],
    ids=range(19),
)
def test_a_refusal_speaks_the_language_that_was_asked_for(client, asked, language):
    headers = {} if asked is None else {"Accept-Language": asked}
    for path, code in (("/v1/notices", "proof_wrong"), ("/nowhere", "not_found")):
        answer = client.get(path, headers=headers)
        body = assert_problem(answer, answer.status_code, code)
        assert answer.headers["Content-Language"] == language
        spoken = any("\u4e00" <= letter <= "\u9fff" for letter in body["title"] + body["next_step"])
        assert spoken is (language == "zh-CN")


# ── Request ids ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_answer_has_an_id_and_a_problem_repeats_it(shared_service):
    ids = set()
    for path in ("/livez", "/nowhere", "/v1/notices", "/docs/", "/openapi.json"):
        answer = shared_service.http.get(path)
        ids.add(answer.headers["X-Request-Id"])
        if answer.headers["Content-Type"] == "application/problem+json":
            assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert len(ids) == 5
    assert all(is_id(name, "req") for name in ids)


def test_a_caller_does_not_choose_the_request_s_id(client):
    assert client.get("/livez", headers={"X-Request-Id": "req_mine"}).headers["X-Request-Id"] != "req_mine"


# ── Headers ──────────────────────────────────────────────────────────────────────────────────────────────────────


PATHS = ["/livez", "/nowhere", "/v1/notices", "/docs/", "/docs/files/docs.js", "/openapi.json", "/oauth/token"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_headers_that_make_it_safe(shared_service, path):
    headers = shared_service.http.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"]
    assert "Set-Cookie" not in headers
    assert ("Access-Control-Allow-Origin" in headers) == (path == "/oauth/token")  # tests/oauth/test_other_origins.py
    assert "Access-Control-Allow-Credentials" not in headers


def test_nothing_personal_is_kept_on_the_way(edge):
    for path in (f"/v1/cards/{edge.phone.card}", f"/v1/cards/{edge.phone.card}/credential", "/v1/notices"):
        answer = Client(edge).get(path, headers=HEADERS)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


def test_who_is_not_known_is_told_how_to_prove_it(client):
    challenges = client.get("/v1/notices").headers.getlist("WWW-Authenticate")
    assert challenges == ['DPoP algs="ES256"', "ESSC-SM2-SM3"]


# ── Addresses and methods ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v2/cards",
        "/v1/cards",
        "/v1/notices/",
        "/docs/x",
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/docs/files/../app.py",
        "/docs/files/..%2fapp.py",
        "/docs/files/index.html",
        "/" + "x" * 8000,
        "/\u793a\u8303",
        "/%ff%fe",
    ],
)
def test_an_address_that_is_none_is_not_found(client, path):
    assert_problem(client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/redemptions", {"POST", "OPTIONS"}),
        ("DELETE", "/v1/redemptions", {"POST", "OPTIONS"}),
        ("PATCH", "/v1/notices", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/livez", {"GET", "HEAD", "OPTIONS"}),
        ("TRACE", "/livez", {"GET", "HEAD", "OPTIONS"}),
        ("FOO", "/v1/cards/crd_x/codes", {"POST", "OPTIONS"}),
    ],
)
def test_a_method_that_is_not_taken_is_told_which_are(client, method, path, allowed):
    answer = client.open(path, method=method)
    assert_problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["par", "token", "introspect", "revoke", "device_authorization"])
def test_an_endpoint_of_oauth_says_it_in_oauth_s_form(client, path):
    answer = client.open(f"/oauth/{path}", method="PUT")
    assert (answer.status_code, answer.get_json()["error"]) == (405, "invalid_request")
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_options_tells_the_methods_and_nothing_else(client):
    answer = client.options("/v1/redemptions")
    assert (answer.status_code, answer.data) == (200, b"")
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


@pytest.mark.parametrize("path", ["/livez", "/openapi.json", "/v1/notices", "/v1/verification-keys"])
def test_head_answers_as_get_does_without_the_body(client, path):
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.data) == (get.status_code, b"")
    assert head.mimetype == get.mimetype


def test_head_needs_a_proof_of_its_own(edge):
    path = f"/v1/cards/{edge.phone.card}"
    assert Client(edge).head(path, headers=HEADERS).status_code == 200
    get_proof = edge.phone.proof("GET", path)
    assert Client(edge).head(path, headers=HEADERS | {"DPoP": get_proof}).status_code == 401


def test_the_documentation_s_address_may_be_written_without_its_slash(client):
    answer = client.get("/docs")
    assert (answer.status_code, answer.headers["Location"]) == (308, "http://localhost/docs/")


# ── Sizes and kinds ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/v1/terminal-sessions", "/v1/enrollments", "/v1/redemptions"])
def test_a_body_larger_than_the_limit_is_refused(client, shared_service, path):
    limit = shared_service.runtime.ground.settings.body_limit
    answer = client.post(path, data=b" " * (limit + 1), content_type="application/json", headers={"Authorization": "x"})
    assert answer.status_code in {401, 413}
    signed = {"Authorization": 'ESSC-SM2-SM3 app_id="trm_x"', "DPoP": "x.y.z"}
    assert client.post(path, data=b" " * limit, content_type="application/json", headers=signed).status_code == 401


def test_a_large_body_is_refused_before_its_signature_is_looked_at(edge):
    limit = edge.service.runtime.ground.settings.body_limit
    body = b'{"operator": "op-1"}'
    for size, status in ((limit, 201), (limit + 1, 413)):
        answer = Client(edge).post(
            "/v1/terminal-sessions",
            data=body + b" " * (size - len(body)),
            content_type="application/json",
            headers=HEADERS,
        )
        assert answer.status_code == status
    assert_problem(answer, 413, "too_large")


def test_a_length_that_is_a_lie_is_no_fault(edge):
    for length in ("-1", "abc", "1e3", "99999999999999999999", ""):
        headers = HEADERS | {"Content-Type": "application/json"}
        environ = {"CONTENT_LENGTH": length}
        answer = Client(edge.service.app).post("/v1/terminal-sessions", headers=headers, environ_overrides=environ)
        assert answer.status_code in {400, 401, 413}


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/json",
        "",
        "\xff",
        "application/json, text/plain",
    ],
)
def test_a_body_that_says_it_is_not_json_is_refused(edge, kind):
    headers = HEADERS | {"Content-Type": kind}
    answer = Client(edge).post("/v1/terminal-sessions", data=b'{"operator": "op-1"}', headers=headers)
    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/json;x=y"]
)
def test_json_may_say_so_in_its_usual_ways(edge, kind):
    headers = HEADERS | {"Content-Type": kind}
    assert Client(edge).post("/v1/terminal-sessions", data=b'{"operator": "op-1"}', headers=headers).status_code == 201


# ── Refusals and faults ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_refusal_s_own_members_stand_beside_the_common_ones(shared_service):
    with shared_service.app.test_request_context("/"):
        answer = answer_refusal(Refusal("for the developer", extra={"where": "here"}))
    body = json.loads(answer.data)
    assert (body["detail"], body["where"], body["code"]) == ("for the developer", "here", "refused")


@pytest.mark.parametrize(
    ("refusal", "seconds"), [(Limited(), "60"), (Limited(retry_after=7), "7"), (Unavailable(), "2"), (Refusal(), None)]
)
def test_who_may_come_back_is_told_when(shared_service, refusal, seconds):
    with shared_service.app.test_request_context("/"):
        assert answer_refusal(refusal).headers.get("Retry-After") == seconds


def test_every_answer_of_flask_s_own_has_a_name(shared_service):
    assert set(_HTTP_TITLES) >= {404, 405, 415}
    assert len({code for code, _, _ in _HTTP_TITLES.values()}) == len(_HTTP_TITLES)


def test_a_fault_shows_nothing_and_is_logged_without_its_text(sqlite_service):
    seen = io.StringIO()
    before = structlog.get_config()
    configure_logs(as_json=True, stream=seen)

    def explode(**_path: str) -> None:
        raise RuntimeError("canary-name 990100198503140120")

    view = "enrollments.get_session"
    sqlite_service.app.view_functions[view] = explode
    try:
        for language in ("en", "zh"):
            answer = sqlite_service.http.get("/v1/terminal-sessions/x", headers={"Accept-Language": language})
            assert (answer.status_code, answer.json()["code"]) == (500, "fault")
            assert "canary" not in answer.text
            assert "RuntimeError" not in answer.text
            assert "Traceback" not in answer.text
    finally:
        structlog.configure(**before)
    lines = [json.loads(line) for line in seen.getvalue().splitlines()]
    fault = next(line for line in lines if line["event"] == "fault")
    assert (fault["kind"], fault["level"]) == ("RuntimeError", "error")
    assert "test_problems" in fault["where"]
    assert "canary" not in seen.getvalue()
    assert {line["status"] for line in lines if line["event"] == "request"} == {500}
