"""The fourteen traps of stock wirings, each met by name, and what belongs to them."""

from base64 import b64encode
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from werkzeug.test import Client

from auth.oauth.interactions import LoginRequestOver, browser_handle, get_interaction
from auth.oauth.models import (
    authorization_codes,
    interactions,
    oauth_client_keys,
    oauth_clients,
    oauth_grants,
    pushed_requests,
    refresh_tokens,
    revoked_tokens,
)
from tests.oauth.clients_of_tests import (
    ASSERTION_TYPE,
    LOOPBACK,
    Key,
    answer_of,
    make_native,
    make_partner,
    make_relying_party,
    reheaded,
)
from tests.oauth.test_flow import ALGORITHMS, claims_of
from tests.service import ISSUER

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def assert_refused(answer, error, status=400):
    assert (answer.status_code, answer.json().get("error")) == (status, error), answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) <= {"error", "error_description", "code"}


# ── 1 ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_01_private_key_jwt_takes_each_algorithm_of_the_list(server, algorithm):
    assert make_partner(server, algorithm).push().status_code == 201


def test_01_private_key_jwt_refuses_rs256_with_the_very_key_that_is_registered(server):
    partner = make_partner(server, "PS256")
    partner.key.algorithm = "RS256"
    assert_refused(partner.push(), "invalid_client", 401)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES384", "RS256", "", None, 5, ["ES256"]])
def test_01_no_other_algorithm_is_read_from_the_header(server, partner, algorithm):
    signed = partner.key.sign({"iss": partner.id}, typ="JWT")
    partner.assertion = lambda: reheaded(signed, alg=algorithm)
    assert_refused(partner.push(), "invalid_client", 401)


def test_01_a_key_of_another_client_proves_nothing(server, partner):
    partner.key = Key()
    assert_refused(partner.push(), "invalid_client", 401)


# ── 2, 3, 4: see test_races.py for the same with a barrier ───────────────────────────────────────────────────────


def test_02_a_code_redeemed_twice_ends_everything_that_came_of_it(server, holder, partner):
    code = holder.code_for(partner)
    tokens = partner.redeem(code).json()
    assert_refused(partner.redeem(code), "invalid_grant")
    assert partner.call(tokens["access_token"]).status_code == 401
    assert_refused(partner.refresh(tokens["refresh_token"]), "invalid_grant")


def test_02_a_failed_try_does_not_spend_the_code(server, holder, partner):
    code = holder.code_for(partner)
    for wrong in (
        {"code_verifier": "x" * 43},
        {"code_verifier": None},
        {"redirect_uri": "https://partner.example/other"},
        {"redirect_uri": None},
    ):
        assert partner.redeem(code, **wrong).status_code == 400
    assert partner.redeem(code).status_code == 200


def test_02_a_code_is_good_for_its_client_alone(server, holder, partner):
    code, other = holder.code_for(partner), make_partner(server)
    other.verifier = partner.verifier
    assert_refused(other.redeem(code), "invalid_grant")
    assert partner.redeem(code).status_code == 200


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (59, 200), (60, 400), (61, 400)])
def test_02_a_code_dies_at_its_expiry(server, holder, partner, seconds, status):
    code = holder.code_for(partner)
    server.clock.step(seconds)
    assert partner.redeem(code).status_code == status


def test_03_a_refresh_token_sent_again_within_the_grace_has_the_same_successor(server, holder):
    native = make_native(server, dpop=False)
    token = holder.tokens_for(native)["refresh_token"]
    first = native.refresh(token).json()["refresh_token"]
    server.clock.step(9.9)
    assert native.refresh(token).json()["refresh_token"] == first


def test_03_the_grace_ends_with_the_first_use_of_the_successor(server, holder):
    native = make_native(server, dpop=False)
    token = holder.tokens_for(native)["refresh_token"]
    successor = native.refresh(token).json()["refresh_token"]
    last = native.refresh(successor).json()
    assert_refused(native.refresh(token), "invalid_grant")
    assert_refused(native.refresh(last["refresh_token"]), "invalid_grant")
    assert native.call(last["access_token"]).status_code == 401


def test_04_replay_of_an_old_refresh_token_revokes_its_descendants(server, holder):
    native = make_native(server, dpop=False)
    token = holder.tokens_for(native)["refresh_token"]
    descendant = native.refresh(token).json()
    server.clock.step(10)
    assert_refused(native.refresh(token), "invalid_grant")
    assert_refused(native.refresh(descendant["refresh_token"]), "invalid_grant")
    assert native.call(descendant["access_token"]).status_code == 401


