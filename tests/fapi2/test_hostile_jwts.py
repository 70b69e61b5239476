"""Assertions and proofs that no library would make, at the PAR and the token endpoint: refused, and never a fault.

``tests/oauth/test_guard.py`` and ``tests/auth/test_proofs.py`` do the same to access tokens and at resources.
"""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.auth.forging import decode, encode, jws, numbered, second_spelling
from tests.fapi2.walk import refused
from tests.oauth.clients_of_tests import ASSERTION_TYPE, Key, OAuthClient, make_partner

EVIL = Key()
DEEP = "[" * 2000 + "]" * 2000


@pytest.fixture
def client(server) -> OAuthClient:
    return make_partner(server)


def claims_of(client: OAuthClient, **changes: Any) -> dict[str, Any]:
    _, claims, _ = client.assertion(**changes).split(".")
    return json.loads(decode(claims))


def pushed_with(client: OAuthClient, assertion: str) -> Any:
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    return client.http.post("/oauth/par", data={**form, **client.parameters()})


# ── Assertions ───────────────────────────────────────────────────────────────────────────────────────────────────

ASKING = [
    {"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"b64": True}, {"crit": None},
]  # fmt: skip


@pytest.mark.parametrize("header", numbered(ASKING))
def test_no_assertion_has_a_header_that_asks_for_something_else(client, header):
    signed = jws({"alg": "ES256", **header}, claims_of(client), client.key.private)
    refused(pushed_with(client, signed), "invalid_client", 401)


POINTING = [
    {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example/cert"}, {"jwk": EVIL.jwk}, {"x5c": ["AAAA"]},
    {"jwk": EVIL.jwk, "kid": "evil"}, {"kid": None}, {"zip": "DEF"},
]  # fmt: skip


@pytest.mark.parametrize("header", numbered(POINTING))
def test_a_key_that_an_assertion_brings_or_points_to_proves_nothing(client, header):
    signed = jws({"alg": "ES256", **header}, claims_of(client), EVIL.private)
    refused(pushed_with(client, signed), "invalid_client", 401)


KIDS = ["../../../etc/passwd", "' OR '1'='1", "%2e%2e%2f", "", "x" * 3000, 1, True, [], {}, ["key"], "\x00", "Ⓚ"]


@pytest.mark.parametrize("kid", numbered(KIDS))
def test_a_kid_is_a_name_and_nothing_else(client, kid):
    signed = jws({"alg": "ES256", "kid": kid}, claims_of(client), client.key.private)
    refused(pushed_with(client, signed), "invalid_client", 401)


def secrets_of(key: Key) -> list[bytes]:
    public = key.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    written = json.dumps(key.jwk).encode()
    return [pem, pem.strip(), point, point[1:], written, key.jwk["x"].encode(), b""]


@pytest.mark.parametrize("algorithm", ["HS256", "HS512", "ES256", "none", "NONE", "nOnE"])
def test_a_public_key_is_no_secret_to_sign_with(client, algorithm):
    for secret in secrets_of(client.key):
        signed = jws({"alg": algorithm}, claims_of(client), secret)
        refused(pushed_with(client, signed), "invalid_client", 401)
    unsigned = jws({"alg": algorithm}, claims_of(client), None)
    refused(pushed_with(client, unsigned), "invalid_client", 401)


@pytest.mark.parametrize("signature", ["zeros", "r alone", "der", "long", "other s with a bit", "empty"])
def test_a_signature_has_one_form(client, signature):
    good = client.assertion()
    text, _, given = good.rpartition(".")
    raw = decode(given)
    forms = {
        "zeros": bytes(64),
        "r alone": raw[:32],
        "der": b"\x30\x44\x02\x20" + raw[:32] + b"\x02\x20" + raw[32:],
        "long": raw + b"\x00",
        "other s with a bit": raw[:63] + bytes([raw[63] ^ 1]),
        "empty": b"",
    }
    refused(pushed_with(client, f"{text}.{encode(forms[signature])}"), "invalid_client", 401)


def test_an_assertion_has_one_spelling(client):
    good = client.assertion()
    others = [f"{good}=", f"{good}==", f"{good}\n", f" {good}", f"{good}.", good.replace(".", "..", 1)]
    for spelling in [second_spelling(good), *others]:
        refused(pushed_with(client, spelling), "invalid_client", 401)
    assert pushed_with(client, good).status_code == 201


def raw_claims(client: OAuthClient, more: str) -> bytes:
    """Write good claims with more text before their end."""
    return json.dumps(claims_of(client))[:-1].encode() + more.encode() + b"}"


READ_TWICE = [
    ', "iss": "cli_other"', ', "aud": "https://card.example"', ', "exp": 9999999999', ', "exp": NaN', ', "x": Infinity',
    f', "x": {DEEP}', f', "x": {"9" * 5000}', ', "x": "\\ud800"', ', "x": "\\u0000"', ', "\\u0069ss": "cli_other"',
]  # fmt: skip


@pytest.mark.parametrize("more", numbered(READ_TWICE))
def test_claims_that_two_readers_could_take_differently_are_refused(client, more):
    signed = jws({"alg": "ES256"}, raw_claims(client, more), client.key.private)
    refused(pushed_with(client, signed), "invalid_client", 401)


NO_OBJECTS = [b"", b"null", b"[]", b'"x"', b"7", b"{", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}"]


@pytest.mark.parametrize("text", numbered(NO_OBJECTS))
def test_claims_that_are_no_object_are_refused(client, text):
    refused(pushed_with(client, jws({"alg": "ES256"}, text, client.key.private)), "invalid_client", 401)
    refused(pushed_with(client, jws(text, claims_of(client), client.key.private)), "invalid_client", 401)


def test_a_huge_assertion_is_refused_before_it_is_read(client):
    refused(pushed_with(client, client.assertion(x="x" * 4096)), "invalid_client", 401)
    refused(pushed_with(client, client.assertion(x="x" * 40_000)), "invalid_request")  # the form is too long


VALUES = [[], {}, [[["x"]]], {"a": {"b": []}}, True, 1e308, 10**400, "", "x" * 257]


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "nbf", "jti"])
@pytest.mark.parametrize("value", numbered(VALUES))
def test_no_kind_of_value_in_a_claim_is_a_fault(client, name, value):
    signed = jws({"alg": "ES256"}, claims_of(client) | {name: value}, client.key.private)
    refused(pushed_with(client, signed), "invalid_client", 401)


