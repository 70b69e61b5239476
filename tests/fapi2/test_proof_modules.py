"""The suite's modules about DPoP proofs: their times, their faults, and codes that are bound to their key."""

import json
from typing import Any

import pytest

from tests.auth.forging import MISSING, decode, encode, jws
from tests.fapi2.walk import (
    Party,
    authorize,
    check_resource,
    code_of,
    in_every_variant,
    refused,
    walk,
)
from tests.oauth.clients_of_tests import Key
from tests.service import ISSUER

HOUR = 3600


@in_every_variant
def test_check_dpop_proof_nbf_exp(holder, party):
    """fapi2-security-profile-final-check-dpop-proof-nbf-exp"""
    party.skew = {"nbf": 0, "exp": 300}
    walk(party, holder)


@in_every_variant
def test_ensure_dpopproof_with_iat_10seconds_before_succeeds(holder, party):
    """fapi2-security-profile-final-ensure-dpopproof-with-iat-10seconds-before-succeeds"""
    party.skew = {"iat": -10}
    walk(party, holder, proven=True)


@in_every_variant
@pytest.mark.parametrize("seconds", [8, 10])
def test_ensure_dpopproof_with_iat_10seconds_after_succeeds(holder, party, seconds):
    """fapi2-security-profile-final-ensure-dpopproof-with-iat-10seconds-after-succeeds"""
    party.skew = {"iat": seconds}  # the suite itself says 10 and sends 8
    walk(party, holder, proven=True)


# ── Codes bound to a key (RFC 9449 section 10) ───────────────────────────────────────────────────────────────────


@in_every_variant
def test_ensure_mismatched_dpop_jkt_fails(party):
    """fapi2-security-profile-final-ensure-mismatched-dpop-jkt-fails"""
    pushed = party.post("/oauth/par", party.request(dpop_jkt=Key().thumbprint), proven=True)
    refused(pushed, "invalid_dpop_proof")


@in_every_variant
def test_ensure_token_endpoint_fails_with_mismatched_dpop_proof_jkt(holder, party):
    """fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt"""
    code = authorize(party, holder, party.request(), proven=True)["code"]
    party.dpop = Key()
    refused(party.redeem(code), "invalid_dpop_proof")


@in_every_variant
def test_ensure_token_endpoint_fails_with_mismatched_dpop_jkt(holder, party):
    """fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-jkt"""
    refused(party.redeem(code_of(party, holder, dpop_jkt=Key().thumbprint)), "invalid_dpop_proof")


@in_every_variant
def test_ensure_dpopproof_at_par_endpoint_binding_success(holder, party):
    """fapi2-security-profile-final-ensure-dpopproof-at-par-endpoint-binding-success"""
    walk(party, holder, proven=True)


@in_every_variant
def test_ensure_dpop_auth_code_binding_success(holder, party):
    """fapi2-security-profile-final-ensure-dpop-auth-code-binding-success"""
    walk(party, holder, proven=True, dpop_jkt=party.dpop.thumbprint)


@in_every_variant
def test_ensure_holder_of_key_required(holder, party):
    """fapi2-security-profile-final-ensure-holder-of-key-required"""
    form = {"grant_type": "authorization_code", "code": code_of(party, holder), "redirect_uri": party.redirect_uri}
    refused(party.post("/oauth/token", form | {"code_verifier": party.verifier}), "invalid_dpop_proof")
    assert party.redeem(form["code"]).status_code == 200


# ── Proofs at the resource ───────────────────────────────────────────────────────────────────────────────────────


def without(name: str) -> dict[str, Any]:
    return {name: MISSING}


FAULTY_HEADERS = [
    without("typ"),
    without("alg"),
    without("jwk"),
    {"typ": "dpop+jwt+wrongyousee"},
    {"alg": "none"},
    {"alg": "RS256"},
]
FAULTY_CLAIMS = [
    without("jti"),
    without("htm"),
    without("htu"),
    without("iat"),
    without("ath"),
    {"htm": "PUT"},
    {"ath": "x" * 43},
]


@in_every_variant
def test_dpop_negative_tests(holder, party):
    """fapi2-security-profile-final-dpop-negative-tests"""
    walked = walk(party, holder)
    token = walked.tokens["access_token"]
    for proof in faulty_proofs(party, token):
        answer = party.ask(token, DPoP=proof)
        assert (answer.status_code, answer.json()["code"]) == (401, "proof_wrong"), (proof, answer.text)
    assert party.ask(token, scheme="Bearer", DPoP="").status_code == 401
    for proof in other_good_proofs(party, token):
        assert party.ask(token, DPoP=proof).status_code == 200
    assert party.ask(token, DPoP="", DPOP=party.proof_for(token)).status_code == 200
    again = [party.proof_for(token, jti="only-this-one") for _ in range(2)]
    assert [party.ask(token, DPoP=proof).status_code for proof in again] == [200, 401]
    check_resource(party, walked.tokens)


def faulty_proofs(party: Party, token: str) -> list[str]:
    address, good = ISSUER + party.resource, party.proof_for(token)
    elsewhere = [{"htu": f"{address}x"}, {"iat": party.now() + HOUR}, {"iat": party.now() - HOUR}]
    return [
        "",
        good.rpartition(".")[0],
        f"{good},{party.proof_for(token)}",
        broken(good),
        unsigned(party, token),
        with_a_private_key(party, token),
        party.proof_for(token, key=Key()),
        *(hand_made(party, token, header=header) for header in FAULTY_HEADERS),
        *(hand_made(party, token, claims=claims) for claims in FAULTY_CLAIMS),
        *(party.proof_for(token, **claims) for claims in elsewhere),
    ]


def other_good_proofs(party: Party, token: str) -> list[str]:
    address = ISSUER + party.resource
    spellings = [
        address,
        f"{address}?all=the#doors",
        address.replace("https://card", "HTTPS://CARD"),
        address.replace("card.example", "card.example:443"),
    ]
    unknown = hand_made(party, token, header={"tx_id": 1}, claims={"tx_id_key": 2})
    return [unknown, *(party.proof_for(token, htu=spelling) for spelling in spellings)]


def hand_made(
    party: Party, token: str, *, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None
) -> str:
    """Sign a proof whose header and claims may lack a part or hold a wrong one."""
    good = party.proof_for(token)
    stated = {"typ": "dpop+jwt", "alg": "ES256", "jwk": party.dpop.jwk} | (header or {})
    return jws(stated, claims_of(good) | (claims or {}), party.dpop.private)


def claims_of(proof: str) -> dict[str, Any]:
    return json.loads(decode(proof.split(".")[1]))


def broken(proof: str) -> str:
    """Flip one bit in the middle of the signature."""
    text, _, signature = proof.rpartition(".")
    raw = bytearray(decode(signature))
    raw[40] ^= 1
    return f"{text}.{encode(bytes(raw))}"


def unsigned(party: Party, token: str) -> str:
    _, claims, _ = party.proof_for(token).split(".")
    return f"{encode(json.dumps({'alg': 'none', 'typ': 'dpop+jwt'}).encode())}.{claims}."


def with_a_private_key(party: Party, token: str) -> str:
    private = party.dpop.private.private_numbers().private_value.to_bytes(32, "big")
    return hand_made(party, token, header={"jwk": {**party.dpop.jwk, "d": encode(private)}})