# ── 5, 6, 7 ──────────────────────────────────────────────────────────────────────────────────────────────────────

PKCE_FAULTS = [
    {"code_challenge": None},
    {"code_challenge": None, "code_challenge_method": None},
    {"code_challenge_method": None},
    {"code_challenge_method": "plain"},
    {"code_challenge_method": "s256"},
    {"code_challenge": "x" * 42},
    {"code_challenge": "x" * 44},
    {"code_challenge": "x" * 42 + "="},
    {"code_challenge": "x" * 43 + "\n"},
]


@pytest.mark.parametrize("changes", PKCE_FAULTS)
def test_05_pkce_is_required_of_confidential_clients_when_they_push(partner, changes):
    assert_refused(partner.push(**changes), "invalid_request")


@pytest.mark.parametrize("changes", PKCE_FAULTS)
def test_05_pkce_is_required_of_public_services_at_the_authorization_endpoint(relying_party, changes):
    answer = relying_party.authorize(**relying_party.parameters(**changes))
    assert answer.status_code == 303
    said = answer_of(answer.headers["Location"])
    assert (said["error"], said["state"], said["iss"]) == ("invalid_request", "st-1", ISSUER)


@pytest.mark.parametrize("changes", PKCE_FAULTS)
def test_06_a_public_client_without_a_challenge_is_refused_at_authorize(native, changes):
    said = answer_of(native.authorize(**native.parameters(**changes)).headers["Location"])
    assert said["error"] == "invalid_request"


def test_07_plain_is_refused_even_where_the_verifier_is_the_challenge(server, native):
    changes = {"code_challenge": native.verifier[:43], "code_challenge_method": "plain"}
    assert answer_of(native.authorize(**native.parameters(**changes)).headers["Location"])["error"] == "invalid_request"
    assert server.http.get("/.well-known/openid-configuration").json()["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize("verifier", [None, "", "x", "x" * 42, "x" * 129, "x" * 42 + "é", "x" * 43 + "\n", "x" * 43])
def test_07_the_verifier_is_asked_of_everybody(server, holder, partner, verifier):
    answer = partner.redeem(holder.code_for(partner), code_verifier=verifier)
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_request", "invalid_grant"}


# ── 8, 9 ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke"])
def test_08_parameters_stand_only_in_the_form_body(server, partner, path):
    form = {**partner.identity(), **partner.parameters(), "grant_type": "refresh_token", "token": "x"}
    assert_refused(server.http.post(f"{path}?{urlencode(form)}"), "invalid_request")
    assert_refused(server.http.post(f"{path}?x=1", data=form), "invalid_request")
    assert_refused(server.http.post(path, json=form), "invalid_request")
    assert_refused(server.http.post(path, files={"grant_type": b"x"}), "invalid_request")


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke"])
@pytest.mark.parametrize(
    "name", ["client_id", "grant_type", "scope", "code", "token", "redirect_uri", "state", "x", ""]
)
def test_09_a_parameter_that_stands_twice_is_refused(server, partner, path, name):
    form = {**partner.identity(), **partner.parameters(), "grant_type": "refresh_token", "token": "x"}
    body = urlencode([*form.items(), (name, form.get(name, "")), (name, "")])
    assert_refused(server.http.post(path, content=body, headers=FORM), "invalid_request")


def test_09_a_parameter_that_stands_twice_is_refused_at_authorize(native):
    for name in ("client_id", "redirect_uri", "state", "code_challenge"):
        parameters = native.parameters()
        answer = native.authorize(**{**parameters, name: [parameters[name], parameters[name]]})
        assert_refused(answer, "invalid_request")


def test_09_two_client_authentications_are_refused(server, relying_party, partner):
    code = {"grant_type": "authorization_code", "code": "x"}
    secret = {"client_id": relying_party.id, "client_secret": relying_party.secret}
    for form, headers in (
        ({**code, **secret}, relying_party.headers()),
        ({**code, **partner.identity()}, relying_party.headers()),
        ({**code, **partner.identity(), **secret}, {}),
    ):
        assert_refused(server.http.post("/oauth/token", data=form, headers=headers), "invalid_request")


def test_09_a_client_uses_the_method_it_was_registered_with(server, relying_party, partner, native):
    form = {"client_id": relying_party.id, "client_secret": relying_party.secret, "token": "x"}
    assert_refused(server.http.post("/oauth/revoke", data=form), "invalid_client", 401)
    for client in (relying_party, partner):
        answer = server.http.post("/oauth/revoke", data={"client_id": client.id, "token": "x"})
        assert_refused(answer, "invalid_client", 401)
    answer = server.http.post("/oauth/revoke", data={**partner.identity(), "client_id": native.id, "token": "x"})
    assert_refused(answer, "invalid_client", 401)


# ── 10 ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "audience", [[ISSUER], f"{ISSUER}/", f"{ISSUER}/oauth/token", f"{ISSUER}/oauth/par", "https://x", None, {}, True]
)
def test_10_the_audience_of_an_assertion_is_the_issuer_as_a_string(partner, audience):
    partner.assertion = lambda made=partner.assertion: made(aud=audience)
    assert_refused(partner.push(), "invalid_client", 401)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"exp": 300}, 201),
        ({"exp": 301}, 401),
        ({"exp": 86400}, 401),
        ({"exp": 1}, 201),
        ({"exp": 0}, 401),
        ({"exp": -1}, 401),
        ({"iat": 10}, 201),
        ({"iat": 11}, 401),
        ({"nbf": 10}, 201),
        ({"nbf": 11}, 401),
        ({"iat": -3600}, 201),
    ],
)
def test_10_an_assertion_ends_within_five_minutes_and_begins_at_most_ten_seconds_ahead(partner, changes, status):
    times = {name: partner.now() + seconds for name, seconds in changes.items()}
    partner.assertion = lambda made=partner.assertion: made(**times)
    assert partner.push().status_code == status


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e30},
        {"exp": [1]},
        {"iat": "now"},
        {"nbf": {}},
        {"iss": "cli_" + "0" * 26},
        {"iss": None},
        {"sub": None},
        {"sub": "cli_" + "0" * 26},
        {"sub": 5},
        {"jti": None},
        {"jti": ""},
        {"jti": 5},
        {"jti": "x" * 257},
    ],
)
def test_10_each_claim_of_an_assertion_has_to_be_right(partner, changes):
    partner.assertion = lambda made=partner.assertion: made(**changes)
    assert_refused(partner.push(), "invalid_client", 401)


