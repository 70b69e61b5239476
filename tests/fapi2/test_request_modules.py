"""The suite's modules about authorization requests: what stands beside a pushed one, and what is refused.

Where the suite takes an error at the PAR endpoint, an error page or an error sent to the client, the tests say which of
them it is here: what is wrong with a request is found when it is pushed.
"""

import secrets

import pytest

from tests.fapi2.walk import (
    begun,
    bring,
    check_pushed,
    check_said,
    check_tokens,
    code_of,
    in_every_variant,
    refused,
    shown_as_error,
    verified,
    walk,
    with_openid_connect,
)
from tests.oauth.clients_of_tests import answer_of

# ── Beside a pushed request ──────────────────────────────────────────────────────────────────────────────────────


@with_openid_connect
def test_ensure_different_nonce_inside_and_outside_request_object(server, holder, party):
    """fapi2-security-profile-final-ensure-different-nonce-inside-and-outside-request-object"""
    sent = party.request()
    answer = bring(party, check_pushed(party.post("/oauth/par", sent)), sent, nonce="another")
    said = check_said(sent, holder.approve(begun(answer)))
    tokens = check_tokens(party, party.redeem(said["code"]), sent)
    assert verified(server, tokens["id_token"])["nonce"] == sent["nonce"] != "another"


@in_every_variant
def test_ensure_different_state_inside_and_outside_request_object(holder, party):
    """fapi2-security-profile-final-ensure-different-state-inside-and-outside-request-object"""
    sent = party.request()
    answer = bring(party, check_pushed(party.post("/oauth/par", sent)), sent, state="another")
    said = check_said(sent, holder.approve(begun(answer)))
    assert said["state"] == sent["state"] != "another"


@in_every_variant
def test_state_only_outside_request_object_not_used(holder, party):
    """fapi2-security-profile-final-state-only-outside-request-object-not-used"""
    sent = party.request(state=None)
    answer = bring(party, check_pushed(party.post("/oauth/par", sent)), sent, state="outside")
    said = check_said(sent, holder.approve(begun(answer)))
    assert "state" not in said
    check_tokens(party, party.redeem(said["code"]), sent)


# ── Lengths ──────────────────────────────────────────────────────────────────────────────────────────────────────


@with_openid_connect
def test_ensure_authorization_request_with_long_nonce(party):
    """fapi2-security-profile-final-ensure-authorization-request-with-long-nonce"""
    refused(party.post("/oauth/par", party.request(nonce=secrets.token_hex(192))), "invalid_request")


@in_every_variant
def test_ensure_authorization_request_with_long_state(holder, party):
    """fapi2-security-profile-final-ensure-authorization-request-with-long-state"""
    state = secrets.token_hex(500)
    assert walk(party, holder, state=state).said["state"] == state


# ── Redirect addresses ───────────────────────────────────────────────────────────────────────────────────────────


@in_every_variant
def test_ensure_request_object_without_redirect_uri_fails(party):
    """fapi2-security-profile-final-ensure-request-object-without-redirect-uri-fails"""
    refused(party.post("/oauth/par", party.request(redirect_uri=None)), "invalid_request")


@in_every_variant
def test_ensure_redirect_uri_in_authorization_request(pair):
    """fapi2-security-profile-final-ensure-redirect-uri-in-authorization-request"""
    for party in pair:
        sent = party.request(redirect_uri=None)
        refused(party.post("/oauth/par", sent), "invalid_request")
        beside = sent | {"redirect_uri": party.redirect_uri}
        shown_as_error(party, bring(party, "urn:ietf:params:oauth:request_uri:" + "x" * 43, beside))


@in_every_variant
def test_ensure_registered_redirect_uri(party):
    """fapi2-security-profile-final-ensure-registered-redirect-uri"""
    refused(party.post("/oauth/par", party.request(redirect_uri=f"{party.redirect_uri}/nEvErSeEn")), "invalid_request")


