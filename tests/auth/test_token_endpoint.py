"""The token endpoint: OAuth's own form, one use for each assertion, and nothing that a hostile form could break."""

import secrets
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec

from auth.devices import end_device
from cli.phone import GRANT, Phone
from tests.auth.forging import MISSING, jws, second_spelling
from tests.servers import free_port
from tests.service import ISSUER, START, Service

NOW = int(START.timestamp())
PATH = "/oauth/token"


@pytest.fixture(scope="module")
def _enrolled(shared_service: Service) -> Phone:
    return shared_service.enroll()


@pytest.fixture
def phone(still_service: Service, _enrolled: Phone) -> Phone:
    return _enrolled


def ask(phone: Phone, assertion: str | None = None, proof: str | None = None, **form: Any) -> httpx.Response:
    given = {"grant_type": GRANT, "assertion": phone.assertion() if assertion is None else assertion} | form
    return phone.http.post(PATH, data=given, headers={"DPoP": phone.proof("POST", PATH) if proof is None else proof})


def assert_oauth_error(answer: httpx.Response, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json().get("error")) == (status, error), answer.text
    assert set(answer.json()) <= {"error", "error_description", "code"}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Traceback" not in answer.text


def test_a_bound_phone_gets_a_token_in_oauth_s_form(phone):
    answer = ask(phone)
    body = answer.json()
    assert answer.status_code == 200
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("DPoP", 300, "card")
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}


def test_an_assertion_made_by_hand_is_as_good_as_the_phone_s(phone):
    assert ask(phone, jws(HEADER, claims_of(phone), phone.key)).status_code == 200


# ── The assertion ────────────────────────────────────────────────────────────────────────────────────────────────

HEADER = {"typ": "JWT", "alg": "ES256"}


def claims_of(phone: Phone, **changes: Any) -> dict[str, Any]:
    stated = {"iss": phone.device, "sub": phone.device, "aud": ISSUER, "iat": NOW, "exp": NOW + 60}
    return stated | {"jti": secrets.token_hex(8)} | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": MISSING},
        {"iss": "dev_" + "0" * 26},
        {"iss": 5},
        {"sub": MISSING},
        {"sub": "dev_" + "0" * 26},
        {"sub": "crd_" + "0" * 26},
        {"sub": ["x"]},
        {"sub": "dev_\x00"},
        {"aud": MISSING},
        {"aud": "https://bank.example"},
        {"aud": ISSUER + "/"},
        {"aud": [ISSUER]},
        {"iat": MISSING},
        {"iat": NOW + 6},
        {"iat": "now"},
        {"iat": 1.5},
        {"exp": MISSING},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": NOW + 66},
        {"exp": NOW + 0.5},
        {"exp": True},
        {"exp": 10**400},
        {"nbf": NOW + 6},
        {"nbf": "later"},
        {"jti": MISSING},
        {"jti": 12345678},
        {"jti": "1234567"},
        {"jti": "x" * 129},
    ],
)
def test_each_claim_of_the_assertion_has_to_be_right(phone, changes):
    assert_oauth_error(ask(phone, jws(HEADER, claims_of(phone, **changes), phone.key)), "invalid_grant")


@pytest.mark.parametrize(
    "changes", [{"exp": NOW + 1}, {"exp": NOW + 65}, {"iat": NOW + 5}, {"nbf": NOW + 5}, {"iat": 0}]
)
def test_an_assertion_is_good_up_to_its_very_bounds(phone, changes):
    assert ask(phone, phone.assertion(**changes)).status_code == 200


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}, {"alg": "ES384"}, {"alg": MISSING}, {"crit": ["x"]}]
)
def test_an_assertion_is_signed_with_es256(phone, header):
    for key in (phone.key, b"secret", None):
        assert_oauth_error(ask(phone, jws(HEADER | header, claims_of(phone), key)), "invalid_grant")


def test_an_assertion_of_another_key_is_refused(phone, still_service):
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert_oauth_error(ask(phone, jws(HEADER, claims_of(phone), stranger)), "invalid_grant")


def test_an_assertion_for_another_phone_s_device_is_refused_like_one_for_no_device(phone, still_service):
    other = still_service.enroll(card=still_service.make_card(2))
    unknown = "dev_" + "0" * 26
    answers = [ask(phone, phone.assertion(iss=name, sub=name)) for name in (other.device, unknown)]
    for answer in answers:
        assert_oauth_error(answer, "invalid_grant")
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("form", ["", "x", "a.b", "a.b.c", "a.b.c.d", ".." * 2000, "ü.ü.ü", "\r\n", "[]", "{}"])
def test_what_is_no_assertion_is_refused(phone, form):
    assert_oauth_error(ask(phone, form), "invalid_grant")


@pytest.mark.parametrize("parameters", [{"assertion": "\x00"}, {"grant_type": "\x00"}])
def test_a_form_with_nul_is_no_form(phone, parameters):
    assert_oauth_error(ask(phone, **parameters), "invalid_request")


def test_an_assertion_has_one_spelling(phone):
    good = phone.assertion()
    for spelling in (second_spelling(good), good + "=", f" {good}", f"{good}\n", good.replace(".", "..", 1)):
        assert_oauth_error(ask(phone, spelling), "invalid_grant")
    assert ask(phone, good).status_code == 200


def test_a_proof_is_no_assertion_and_an_assertion_no_proof(phone):
    assert_oauth_error(ask(phone, phone.proof("POST", PATH)), "invalid_grant")
    assert_oauth_error(ask(phone, proof=phone.assertion()), "invalid_dpop_proof")


def test_an_assertion_is_good_for_one_use(phone):
    assertion = phone.assertion()
    assert ask(phone, assertion).status_code == 200
    assert_oauth_error(ask(phone, assertion), "invalid_grant")