def test_a_token_of_one_kind_is_none_of_another(server, holder, client):
    client.dpop = client.key  # a client with one key for everything, which it should not have
    tokens = holder.tokens_for(client)
    proof = client.proof("/oauth/par")
    for text in (tokens["access_token"], tokens["id_token"], tokens["refresh_token"], proof):
        refused(pushed_with(client, text), "invalid_client", 401)
    for text in (tokens["access_token"], tokens["id_token"], client.assertion()):
        refused(client.post("/oauth/par", client.parameters(), DPoP=text), "invalid_dpop_proof")
    for text in (tokens["id_token"], client.assertion(), proof, tokens["refresh_token"]):
        assert client.call(text).status_code == 401
        refused(client.refresh(text) if text != tokens["refresh_token"] else client.redeem(text), "invalid_grant")


# ── Proofs ───────────────────────────────────────────────────────────────────────────────────────────────────────


def proof_with(client: OAuthClient, header: Any, more: str = "", **claims: Any) -> str:
    good = client.proof("/oauth/par")
    stated = json.loads(decode(good.split(".")[1])) | claims
    written = json.dumps(stated)[:-1].encode() + more.encode() + b"}"
    return jws({"typ": "dpop+jwt", "alg": "ES256", "jwk": client.dpop.jwk, **header}, written, client.dpop.private)


PROOFS = [
    ({"crit": ["htm"]}, ""), ({"b64": False}, ""), ({"alg": "HS256"}, ""), ({"alg": "none"}, ""),
    ({"alg": ["ES256"]}, ""), ({"typ": "DPOP+JWT"}, ""), ({"typ": "application/dpop+jwt"}, ""),
    ({"typ": ["dpop+jwt"]}, ""), ({"jwk": [EVIL.jwk]}, ""), ({"jwk": EVIL.jwk["x"]}, ""),
    ({"jwk": {"jwk": EVIL.jwk}}, ""), ({"jwk": EVIL.jwk}, ""), ({"jku": "https://evil.example", "jwk": None}, ""),
    ({"x5c": ["AAAA"], "jwk": None}, ""), ({}, ', "htm": "POST"'), ({}, f', "x": {DEEP}'), ({}, ', "iat": NaN'),
    ({}, ', "x": "\\ud800"'),
]  # fmt: skip


@pytest.mark.parametrize("made", numbered(PROOFS))
def test_no_proof_asks_for_something_else(client, made):
    refused(client.post("/oauth/par", client.parameters(), DPoP=proof_with(client, *made)), "invalid_dpop_proof")


def test_what_a_proof_points_to_is_ignored_where_its_own_key_signed_it(client):
    there = "https://evil.example"
    pointing = proof_with(client, {"jku": there, "x5u": there, "kid": "../x", "zip": "DEF"})
    assert client.post("/oauth/par", client.parameters(), DPoP=pointing).status_code == 201


@pytest.mark.parametrize(
    ("seconds", "taken"),
    [(-61, False), (-60, False), (-59, True), (-10, True), (10, True), (11, False), (60, False), (61, False)],
)
def test_a_proof_lives_a_minute_and_is_made_ten_seconds_ahead_at_most(holder, client, seconds, taken):
    token = holder.tokens_for(client)["access_token"]
    at = client.now() + seconds
    answer = client.post("/oauth/par", client.parameters(), DPoP=client.proof("/oauth/par", iat=at))
    assert answer.status_code == (201 if taken else 400)
    made, client.proof = client.proof, lambda *given, **claims: made(*given, **claims, iat=at)
    assert client.call(token).status_code == (200 if taken else 401)


def test_a_huge_proof_is_refused_before_it_is_read(client):
    for size in (2048, 6000):
        proof = client.proof("/oauth/par", x="x" * size)
        refused(client.post("/oauth/par", client.parameters(), DPoP=proof), "invalid_dpop_proof")
