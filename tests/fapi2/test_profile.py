"""What the FAPI 2.0 Security Profile asks for (sections 5.2 to 5.4) and neither the suite nor tests/oauth looks at."""

import jwt
import pytest

from auth.oauth.profiles import INTERACTION_SECONDS
from core.errors import Malformed
from tests.fapi2.walk import (
    begun,
    bring,
    check_pushed,
    entropy,
    in_every_variant,
    refused,
    shown_as_error,
    walk,
)
from tests.oauth.clients_of_tests import answer_of, make_client, make_partner

PROFILE_ALGORITHMS = {"ES256", "PS256", "EdDSA", "Ed25519"}
PASSWORD = {"username": "110101199003070000", "password": "x", "scope": "openid"}

# ── 5.2 Network ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/par", "/oauth/introspect"])
def test_no_script_of_another_site_reads_what_partners_or_browsers_are_answered(server, method, path):
    asked = {"Origin": "https://suite.example", "Access-Control-Request-Method": "POST"}
    answer = server.http.request(method, path, headers=asked)
    assert [name for name in answer.headers if name.lower().startswith("access-control-")] == []


# ── 5.3.2.1 General ──────────────────────────────────────────────────────────────────────────────────────────────


@in_every_variant
@pytest.mark.parametrize("grant", ["password", "client_credentials", "implicit", "", None])
def test_no_grant_but_those_of_the_metadata_is_taken(server, party, grant):
    form = {**PASSWORD, **({} if grant is None else {"grant_type": grant})}
    answer = party.post("/oauth/token", form, proven=True)
    assert answer.status_code == 400
    assert answer.json()["error"] in {"unsupported_grant_type", "invalid_request"}
    assert grant not in server.http.get("/.well-known/oauth-authorization-server").json()["grant_types_supported"]


@pytest.mark.parametrize("way", ["none", "client_secret_basic", "client_secret_post"])
def test_a_partner_proves_itself_by_a_key_or_a_certificate(server, way):
    with pytest.raises(Malformed):
        make_client(server, "partner", way)


def test_a_partner_s_tokens_are_always_bound(server):
    with pytest.raises(Malformed):
        make_partner(server, dpop=False)


@in_every_variant
def test_a_token_is_for_no_more_than_was_asked_for(server, holder, party):
    asked = "openid" if party.openid else "card.read"
    tokens = tokens_for(party, holder, scope=asked)
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert (tokens["scope"], claims["scope"]) == (asked, asked)
    assert "refresh_token" not in tokens


def tokens_for(party, holder, **changes):
    sent = party.request(**changes)
    pushed = check_pushed(party.post("/oauth/par", sent))
    answer = party.redeem(answer_of(holder.approve(begun(bring(party, pushed, sent))))["code"])
    assert answer.status_code == 200, answer.text
    return answer.json()


# ── 5.3.2.2 Authorization endpoint flows ─────────────────────────────────────────────────────────────────────────


@in_every_variant
def test_a_request_is_not_pushed_without_client_authentication(party):
    for form in (party.request(), party.request(client_id=None)):
        refused(party.http.post("/oauth/par", data=form), "invalid_client", 401)


@pytest.mark.parametrize("address", ["http://suite.example/cb", "http://127.0.0.1/cb", "suite:/cb", "https://a@b/cb"])
def test_a_partner_s_answers_go_over_https_alone(server, address):
    with pytest.raises(Malformed):
        make_partner(server, redirect_uris=[address])


@in_every_variant
def test_errors_that_go_back_say_who_sends_them_and_leave_by_303(holder, party):
    sent = party.request(prompt="none")
    answer = bring(party, check_pushed(party.post("/oauth/par", sent)), sent)
    assert answer.status_code == 303
    said = answer_of(answer.headers["Location"])
    assert (said["error"], said["state"]) == ("login_required", sent["state"])
    assert said["iss"] == "https://card.example"


@in_every_variant
def test_a_request_uri_that_was_brought_in_time_lives_as_long_as_its_login_request(server, holder, party):
    sent = party.request()
    pushed = check_pushed(party.post("/oauth/par", sent))
    interaction = begun(bring(party, pushed, sent))
    server.clock.step(INTERACTION_SECONDS - 1)
    assert begun(bring(party, pushed, sent)) == interaction
    server.clock.step(1)
    shown_as_error(party, bring(party, pushed, sent))


# ── 5.4 Cryptography ─────────────────────────────────────────────────────────────────────────────────────────────


@in_every_variant
def test_codes_and_tokens_are_never_twice_the_same(holder, party):
    walks = [walk(party, holder) for _ in range(3)]
    secrets = [(one.said["code"], one.tokens["access_token"], one.tokens["refresh_token"]) for one in walks]
    assert len({secret for three in secrets for secret in three}) == 9
    assert min(entropy(code) for code, _, _ in secrets) > 128


def test_the_published_keys_have_names_of_their_own_and_their_tokens_name_no_address(server, holder):
    keys = server.http.get("/oauth/jwks").json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys)
    tokens = holder.tokens_for(make_partner(server))
    for name in ("access_token", "id_token"):
        assert {"jku", "x5u", "jwk", "x5c"} & set(jwt.get_unverified_header(tokens[name])) == set()


def test_sm2_is_taken_beside_the_profile_s_algorithms_which_is_not_met(server, holder):
    said = server.http.get("/.well-known/oauth-authorization-server").json()
    assert set(said["token_endpoint_auth_signing_alg_values_supported"]) == {*PROFILE_ALGORITHMS, "SGD_SM3_SM2"}
    assert set(said["dpop_signing_alg_values_supported"]) <= PROFILE_ALGORITHMS
    assert set(said["id_token_signing_alg_values_supported"]) <= PROFILE_ALGORITHMS
    assert holder.tokens_for(make_partner(server, "SGD_SM3_SM2"))["token_type"] == "DPoP"