def test_10_an_assertion_is_good_once_at_whatever_endpoint(server, partner):
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": partner.assertion()}
    assert server.http.post("/oauth/par", data={**form, **partner.parameters()}).status_code == 201
    assert_refused(server.http.post("/oauth/revoke", data={**form, "token": "x"}), "invalid_client", 401)


# ── 11 ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("http://127.0.0.1/cb", True),
        ("http://127.0.0.1:1/cb", True),
        ("http://127.0.0.1:51004/cb", True),
        ("http://127.0.0.1:65535/cb", True),
        ("http://127.0.0.1:65536/cb", False),
        ("http://127.0.0.1:0/cb", False),
        ("http://127.0.0.1:/cb", False),
        ("http://127.0.0.1:80@evil.example/cb", False),
        ("http://127.0.0.1.evil.example/cb", False),
        ("http://127.0.0.1:51004/cb/more", False),
        ("http://127.0.0.1:51004/cb?x=1", False),
        ("http://127.0.0.1:51004/", False),
        ("http://127.0.0.1:51004/cb#x", False),
        ("https://127.0.0.1:51004/cb", False),
        ("http://localhost:51004/cb", False),
        ("http://[::1]:51004/cb", False),
        ("http://127.0.0.2:51004/cb", False),
        ("", False),
    ],
)
def test_11_a_loopback_redirect_is_taken_on_any_port(native, given, taken):
    answer = native.authorize(**native.parameters(redirect_uri=given))
    if taken:
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/login/for/")
    else:
        assert_refused(answer, "invalid_request")  # nothing goes to an address that is not the client's


def test_11_ports_are_free_on_loopback_alone(server):
    native = make_native(server, redirect_uris=["https://app.example/cb", LOOPBACK], sector="app.example")
    for given, status in (("https://app.example/cb", 303), ("https://app.example:444/cb", 400)):
        assert native.authorize(**native.parameters(redirect_uri=given)).status_code == status


# ── 12 ───────────────────────────────────────────────────────────────────────────────────────────────────────────

