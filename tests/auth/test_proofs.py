"""DPoP proofs: each part wrong in turn (RFC 9449 section 4.3; C3 of the threat model)."""

import json
import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import ProofWrong
from auth.proofs import PROOF_LIMIT, DeviceProof, ProvenRequest, spent_key, thumbprint, verify_proof
from tests.auth.forging import MISSING, encode, jwk_of, jws, numbered, other_s, second_spelling, sha256
from tests.service import ISSUER, START

KEY = ec.generate_private_key(ec.SECP256R1())
JWK = jwk_of(KEY)
NOW = int(START.timestamp())
BODY = b'{"session":"ts_1"}'
TOKEN = "an.access.token"
REQUEST = ProvenRequest("POST", f"{ISSUER}/v1/enrollments", body=BODY, access_token=TOKEN)
HEADER = {"typ": "dpop+jwt", "alg": "ES256", "jwk": JWK}
CLAIMS: dict[str, Any] = {
    "htm": "POST",
    "htu": f"{ISSUER}/v1/enrollments",
    "iat": NOW,
    "jti": "0123456789abcdef",
    "digest": sha256(BODY),
    "ath": sha256(TOKEN.encode()),
}
GOOD = jws(HEADER, CLAIMS, KEY)


def proof(key: Any = KEY, header: Any = None, **claims: Any) -> str:
    return jws(HEADER | (header or {}), CLAIMS | claims, key)


@pytest.fixture
def verify(still_service):
    return lambda given: verify_proof(still_service.runtime.ground, given, REQUEST)


def refused(verify: Any, given: str | None) -> str:
    with pytest.raises(ProofWrong) as refusal:
        verify(given)
    assert "abcdef" not in (refusal.value.detail or "")
    return refusal.value.detail or ""


