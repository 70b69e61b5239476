"""The suite's well-behaved clients: what the server says of itself, and whole ways to a resource."""

import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.fapi2.walk import (
    Party,
    begun,
    bring,
    check_pushed,
    check_resource,
    check_said,
    check_tokens,
    in_every_variant,
    verified,
    walk,
    with_openid_connect,
)
from tests.oauth.clients_of_tests import answer_of
from tests.service import ISSUER

ALLOWED = {"PS256", "ES256", "EdDSA", "Ed25519"}
DOCUMENTS = {True: "/.well-known/openid-configuration", False: "/.well-known/oauth-authorization-server"}


@in_every_variant
def test_discovery_end_point_verification(server, variant):
    """fapi2-security-profile-final-discovery-end-point-verification"""
    said = server.http.get(DOCUMENTS[variant.openid]).json()
    assert said["issuer"] == ISSUER
    assert said["response_types_supported"] == ["code"]
    assert said["authorization_response_iss_parameter_supported"] is True
    assert said["require_pushed_authorization_requests"] is False  # partners push, other profiles need not
    assert "authorization_code" in said["grant_types_supported"]
    assert {"private_key_jwt", "tls_client_auth"} <= set(said["token_endpoint_auth_methods_supported"])
    assert ALLOWED & set(said["token_endpoint_auth_signing_alg_values_supported"])
    assert said["dpop_signing_alg_values_supported"] == ["ES256"]
    assert said["id_token_signing_alg_values_supported"] == ["ES256"]
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert "openid" in said["scopes_supported"]
    assert said["subject_types_supported"] == ["pairwise"]
    assert said["ui_locales_supported"] == ["zh-CN", "en"]
    named = [value for name, value in said.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(named) >= 7
    assert all(address.startswith(f"{ISSUER}/") for address in named)


@in_every_variant
def test_happy_flow(server, holder, pair):
    """fapi2-security-profile-final-happy-flow"""
    first, second = pair
    keys = server.http.get("/oauth/jwks").json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys)
    walked = walk(first, holder)
    look_further_at_the_resource(first, walked.tokens)
    nonce = secrets.token_urlsafe(32) if second.openid else None  # 43 characters
    sent = second.request(state=secrets.token_hex(64), nonce=nonce, dpop_jkt=second.dpop.thumbprint)
    pushed = check_pushed(second.post("/oauth/par", sent))
    turned = dict(reversed({"client_id": second.id, "request_uri": pushed, **sent}.items()))
    said = check_said(sent, holder.approve(begun(second.authorize(**turned))))
    tokens = check_tokens(second, second.redeem(said["code"]), sent)
    check_resource(second, tokens)
    with_the_other_s_key = first.ask(tokens["access_token"])
    assert with_the_other_s_key.status_code == 401, with_the_other_s_key.text


def look_further_at_the_resource(party: Party, tokens: dict) -> None:
    token = tokens["access_token"]
    in_the_query = party.http.get(f"{party.resource}?{urlencode({'access_token': token})}")
    assert in_the_query.status_code == 401
    proven = party.http.get(
        f"{party.resource}?{urlencode({'access_token': token})}", headers={"DPoP": party.proof_for(token)}
    )
    assert proven.status_code == 401
    from_elsewhere = {"x-fapi-customer-ip-address": "2001:DB8::1893:25c8:1946"}
    for accepted in ("application/json;charset=UTF-8", "application/json, application/*+json, */*"):
        check_resource(party, tokens, **from_elsewhere, Accept=accepted, **{"Accept-Charset": "utf-8"})


@in_every_variant
def test_user_rejects_authentication(holder, pair):
    """fapi2-security-profile-final-user-rejects-authentication"""
    for party in pair:
        sent = party.request(state=secrets.token_hex(64))
        pushed = check_pushed(party.post("/oauth/par", sent))
        location = holder.deny(begun(bring(party, pushed, sent)))
        assert location.startswith(party.redirect_uri)
        own = dict(parse_qsl(urlsplit(party.redirect_uri).query))
        said = answer_of(location)
        assert said.pop("error_description")
        assert said == {**own, "error": "access_denied", "state": sent["state"], "iss": ISSUER}


@in_every_variant
def test_ensure_authorization_request_without_state_success(holder, party):
    """fapi2-security-profile-final-ensure-authorization-request-without-state-success"""
    assert "state" not in walk(party, holder, state=None).said


@with_openid_connect
def test_ensure_authorization_request_without_nonce_success(server, holder, party):
    """fapi2-security-profile-final-ensure-authorization-request-without-nonce-success"""
    walked = walk(party, holder, nonce=None)
    assert "nonce" not in verified(server, walked.tokens["id_token"])


@with_openid_connect
def test_ensure_authorization_request_with_64_char_nonce_success(server, holder, party):
    """fapi2-security-profile-final-ensure-authorization-request-with-64-char-nonce-success"""
    nonce = secrets.token_hex(32)
    walked = walk(party, holder, nonce=nonce)
    assert verified(server, walked.tokens["id_token"])["nonce"] == nonce


@with_openid_connect
def test_ensure_other_scope_order_succeeds(holder, party):
    """fapi2-security-profile-final-ensure-other-scope-order-succeeds"""
    turned = " ".join(reversed(party.scope.split()))
    assert turned != party.scope
    assert set(walk(party, holder, scope=turned).tokens["scope"].split()) == set(party.scope.split())


@with_openid_connect
def test_test_claims_parameter_identity_claims_finds_no_claims_parameter(server, holder, party):
    """fapi2-security-profile-final-test-claims-parameter-identity-claims"""
    said = server.http.get(DOCUMENTS[True]).json()
    assert said["claims_parameter_supported"] is False  # here the suite ends the module
    asked = '{"id_token": {"name": {"essential": true}, "birthdate": null}, "userinfo": {"name": null}}'
    walk(party, holder, claims=asked)  # and looks at every claim of the ID token


@in_every_variant
def test_access_token_type_header_case_sensitivity(holder, party):
    """fapi2-security-profile-final-access-token-type-header-case-sensitivity"""
    token = walk(party, holder).tokens["access_token"]
    for scheme in ("dPoP", "dpop", "DPOP"):
        assert party.ask(token, scheme=scheme).status_code == 200
    assert party.ask(token, scheme="Bearer").status_code == 401