@in_every_variant
@pytest.mark.parametrize("ending", ["/nEvErSeEn", "?x=1", "/", "#x", "%2f"])
def test_plain_fapi_tolerate_unregistered_redirect_uri(party, ending):
    """fapi2-security-profile-final-plain-fapi-tolerate-unregistered-redirect-uri"""
    pushed = party.post("/oauth/par", party.request(redirect_uri=party.redirect_uri + ending))
    refused(pushed, "invalid_request")  # RFC 9126 section 2.4 would let it pass; here addresses are registered


# ── Not a pushed code request ────────────────────────────────────────────────────────────────────────────────────


@in_every_variant
def test_ensure_unsigned_authorization_request_without_using_par_fails(party):
    """fapi2-security-profile-final-ensure-unsigned-authorization-request-without-using-par-fails"""
    shown_as_error(party, party.authorize(**party.request()))


@in_every_variant
def test_ensure_response_type_code_idtoken_fails(party):
    """fapi2-security-profile-final-ensure-response-type-code-idtoken-fails"""
    pushed = party.post("/oauth/par", party.request(response_type="code id_token"))
    refused(pushed, "unsupported_response_type")


@in_every_variant
def test_ensure_response_type_token_fails(party):
    """fapi2-security-profile-final-ensure-response-type-token-fails"""
    refused(party.post("/oauth/par", party.request(response_type="token")), "unsupported_response_type")


# ── PKCE (RFC 7636) ──────────────────────────────────────────────────────────────────────────────────────────────


@in_every_variant
def test_par_ensure_pkce_required(party):
    """fapi2-security-profile-final-par-ensure-pkce-required"""
    sent = party.request(code_challenge=None, code_challenge_method=None)
    refused(party.post("/oauth/par", sent), "invalid_request")


@in_every_variant
def test_par_plain_pkce_rejected(party):
    """fapi2-security-profile-final-par-plain-pkce-rejected"""
    plain = {"code_challenge": party.verifier, "code_challenge_method": "plain"}
    refused(party.post("/oauth/par", party.request(**plain)), "invalid_request")


@in_every_variant
def test_ensure_pkce_code_verifier_required(holder, party):
    """fapi2-security-profile-final-ensure-pkce-code-verifier-required"""
    refused(party.redeem(code_of(party, holder), code_verifier=None), "invalid_grant")


@in_every_variant
def test_incorrect_pkce_code_verifier_rejected(holder, party):
    """fapi2-security-profile-final-incorrect-pkce-code-verifier-rejected"""
    refused(party.redeem(code_of(party, holder), code_verifier=secrets.token_urlsafe(48)), "invalid_grant")


# ── Open Banking UK ──────────────────────────────────────────────────────────────────────────────────────────────


@with_openid_connect
def test_ensure_server_handles_non_matching_intent_id_knows_no_intents(server, holder, pair):
    """fapi2-security-profile-final-ensure-server-handles-non-matching-intent-id"""
    intent = '{"id_token": {"openbanking_intent_id": {"value": "of the other client", "essential": true}}}'
    walked = walk(pair[1], holder, claims=intent)
    assert "openbanking_intent_id" not in verified(server, walked.tokens["id_token"])


@with_openid_connect
def test_test_essential_acr_sca_claim_asks_for_levels_by_acr_values(server, holder, party):
    """fapi2-security-profile-final-test-essential-acr-sca-claim"""
    claims = '{"id_token": {"acr": {"values": ["urn:openbanking:psd2:sca"], "essential": true}}}'
    assert verified(server, walk(party, holder, claims=claims).tokens["id_token"])["acr"] == "L3"
    refused(
        party.post("/oauth/par", party.request(acr_values="urn:openbanking:psd2:sca")),
        "unmet_authentication_requirements",
    )
    assert verified(server, walk(party, holder, acr_values="L3").tokens["id_token"])["acr"] == "L3"
    pushed = check_pushed(party.post("/oauth/par", sent := party.request(acr_values="L3")))
    said = answer_of(holder.approve(begun(bring(party, pushed, sent)), acr="L2"))
    assert (said["error"], said["state"]) == ("unmet_authentication_requirements", sent["state"])