BASIC = [
    "Basic",
    "Basic ",
    "Basic %%%",
    "Basic " + b64encode(b"no colon").decode(),
    "Basic " + b64encode(b"\xff\xfe:\xff").decode(),
    "Basic " + b64encode(b"a\x00b:c").decode(),
    "Basic " + b64encode(b":").decode(),
    "Basic " + b64encode(b"cli_" + b"0" * 26 + b":x").decode(),
    "Basic " + b64encode(b"%ff%fe:%ff").decode(),
    "Basic " + "A" * 7000,
    "Bearer abc",
    "DPoP abc",
    "basic",
    ",,,",
]


@pytest.mark.parametrize("header", BASIC)
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke"])
def test_12_a_malformed_basic_header_is_401(server, path, header):
    form = {"grant_type": "authorization_code", "code": "x", "token": "x"}
    answer = server.http.post(path, data=form, headers={b"Authorization": header.encode("latin-1")})
    assert_refused(answer, "invalid_client", 401)
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("name", ["HTTP_AUTHORIZATION", "HTTP_DPOP", "HTTP_COOKIE"])
@pytest.mark.parametrize("value", ["\xe9", "Basic \xe9", "\x00", "a=\xff; \xe9"])
def test_12_headers_that_are_not_ascii_break_nothing(server, name, value):
    browser = Client(server.app)
    for path in ("/oauth/token", "/oauth/par", "/oauth/userinfo", "/oauth/authorize"):
        answer = browser.post(path, data={"grant_type": "refresh_token"}, environ_overrides={name: value})
        assert answer.status_code in {400, 401}


def test_12_a_wrong_secret_and_an_unknown_client_get_one_answer(server, relying_party):
    answers = []
    for name, secret in ((relying_party.id, "wrong"), ("cli_" + "0" * 26, relying_party.secret)):
        header = {"Authorization": "Basic " + b64encode(f"{name}:{secret}".encode()).decode()}
        answers.append(server.http.post("/oauth/revoke", data={"token": "x"}, headers=header))
    assert answers[0].status_code == answers[1].status_code == 401
    assert answers[0].json() == answers[1].json()


# ── 13, 14 ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (299, 200), (300, 401), (864_000, 401)])
def test_13_access_tokens_live_minutes(server, holder, partner, seconds, status):
    tokens = holder.tokens_for(partner)
    claims = claims_of(tokens["access_token"])
    assert claims["exp"] - claims["iat"] == tokens["expires_in"] == 300
    server.clock.step(seconds)
    assert partner.call(tokens["access_token"]).status_code == status


TABLES = [
    oauth_clients, oauth_client_keys, pushed_requests, interactions, authorization_codes, oauth_grants, refresh_tokens,
    revoked_tokens,
]  # fmt: skip


def test_14_nothing_that_opens_anything_stands_in_the_database(server, holder, capsys):
    partner, party, native = make_partner(server), make_relying_party(server), make_native(server, dpop=False)
    pushed = partner.push(state="state-of-the-client").json()["request_uri"]
    browser = partner.authorize(client_id=partner.id, request_uri=pushed)
    code = holder.code_for(partner)
    tokens, plain = partner.redeem(code).json(), holder.tokens_for(native)
    successor = native.refresh(plain["refresh_token"]).json()
    partner.post("/oauth/revoke", {"token": tokens["access_token"]})
    cookie = browser.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    secrets = [
        pushed.rpartition(":")[2], cookie, code, party.secret, partner.verifier, tokens["access_token"],
        tokens["refresh_token"], tokens["id_token"], plain["refresh_token"], successor["refresh_token"],
    ]  # fmt: skip
    assert all(len(secret) >= 43 for secret in secrets)
    with server.database.transaction() as connection:
        kept = str([connection.execute(sa.select(table)).all() for table in TABLES])
        kept += str(connection.execute(sa.text("SELECT * FROM ephemeral")).all())
        kept += str(connection.execute(sa.text("SELECT * FROM audit_entries")).all())
    printed = "".join(capsys.readouterr())
    assert [secret for secret in secrets if secret in kept or secret in printed] == []
    assert "state-of-the-client" not in printed
    assert holder.card not in printed


# ── And what belongs to them ─────────────────────────────────────────────────────────────────────────────────────


