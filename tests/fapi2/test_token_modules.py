"""The suite's modules about the token endpoint: who comes with a code or a refresh token, and how often."""

from tests.fapi2.walk import (
    Party,
    Walked,
    code_of,
    in_every_variant,
    make_pair,
    refused,
    walk,
    with_private_key_jwt,
)
from tests.oauth.clients_of_tests import ASSERTION_TYPE, Key

# ── Whose code it is ─────────────────────────────────────────────────────────────────────────────────────────────


@in_every_variant
def test_ensure_client_id_in_token_endpoint(holder, pair):
    """fapi2-security-profile-final-ensure-client-id-in-token-endpoint"""
    first, second = pair
    form = {"grant_type": "authorization_code", "code": code_of(first, holder), "redirect_uri": first.redirect_uri}
    form |= {"code_verifier": first.verifier, "client_id": second.id, **as_the_second_would(first, second)}
    headers = first.headers() | {"DPoP": first.proof("/oauth/token")}
    refused(first.http.post("/oauth/token", data=form, headers=headers), "invalid_client", 401)


def as_the_second_would(first: Party, second: Party) -> dict[str, str]:
    """Name the second client, with the first one's key or certificate."""
    if first.certificate:
        return {}
    assertion = first.assertion(iss=second.id, sub=second.id)
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}


@in_every_variant
def test_ensure_authorization_code_is_bound_to_client(holder, pair):
    """fapi2-security-profile-final-ensure-authorization-code-is-bound-to-client"""
    first, second = pair
    code, second.verifier = code_of(first, holder), first.verifier
    for redirect in (first.redirect_uri, second.redirect_uri):
        refused(second.redeem(code, redirect_uri=redirect), "invalid_grant")
    assert first.redeem(code).status_code == 200


# ── How often and how long ───────────────────────────────────────────────────────────────────────────────────────


@in_every_variant
def test_attempt_reuse_authorization_code_after_one_second(server, holder, party):
    """fapi2-security-profile-final-attempt-reuse-authorization-code-after-one-second"""
    walked = walk(party, holder)
    server.clock.step(1)
    refused(party.redeem(walked.said["code"]), "invalid_grant")
    assert party.ask(walked.tokens["access_token"]).status_code == 401
    refused(party.refresh(walked.tokens["refresh_token"]), "invalid_grant")


@in_every_variant
def test_ensure_token_endpoint_fails_with_expired_auth_code(server, holder, party):
    """fapi2-security-profile-final-ensure-token-endpoint-fails-with-expired-auth-code"""
    code = code_of(party, holder)
    server.clock.step(62)
    refused(party.redeem(code), "invalid_grant")


# ── Assertions at the token endpoint ─────────────────────────────────────────────────────────────────────────────


@with_private_key_jwt
def test_ensure_signed_client_assertion_with_rs256_fails(server, holder, proxy, variant):
    """fapi2-security-profile-final-ensure-signed-client-assertion-with-RS256-fails"""
    party, _ = make_pair(server, proxy, variant, algorithm="PS256")
    walk(party, holder)
    code, party.key.algorithm = code_of(party, holder), "RS256"
    refused(party.redeem(code), "invalid_client", 401)


@with_private_key_jwt
def test_ensure_client_assertion_in_token_endpoint(holder, party):
    """fapi2-security-profile-final-ensure-client-assertion-in-token-endpoint"""
    code = code_of(party, holder)
    party.identity = lambda: {"client_id": party.id}
    refused(party.redeem(code), "invalid_client", 401)


@with_private_key_jwt
def test_ensure_client_assertion_with_exp_is_5_minutes_in_past_fails(holder, party):
    """fapi2-security-profile-final-ensure-client-assertion-with-exp-is-5-minutes-in-past-fails"""
    refused(redeemed_with(party, holder, exp=party.now() - 300), "invalid_client", 401)


@with_private_key_jwt
def test_ensure_client_assertion_with_wrong_aud_fails(holder, party):
    """fapi2-security-profile-final-ensure-client-assertion-with-wrong-aud-fails"""
    refused(redeemed_with(party, holder, aud="https://other.example/api/userinfo"), "invalid_client", 401)


@with_private_key_jwt
def test_ensure_client_assertion_with_no_sub_fails(holder, party):
    """fapi2-security-profile-final-ensure-client-assertion-with-no-sub-fails"""
    refused(redeemed_with(party, holder, sub=None), "invalid_client", 401)


def redeemed_with(party, holder, **claims):
    """Redeem a good code with an assertion of which one claim is another."""
    code, made = code_of(party, holder), party.assertion
    party.assertion = lambda: made(**claims)
    answer = party.redeem(code)
    party.assertion = made
    assert party.redeem(code).status_code == 200  # nothing but the assertion was wrong, and the code was not spent
    return answer


# ── Refresh tokens ───────────────────────────────────────────────────────────────────────────────────────────────


@in_every_variant
def test_refresh_token(server, holder, pair):
    """fapi2-security-profile-final-refresh-token"""
    first, second = pair
    walked = [walk(party, holder, prompt="consent") for party in pair]
    for party, one in zip(pair, walked, strict=True):
        server.clock.step(1)
        check_refreshed(party, one, scope=one.sent["scope"] if party is first else None)
    token = walked[0].tokens["refresh_token"]
    refused_without_identity(first, token)
    form = {"grant_type": "refresh_token", "refresh_token": token}
    refused(first.post("/oauth/token", form), "invalid_dpop_proof")
    assert first.ask(walked[1].tokens["access_token"]).status_code == 401
    refused(first.refresh(walked[1].tokens["refresh_token"]), "invalid_grant")
    assert second.refresh(walked[1].tokens["refresh_token"]).status_code == 200


def check_refreshed(party: Party, walked: Walked, *, scope: str | None) -> None:
    """Refresh under a new key; the refresh token stays as it is, and no new ID token comes."""
    party.dpop, token = Key(), walked.tokens["refresh_token"]
    answer = party.refresh(token, **({"scope": scope} if scope else {}))
    assert answer.status_code == 200, answer.text
    assert "no-store" in answer.headers["Cache-Control"]
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("DPoP", 300)
    assert body["access_token"] != walked.tokens["access_token"]
    assert {"refresh_token", "id_token"} & set(body) == set()
    assert party.ask(body["access_token"]).status_code == 200


def refused_without_identity(party: Party, token: str) -> None:
    """Come with the token and a good proof, but without assertion or certificate."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    for named in ({}, {"client_id": party.id}):
        headers = {"DPoP": party.proof("/oauth/token")}
        refused(party.http.post("/oauth/token", data=form | named, headers=headers), "invalid_client", 401)
