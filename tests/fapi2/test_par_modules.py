"""The suite's modules about the PAR endpoint: how long a request_uri lasts, whose it is, and who may push."""

import pytest

from auth.oauth.interactions import LoginRequestOver
from tests.fapi2.walk import (
    begun,
    bring,
    check_pushed,
    check_said,
    check_tokens,
    in_every_variant,
    refused,
    shown_as_error,
    walk,
    with_private_key_jwt,
)
from tests.service import ISSUER

# ── request_uri ──────────────────────────────────────────────────────────────────────────────────────────────────


@in_every_variant
def test_par_ensure_reused_request_uri_prior_to_auth_completion_succeeds(holder, party):
    """fapi2-security-profile-final-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds"""
    sent = party.request()
    pushed = check_pushed(party.post("/oauth/par", sent))
    loaded = [bring(party, pushed, sent) for _ in range(2)]
    assert begun(loaded[0]) == begun(loaded[1])
    said = check_said(sent, holder.approve(begun(loaded[1])))
    check_tokens(party, party.redeem(said["code"]), sent)


@in_every_variant
def test_par_attempt_reuse_request_uri(holder, party):
    """fapi2-security-profile-final-par-attempt-reuse-request_uri"""
    sent = party.request()
    pushed = check_pushed(party.post("/oauth/par", sent))
    interaction = begun(bring(party, pushed, sent))
    said = check_said(sent, holder.approve(interaction))
    check_tokens(party, party.redeem(said["code"]), sent)
    shown_as_error(party, bring(party, pushed, sent))
    with pytest.raises(LoginRequestOver):
        holder.approve(interaction)


@in_every_variant
def test_par_attempt_to_use_expired_request_uri(server, party):
    """fapi2-security-profile-final-par-attempt-to-use-expired-request_uri"""
    answer = party.post("/oauth/par", sent := party.request())
    server.clock.step(answer.json()["expires_in"])
    shown_as_error(party, bring(party, check_pushed(answer), sent))


@in_every_variant
def test_par_attempt_to_use_request_uri_for_different_client(pair):
    """fapi2-security-profile-final-par-attempt-to-use-request_uri-for-different-client"""
    first, second = pair
    sent = first.request()
    pushed = check_pushed(first.post("/oauth/par", sent))
    shown_as_error(second, bring(second, pushed, sent))
    begun(bring(first, pushed, sent))


@in_every_variant
def test_par_authorization_request_containing_request_uri_form_param(party):
    """fapi2-security-profile-final-par-authorization-request-containing-request_uri-form-param"""
    mine = check_pushed(party.post("/oauth/par", party.request()))
    for given in (mine, "urn:fdc:suite.example:E2ooXxELkEFSKR90ymYV", "https://suite.example/request", ""):
        answer = party.post("/oauth/par", party.request(request_uri=given))
        if given:
            refused(answer, "invalid_request")
        else:
            check_pushed(answer)  # an empty parameter counts as left out (RFC 6749 section 3.1)


@in_every_variant
def test_par_attempt_invalid_http_method(party):
    """fapi2-security-profile-final-par-attempt-invalid-http-method"""
    form = {**party.identity(), **party.request()}
    for method in ("PUT", "GET", "PATCH", "DELETE"):
        answer = party.http.request(method, "/oauth/par", data=form, headers=party.headers())
        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]


@in_every_variant
def test_par_without_duplicate_parameters(holder, party):
    """fapi2-security-profile-final-par-without-duplicate-parameters"""
    sent = party.request()
    pushed = check_pushed(party.post("/oauth/par", sent))
    said = check_said(sent, holder.approve(begun(party.authorize(client_id=party.id, request_uri=pushed))))
    check_tokens(party, party.redeem(said["code"]), sent)


# ── Assertions at the PAR endpoint ───────────────────────────────────────────────────────────────────────────────


@with_private_key_jwt
def test_par_ensure_jwt_client_assertions_nbf_8_seconds_in_the_future_is_accepted(holder, party):
    """fapi2-security-profile-final-par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted"""
    ahead = {"iat": party.now() + 8, "nbf": party.now() + 8}
    party.assertion = lambda made=party.assertion: made(**ahead)
    walk(party, holder)


@with_private_key_jwt
def test_par_ensure_jwt_client_assertions_nbf_over_60_seconds_in_the_future_fails(party):
    """fapi2-security-profile-final-par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails"""
    ahead = {"iat": party.now() + 62, "nbf": party.now() + 62, "exp": party.now() + 122}
    party.assertion = lambda made=party.assertion: made(**ahead)
    refused(party.post("/oauth/par", party.request()), "invalid_client", 401)


@with_private_key_jwt
def test_par_test_array_as_audience_fails(party):
    """fapi2-security-profile-final-par-test-array-as-audience-fails"""
    for audience in ([ISSUER, f"{ISSUER}/oauth/token"], [ISSUER]):
        refused(pushed_with_audience(party, audience), "invalid_client", 401)


@with_private_key_jwt
def test_par_test_par_endpoint_url_as_audience_fails(party):
    """fapi2-security-profile-final-par-test-par-endpoint-url-as-audience-fails"""
    refused(pushed_with_audience(party, f"{ISSUER}/oauth/par"), "invalid_client", 401)


@with_private_key_jwt
def test_par_test_token_endpoint_url_as_audience_fails(party):
    """fapi2-security-profile-final-par-test-token-endpoint-url-as-audience-fails"""
    refused(pushed_with_audience(party, f"{ISSUER}/oauth/token"), "invalid_client", 401)


def pushed_with_audience(party, audience):
    form = party.identity() | {"client_assertion": party.assertion(aud=audience)}
    return party.http.post("/oauth/par", data={**form, **party.request()})