def test_a_good_proof_gives_the_key_and_its_thumbprint(verify):
    found = verify(GOOD)
    assert (found.public_jwk, found.jti, found.text) == (JWK, CLAIMS["jti"], GOOD)
    canonical = json.dumps({name: JWK[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    assert found.thumbprint == sha256(canonical.encode()) == thumbprint(JWK)


def test_the_thumbprint_is_that_of_rfc_7638():
    # the P-256 key of RFC 7515 appendix A.3; the thumbprint is joserfc's, which shares no code with this service
    known = {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
    assert thumbprint(known) == "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"


# ── Header ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "typ", numbered([MISSING, None, "JWT", "at+jwt", "DPOP+JWT", "application/dpop+jwt", ["dpop+jwt"], ""])
)
def test_typ_is_dpop_jwt(verify, typ):
    refused(verify, proof(header={"typ": typ}))


@pytest.mark.parametrize(
    "alg",
    numbered([MISSING, None, "none", "None", "es256", "ES384", "ES256K", "HS256", "RS256", "EdDSA", ["ES256"], 256]),
)
def test_the_algorithm_is_es256_whatever_the_signature(verify, alg):
    refused(verify, proof(header={"alg": alg}))
    refused(verify, proof(None, header={"alg": alg}))


def test_a_public_key_is_no_secret_of_hs256(verify):
    for secret in (JWK["x"].encode(), json.dumps(JWK).encode(), b""):
        refused(verify, proof(secret, header={"alg": "HS256"}))
        refused(verify, proof(secret, header={"alg": "HS256", "jwk": {"kty": "oct", "k": encode(secret)}}))


def test_rsa_and_larger_curves_are_refused_though_their_signatures_are_right(verify):
    rsa_key = rsa.generate_private_key(65537, 2048)
    n, e = rsa_key.public_key().public_numbers().n, rsa_key.public_key().public_numbers().e
    rsa_jwk = {"kty": "RSA", "n": encode(n.to_bytes(256, "big")), "e": encode(e.to_bytes(3, "big"))}
    refused(verify, proof(rsa_key, header={"alg": "RS256", "jwk": rsa_jwk}))
    large = ec.generate_private_key(ec.SECP384R1())
    refused(verify, proof(large, header={"alg": "ES384", "jwk": jwk_of(large, "P-384")}))


@pytest.mark.parametrize(
    "changes",
    numbered(
        [
            {"d": encode(bytes(32))},
            {"kty": "OKP"},
            {"kty": MISSING},
            {"crv": "P-384"},
            {"crv": "secp256k1"},
            {"crv": MISSING},
            {"crv": ["P-256"]},
            {"x": MISSING},
            {"y": MISSING},
            {"x": 5},
            {"y": None},
            {"x": ""},
            {"x": JWK["x"] + "="},
            {"x": JWK["x"] + "A"},
            {"x": JWK["x"][:-1]},
            {"x": second_spelling(JWK["x"])},
            {"y": second_spelling(JWK["y"])},
            {"x": JWK["x"][:-1] + "+"},
            {"x": JWK["x"][:-1] + "\n"},
            {"y": JWK["x"]},  # off the curve
            {"x": encode(b"\xff" * 32)},  # not below p
            {"x": encode(bytes(32)), "y": encode(bytes(32))},  # no point at all
            jwk_of(ec.generate_private_key(ec.SECP256R1())),  # a good key, but not the one that signed
        ]
    ),
)
def test_the_key_is_a_public_p256_key_in_its_one_spelling(verify, changes):
    jwk = {name: value for name, value in (JWK | changes).items() if value is not MISSING}
    refused(verify, proof(header={"jwk": jwk}))


@pytest.mark.parametrize("jwk", numbered([MISSING, None, "key", [], [JWK], 5]))
def test_the_key_is_an_object(verify, jwk):
    refused(verify, proof(header={"jwk": jwk}))


@pytest.mark.parametrize(
    "more", numbered([{"crit": ["exp"]}, {"crit": []}, {"crit": None}, {"crit": ["b64"], "b64": False}, {"b64": False}])
)
def test_nothing_is_critical_in_a_proof(verify, more):
    refused(verify, proof(header=more))


# ── Claims ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("htm", numbered([MISSING, None, "GET", "post", "POST ", ["POST"], ""]))
def test_htm_is_the_method(verify, htm):
    refused(verify, proof(htm=htm))


@pytest.mark.parametrize(
    "htu",
    numbered(
        [
            f"{ISSUER}:443/v1/enrollments",
            "https://CARD.example/v1/enrollments",
            "HTTPS://card.example/v1/enrollments",
            f"{ISSUER}/v1/enrollments?page=2",
            f"{ISSUER}/v1/enrollments#top",
        ]
    ),
)
def test_htu_is_compared_without_query_and_with_host_and_port_levelled(verify, htu):
    assert verify(proof(htu=htu)).jti


@pytest.mark.parametrize(
    "htu",
    numbered(
        [
            MISSING,
            None,
            5,
            "",
            "/v1/enrollments",
            "http://card.example/v1/enrollments",
            "http://card.example:443/v1/enrollments",
            "https://card.example:8443/v1/enrollments",
            "https://card.example:0/v1/enrollments",
            "https://card.example:port/v1/enrollments",
            "https://other.example/v1/enrollments",
            "https://card.example.evil.example/v1/enrollments",
            "https://card.example@evil.example/v1/enrollments",
            "https://user@card.example/v1/enrollments",
            "https://card.example/v1/Enrollments",
            "https://card.example/v1/enrollments/",
            "https://card.example/v1//enrollments",
            "https://card.example/v1/x/../enrollments",
            "https://card.example/v1/enrollment%73",
            "https://card.example/v1/enrollments;x",
            "https://card.example\\@evil.example/v1/enrollments",
            "https://[::1/v1/enrollments",
            [f"{ISSUER}/v1/enrollments"],
        ]
    ),
)
def test_htu_is_this_address(verify, htu):
    refused(verify, proof(htu=htu))


@pytest.mark.parametrize(("iat", "good"), [(-61, False), (-60, False), (-59, True), (0, True), (5, True), (6, False)])
def test_a_proof_is_good_for_a_minute_and_a_clock_may_run_five_seconds_ahead(verify, iat, good):
    given = proof(iat=NOW + iat)
    assert verify(given) if good else refused(verify, given)


def test_a_minute_is_over_at_its_very_end(still_service, verify):
    still_service.clock.step(59.999)
    assert verify(GOOD)
    still_service.clock.step(0.001)
    refused(verify, GOOD)


@pytest.mark.parametrize("iat", numbered([MISSING, None, str(NOW), True, [NOW], {}, 10**15, -(10**400)]))
def test_iat_is_a_number_of_seconds(verify, iat):
    refused(verify, proof(iat=iat))


@pytest.mark.parametrize(("exp", "good"), [(-1, False), (0, False), (1, True)])
def test_exp_is_honoured_where_there_is_one(verify, exp, good):
    given = proof(exp=NOW + exp)
    assert verify(given) if good else refused(verify, given)


@pytest.mark.parametrize(("nbf", "good"), [(0, True), (5, True), (6, False)])
def test_nbf_is_honoured_where_there_is_one(verify, nbf, good):
    given = proof(nbf=NOW + nbf)
    assert verify(given) if good else refused(verify, given)


@pytest.mark.parametrize("wrong", numbered([{"exp": "never"}, {"nbf": []}, {"exp": True}]))
def test_exp_and_nbf_are_numbers(verify, wrong):
    refused(verify, proof(**wrong))


@pytest.mark.parametrize(
    "jti",
    numbered([MISSING, None, 12345678, "", "1234567", "x" * 129, "with a blank", "zeichen-ü", "a\nb-56789", ["x" * 8]]),
)
def test_jti_is_8_to_128_visible_characters(verify, jti):
    refused(verify, proof(jti=jti))


@pytest.mark.parametrize("jti", numbered(["x" * 8, "x" * 128, "~!@#$%^&*()_+"]))
def test_jti_may_be_any_visible_characters(verify, jti):
    assert verify(proof(jti=jti)).jti == jti


@pytest.mark.parametrize("name", ["ath", "digest"])
@pytest.mark.parametrize(
    "value",
    numbered([MISSING, None, "", sha256(b"other"), sha256(BODY) + "=", sha256(TOKEN.encode())[:-1], 5, "ü" * 43]),
)
def test_ath_and_digest_are_the_hashes_of_token_and_body(verify, name, value):
    refused(verify, proof(**{name: value}))


def test_digest_may_not_stand_in_for_ath(verify):
    refused(verify, proof(ath=CLAIMS["digest"], digest=CLAIMS["ath"]))


# ── Form ─────────────────────────────────────────────────────────────────────────────────────────────────────────

HEAD, PAYLOAD, SIGNATURE = GOOD.split(".")
DOUBLED = json.dumps(CLAIMS)[:-1].encode()


@pytest.mark.parametrize(
    "given",
    numbered(
        [
            None,
            "",
            "null",
            "..",
            "a.b.c",
            f"{HEAD}.{PAYLOAD}",
            f"{HEAD}.{PAYLOAD}.",
            f"{HEAD}..{SIGNATURE}",
            f"{GOOD}.{SIGNATURE}",
            f"{GOOD}.x.y",
            f" {GOOD}",
            f"{GOOD}\n",
            f"{GOOD}=",
            f"{HEAD}=.{PAYLOAD}.{SIGNATURE}",
            f"{HEAD}.{PAYLOAD}.{SIGNATURE[:-1]}",
            f"{HEAD}.{PAYLOAD}.{second_spelling(SIGNATURE)}",
            f"{HEAD}.{PAYLOAD}.!{SIGNATURE}",
            f"{HEAD}.{PAYLOAD}.{SIGNATURE.replace('-', '+').replace('_', '/')}+",
            f"{HEAD}.{PAYLOAD}.{encode(bytes(64))}",
            f"{HEAD}.{PAYLOAD}.{encode(b'0' * 72)}",
            f"{GOOD},{GOOD}",
            f"{GOOD}, {GOOD}",
            f"{GOOD}\x00",
            "ü" * 50,
            "." * PROOF_LIMIT,
            jws(HEADER, b"[]", KEY),
            jws(HEADER, b"not json", KEY),
            jws(HEADER, b"\xff\xfe", KEY),
            jws(b"[]", CLAIMS, KEY),
            jws(b"{" * 600, CLAIMS, KEY),
            jws(HEADER, b"[" * 800 + b"]" * 800, KEY),
            jws(HEADER, DOUBLED + b',"htm":"POST"}', KEY),
            jws(HEADER, DOUBLED + b',"exp":NaN}', KEY),
            jws(HEADER, DOUBLED + b',"exp":Infinity}', KEY),
            jws(HEADER, DOUBLED + b',"exp":' + b"9" * 400 + b"}", KEY),
            jws(json.dumps(HEADER)[:-1].encode() + b',"alg":"ES256"}', CLAIMS, KEY),
            jws(json.dumps(HEADER)[:-1].encode() + b',"alg":"none"}', CLAIMS, KEY),
        ]
    ),
)
def test_a_proof_has_one_form_and_one_spelling(verify, given):
    refused(verify, given)


def test_a_proof_of_the_longest_length_is_read_and_a_longer_one_is_not(verify):
    filler = next(length for length in range(PROOF_LIMIT) if len(proof(x="x" * length)) >= PROOF_LIMIT)
    assert len(proof(x="x" * filler)) == PROOF_LIMIT
    assert verify(proof(x="x" * filler))
    assert "longer" in refused(verify, proof(x="x" * (filler + 1)))


@given(st.text(max_size=300))
def test_no_text_breaks_the_reading_of_a_proof(shared_service, text):
    with pytest.raises(ProofWrong):
        verify_proof(shared_service.runtime.ground, text, REQUEST)


def test_any_character_changed_anywhere_is_refused(verify):
    for place in range(0, len(GOOD), 7):
        changed = "A" if GOOD[place] != "A" else "B"
        refused(verify, GOOD[:place] + changed + GOOD[place + 1 :])


# ── Once ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_proof_is_spent_by_its_first_use(still_service):
    phone = still_service.phone()
    headers = {"DPoP": phone.proof("GET", "/v1/notices", digest=sha256(b""))}
    assert phone.http.get("/v1/notices", headers=headers).status_code == 200
    again = phone.http.get("/v1/notices", headers=headers)
    assert (again.status_code, again.json()["code"]) == (401, "proof_wrong")


def test_the_other_signature_of_a_spent_proof_is_spent_as_well(still_service):
    phone = still_service.phone()
    text = phone.proof("GET", "/v1/notices", digest=sha256(b""))
    assert phone.http.get("/v1/notices", headers={"DPoP": text}).status_code == 200
    assert phone.http.get("/v1/notices", headers={"DPoP": other_s(text)}).status_code == 401


def test_a_jti_is_spent_for_its_key_alone(still_service):
    jti = secrets.token_hex(8)
    for _ in range(2):
        phone = still_service.phone()
        text = phone.proof("GET", "/v1/notices", digest=sha256(b""), jti=jti)
        assert phone.http.get("/v1/notices", headers={"DPoP": text}).status_code == 200


def test_a_spent_proof_is_remembered_longer_than_it_is_good(still_service):
    phone = still_service.phone()
    ahead = phone.proof("GET", "/v1/notices", digest=sha256(b""), iat=int(still_service.clock().timestamp()) + 5)
    assert phone.http.get("/v1/notices", headers={"DPoP": ahead}).status_code == 200
    for _ in range(13):
        still_service.clock.step(10)
        assert phone.http.get("/v1/notices", headers={"DPoP": ahead}).status_code == 401


def test_the_name_of_a_spent_proof_depends_on_key_and_jti():
    made = [DeviceProof(thumb, JWK, jti, "") for thumb in ("a", "b") for jti in ("12345678", "87654321")]
    assert len({spent_key(each) for each in made}) == 4
    assert all(len(spent_key(each)) <= 160 for each in made)