def test_a_proof_is_good_for_one_use(phone):
    proof = phone.proof("POST", PATH)
    assert ask(phone, proof=proof).status_code == 200
    assert_oauth_error(ask(phone, proof=proof), "invalid_dpop_proof")


def test_an_assertion_that_came_with_a_bad_proof_is_not_spent(phone):
    assertion = phone.assertion()
    assert_oauth_error(ask(phone, assertion, proof="rubbish"), "invalid_dpop_proof")
    assert ask(phone, assertion).status_code == 200


def test_without_a_proof_there_is_no_token(phone):
    answer = phone.http.post(PATH, data={"grant_type": GRANT, "assertion": phone.assertion()})
    assert_oauth_error(answer, "invalid_dpop_proof")


@pytest.mark.parametrize("claims", [{"htm": "GET"}, {"htu": f"{ISSUER}/oauth/other"}, {"iat": NOW - 60}, {"jti": "x"}])
def test_a_proof_of_another_request_is_refused(phone, claims):
    assert_oauth_error(ask(phone, proof=phone.proof("POST", PATH, **claims)), "invalid_dpop_proof")


def test_a_proof_of_another_key_is_refused(phone, still_service):
    assert_oauth_error(ask(phone, proof=still_service.phone().proof("POST", PATH)), "invalid_grant")


def test_a_device_that_was_ended_gets_no_token_and_is_told_why(sqlite_service):
    phone = sqlite_service.enroll()
    with sqlite_service.database.transaction() as connection:
        assert end_device(connection, phone.device, because="ended_by_holder", at=sqlite_service.clock())
    answer = phone.sign_in()
    assert_oauth_error(answer, "invalid_grant")
    assert answer.json()["code"] == "device_ended"


# ── The form ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "grant",
    ["", "implicit", "password", "client_credentials", GRANT + " ", GRANT.upper()],
)
def test_there_are_no_other_grants(phone, grant):
    assert_oauth_error(ask(phone, grant_type=grant), "unsupported_grant_type")


def test_nul_is_no_part_of_a_form(phone):
    assert_oauth_error(ask(phone, "\x00"), "invalid_request")
    assert_oauth_error(ask(phone, grant_type="\x00"), "invalid_request")


FORM = "application/x-www-form-urlencoded"
HOSTILE: list[tuple[str, bytes]] = [
    (FORM, b""),
    (FORM, b"&&&==="),
    (FORM, b"grant_type"),
    (FORM, b"%"),
    (FORM, b"%ff%fe=%00"),
    (FORM, b"\xff\xfe\x00"),
    (FORM, b"grant_type[]=x"),
    (FORM, f"grant_type={GRANT}&assertion=%ff%00%0d%0a".encode()),
    (FORM, f"grant_type={GRANT}&assertion=a.%00.b".encode()),
    (FORM, f"grant_type={GRANT}&grant_type={GRANT}&assertion=a".encode()),
    (FORM, f"grant_type={GRANT}&assertion=a&assertion=b".encode()),
    (FORM, f"grant_type={GRANT}&assertion=a&x=1&x=2".encode()),
    (FORM, f"grant_type={GRANT}".encode()),
    (FORM, b"assertion=a.b.c"),
    (FORM, b"a=1&" * 2000),
    (f"{FORM}; charset=utf-16", b"grant_type=x"),
    (f"{FORM}; charset=no-such", b"grant_type=x"),
    ("application/json", b'{"grant_type":"x"}'),
    ("application/json", b"[" * 10_000),
    ("text/plain", b"grant_type=x"),
    ("", b"grant_type=x"),
    ("multipart/form-data", b"grant_type=x"),
    ("multipart/form-data; boundary=x", b"--x\r\nrubbish"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=grant_type\r\n\r\nx\r\n--x--"),
    ("multipart/form-data; boundary=x", b"--x\r\n" * 3000),
    ("multipart/form-data; boundary=" + "x" * 5000, b"--x"),
    ("\x7f/\x01", b"x"),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_form_is_refused_in_oauth_s_form(phone, number):
    kind, content = HOSTILE[number]
    headers = {"DPoP": phone.proof("POST", PATH)} | ({"Content-Type": kind} if kind else {})
    answer = phone.http.post(PATH, content=content, headers=headers)
    assert answer.status_code in {400, 413}
    error = answer.json()["error"]
    assert_oauth_error(answer, error, answer.status_code)
    assert error in {"invalid_request", "invalid_grant", "unsupported_grant_type"}


def test_a_form_that_is_too_large_is_refused_in_oauth_s_form(phone):
    answer = ask(phone, "a" * 2_000_000)
    assert_oauth_error(answer, "invalid_request", 413)


@pytest.mark.parametrize("query", ["?assertion=x", f"?grant_type={GRANT}", "?x=", "?client_id=a"])
def test_parameters_belong_into_the_body(phone, query):
    form = {"grant_type": GRANT, "assertion": phone.assertion()}
    answer = phone.http.post(PATH + query, data=form, headers={"DPoP": phone.proof("POST", PATH)})
    assert_oauth_error(answer, "invalid_request")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_token_is_asked_for_by_post(phone, method):
    answer = phone.http.request(method, PATH)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_without_the_database_there_is_no_token_but_a_time_to_come_back(phone, still_service, monkeypatch):
    gone = sa.create_engine(f"postgresql+psycopg://x@127.0.0.1:{free_port()}/x")
    monkeypatch.setattr(still_service.database, "_engine", gone)
    answer = ask(phone)
    assert_oauth_error(answer, "temporarily_unavailable", 503)
    assert int(answer.headers["Retry-After"]) >= 1