def test_a_redirect_address_is_a_must_inside_par(partner):
    assert_refused(partner.push(redirect_uri=None), "invalid_request")
    assert_refused(partner.push(redirect_uri="https://partner.example/other"), "invalid_request")


def test_a_partner_without_par_is_refused_and_nothing_is_sent_anywhere(partner):
    assert_refused(partner.authorize(**partner.parameters()), "invalid_request")


def test_a_request_uri_survives_a_reload_and_is_spent_when_the_authorization_completes(server, holder, partner):
    asked = {"client_id": partner.id, "request_uri": partner.push().json()["request_uri"]}
    first, again = partner.authorize(**asked), partner.authorize(**asked)
    assert first.headers["Location"] == again.headers["Location"]
    server.clock.step(100)
    assert partner.authorize(**asked).headers["Location"] == first.headers["Location"]
    interaction = first.headers["Location"].rpartition("/")[2]
    holder.approve(interaction)
    assert_refused(partner.authorize(**asked), "invalid_request")
    with pytest.raises(LoginRequestOver):
        holder.approve(interaction)


@pytest.mark.parametrize(("seconds", "status"), [(89, 303), (90, 400)])
def test_a_request_uri_dies_where_no_browser_brings_it(server, partner, seconds, status):
    asked = {"client_id": partner.id, "request_uri": partner.push().json()["request_uri"]}
    server.clock.step(seconds)
    assert partner.authorize(**asked).status_code == status


def test_a_request_uri_is_good_for_its_client_alone(server, partner, native):
    pushed, other = partner.push().json()["request_uri"], make_partner(server)
    for client in (other, native):
        assert_refused(client.authorize(client_id=client.id, request_uri=pushed), "invalid_request")


def test_another_browser_has_a_login_request_of_its_own_and_sees_no_other(server, partner):
    asked = {"client_id": partner.id, "request_uri": partner.push().json()["request_uri"]}
    mine = partner.authorize(**asked).headers["Location"]
    server.http.cookies.clear()
    assert partner.authorize(**asked).headers["Location"] != mine
    oauth = server.runtime.oauth.desk
    other = browser_handle(oauth, server.http.cookies["__Host-essc_browser"])
    with server.database.transaction() as connection, pytest.raises(LoginRequestOver):
        get_interaction(oauth, connection, mine.rpartition("/")[2], browser=other)


def test_a_login_request_ends_with_its_ten_minutes(server, holder, partner):
    interaction = partner.begin()
    server.clock.step(timedelta(minutes=10).total_seconds())
    with pytest.raises(LoginRequestOver):
        holder.approve(interaction)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"request": "a.b.c"}, "request_not_supported"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": 'co"de'}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": None}, "invalid_scope_or_request"),
        ({"scope": "openid openid"}, "invalid_scope"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": 'open"id'}, "invalid_scope"),
        ({"scope": "openid\x00"}, "invalid_request"),
        ({"state": "\n"}, "invalid_request"),
        ({"state": "é"}, "invalid_request"),
        ({"state": "x" * 1025}, "invalid_request"),
        ({"nonce": "x" * 257}, "invalid_request"),
        ({"resource": "https://other.example/"}, "invalid_target"),
        ({"dpop_jkt": "x"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "٣"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"acr_values": "L9"}, "unmet_authentication_requirements"),
    ],
)
def test_each_parameter_of_a_request_has_to_be_right(partner, relying_party, changes, error):
    errors = {"invalid_scope", "invalid_request"} if error == "invalid_scope_or_request" else {error}
    pushed = partner.push(**changes)
    assert (pushed.status_code, pushed.json()["error"] in errors) == (400, True), pushed.text
    if "request_uri" not in changes and chr(0) not in "".join(map(str, changes.values())):
        answer = relying_party.authorize(**relying_party.parameters(**changes))
        assert answer_of(answer.headers["Location"])["error"] in errors


def test_prompt_none_cannot_be_met(relying_party):
    answer = relying_party.authorize(**relying_party.parameters(prompt="none"))
    assert answer_of(answer.headers["Location"])["error"] == "login_required"


@pytest.mark.parametrize("client_id", [None, "", "x", "cli_" + "0" * 26, "\x00", 'cli_"'])
def test_an_unknown_client_is_sent_nowhere(native, client_id):
    answer = native.authorize(**native.parameters(client_id=client_id))
    assert_refused(answer, "invalid_request")
    assert "Location" not in answer.headers
