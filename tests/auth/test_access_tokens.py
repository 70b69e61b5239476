"""Access tokens that nobody of ours has made, or not for this (C3 of the threat model)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from auth.oauth.verified_tokens import TOKEN_LIMIT
from tests.auth.forging import MISSING, encode, jwk_of, jws, other_s, second_spelling, sha256
from tests.service import ISSUER, START, Service

NOW = int(START.timestamp())
OTHER = ec.generate_private_key(ec.SECP256R1())
LARGE = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)


class World:
    """A signed-in phone, the key that signs tokens, and what a good token says."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.phone = service.enroll()
        signing = service.runtime.gate.tokens._keys().key_for_signing(START)
        self.key, self.kid = signing.key, signing.kid
        self.header = {"typ": "at+jwt", "alg": "ES256", "kid": self.kid}
        self.claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": ISSUER,
            "sub": self.phone.device,
            "client_id": "app",
            "card": self.phone.card,
            "acr": "L3",
            "scope": "card",
            "cnf": {"jkt": sha256(_canonical(self.phone.jwk))},
            "iat": NOW,
            "exp": NOW + 300,
            "jti": "tok_1",
        }

    def token(self, key: Any = "ours", header: Any = None, **claims: Any) -> str:
        return jws(self.header | (header or {}), self.claims | claims, self.key if key == "ours" else key)

    def pem(self) -> bytes:
        form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(*form)

    def present(self, token: str, scheme: str = "DPoP", **claims: Any) -> httpx.Response:
        path = f"/v1/cards/{self.phone.card}"
        proof = self.phone.proof("GET", path, **{"ath": sha256(token.encode())} | claims)
        return self.phone.http.get(path, headers={"Authorization": f"{scheme} {token}", "DPoP": proof})


def _canonical(jwk: dict[str, str]) -> bytes:
    return f'{{"crv":"P-256","kty":"EC","x":"{jwk["x"]}","y":"{jwk["y"]}"}}'.encode()


@pytest.fixture(scope="module")
def _enrolled(shared_service: Service) -> World:
    return World(shared_service)


@pytest.fixture
def world(still_service: Service, _enrolled: World) -> World:
    return _enrolled


def test_a_good_token_is_let_in(world):
    assert world.present(world.phone.token).status_code == 200
    assert world.present(world.token()).status_code == 200


HOSTILE: dict[str, Callable[[World], str]] = {
    "no algorithm and no signature": lambda w: w.token(None, {"alg": "none"}),
    "no algorithm, spelt otherwise": lambda w: w.token(None, {"alg": "NONE"}),
    "no algorithm over a good signature": lambda w: w.token(header={"alg": "none"}),
    "algorithm missing": lambda w: w.token(header={"alg": MISSING}),
    "algorithm a list": lambda w: w.token(header={"alg": ["ES256"]}),
    "hs256 with the public key": lambda w: w.token(w.pem(), {"alg": "HS256"}),
    "hs256 with nothing": lambda w: w.token(b"", {"alg": "HS256"}),
    "hs256 with the kid": lambda w: w.token(w.kid.encode(), {"alg": "HS256"}),
    "rs256": lambda w: w.token(RSA, {"alg": "RS256"}),
    "es384": lambda w: w.token(LARGE, {"alg": "ES384"}),
    "es256 by a stranger": lambda w: w.token(OTHER),
    "stranger with its key in the header": lambda w: w.token(OTHER, {"jwk": jwk_of(OTHER)}),
    "stranger with a jku": lambda w: w.token(OTHER, {"jku": "https://evil.example/jwks"}),
    "stranger with an x5u": lambda w: w.token(OTHER, {"x5u": "https://evil.example/pem"}),
    "stranger with an x5c": lambda w: w.token(OTHER, {"x5c": [encode(b"certificate")]}),
    "stranger with a path as kid": lambda w: w.token(OTHER, {"kid": "../../dev/null"}),
    "stranger with a statement as kid": lambda w: w.token(OTHER, {"kid": "' OR 1=1 --"}),
    "kid a number": lambda w: w.token(header={"kid": 1}),
    "typ missing": lambda w: w.token(header={"typ": MISSING}),
    "typ jwt": lambda w: w.token(header={"typ": "JWT"}),
    "typ of a proof": lambda w: w.token(header={"typ": "dpop+jwt"}),
    "critical extension": lambda w: w.token(header={"crit": ["x"], "x": 1}),
    "empty crit": lambda w: w.token(header={"crit": []}),
    "payload not encoded": lambda w: w.token(header={"b64": False, "crit": ["b64"]}),
    "another issuer": lambda w: w.token(iss="https://evil.example"),
    "issuer missing": lambda w: w.token(iss=MISSING),
    "issuer a list": lambda w: w.token(iss=[ISSUER]),
    "another audience": lambda w: w.token(aud="https://bank.example"),
    "audience a list": lambda w: w.token(aud=[ISSUER]),
    "audience missing": lambda w: w.token(aud=MISSING),
    "expired": lambda w: w.token(exp=NOW),
    "expiry missing": lambda w: w.token(exp=MISSING),
    "expiry a text": lambda w: w.token(exp=str(NOW + 300)),
    "expiry true": lambda w: w.token(exp=True),
    "expiry beyond every calendar": lambda w: w.token(exp=10**18),
    "expiry of a thousand digits": lambda w: w.token(exp=10**1000),
    "expiry before every calendar": lambda w: w.token(exp=-(10**18)),
    "issued at missing": lambda w: w.token(iat=MISSING),
    "subject missing": lambda w: w.token(sub=MISSING),
    "subject a number": lambda w: w.token(sub=1),
    "card missing": lambda w: w.token(card=MISSING),
    "card a list": lambda w: w.token(card=[w.phone.card]),
    "level missing": lambda w: w.token(acr=MISSING),
    "scope missing": lambda w: w.token(scope=MISSING),
    "scope a list": lambda w: w.token(scope=["card"]),
    "confirmation missing": lambda w: w.token(cnf=MISSING),
    "confirmation a text": lambda w: w.token(cnf="jkt"),
    "confirmation without thumbprint": lambda w: w.token(cnf={}),
    "thumbprint a number": lambda w: w.token(cnf={"jkt": 5}),
    "claims a list": lambda w: jws(w.header, b"[]", w.key),
    "claims no json": lambda w: jws(w.header, b"{", w.key),
    "claims nested": lambda w: jws(w.header, b"[" * 2000, w.key),
    "claims with a doubled name": lambda w: jws(w.header, b'{"iss":"a","iss":"b"}', w.key),
    "header with a doubled name": lambda w: jws(b'{"alg":"none","alg":"ES256","typ":"at+jwt"}', w.claims, w.key),
    "header a list": lambda w: jws(b'["ES256"]', w.claims, w.key),
    "signature missing": lambda w: w.token().rpartition(".")[0],
    "signature empty": lambda w: w.token().rpartition(".")[0] + ".",
    "signature of zeros": lambda w: w.token().rpartition(".")[0] + "." + encode(bytes(64)),
    "signature cut": lambda w: w.token()[:-2],
    "signature with a second spelling": lambda w: second_spelling(w.token()),
    "signature padded": lambda w: w.token() + "=",
    "payload changed": lambda w: _with_payload(w.token(), w.token(acr="L1")),
    "five segments": lambda w: w.token() + ".a.b",
    "rubbish": lambda w: "a.b.c",
    "one word": lambda w: "token",
    "two tokens": lambda w: f"{w.token()},{w.token()}",
    "too long": lambda w: w.token(x="x" * TOKEN_LIMIT),
    "a proof": lambda w: w.phone.proof("GET", f"/v1/cards/{w.phone.card}"),
    "an assertion": lambda w: w.phone.assertion(),
    "the card's credential": lambda w: w.phone.call("GET", f"/v1/cards/{w.phone.card}/credential").json()["credential"],
}


def _with_payload(token: str, other: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{other.split('.')[1]}.{signature}"


def test_there_are_enough_hostile_tokens():
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_is_refused_in_the_one_form(world, name):
    answer = world.present(HOSTILE[name](world))
    body = answer.json()
    assert (answer.status_code, body["code"], body["title"]) == (401, "token_wrong", "The access token is not valid.")
    assert set(body) == {"type", "title", "status", "code", "next_step", "detail", "request_id"}
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers.get_list("WWW-Authenticate") == ['DPoP algs="ES256"', "ESSC-SM2-SM3"]


@pytest.mark.parametrize("header", ["", "DPoP", "DPoP ", "Bearer {}", "Basic {}", "{}", "DPoP{}", "ESSC-SM2-SM3 {}"])
def test_a_token_is_sent_in_one_way(world, header):
    path = f"/v1/cards/{world.phone.card}"
    token = world.token()
    proof = world.phone.proof("GET", path, ath=sha256(token.encode()))
    answer = world.phone.http.get(path, headers={"Authorization": header.format(token), "DPoP": proof})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_wrong")


def test_a_token_in_address_or_body_is_none(world):
    path = f"/v1/cards/{world.phone.card}"
    token = world.token()
    proof = world.phone.proof("GET", path, ath=sha256(token.encode()))
    assert world.phone.http.get(f"{path}?access_token={token}", headers={"DPoP": proof}).status_code == 401


# ── Token and proof belong together ──────────────────────────────────────────────────────────────────────────────


def test_a_token_is_of_no_use_without_its_key(world):
    thief = world.service.phone()
    path = f"/v1/cards/{world.phone.card}"
    token = world.token()
    proof = thief.proof("GET", path, ath=sha256(token.encode()))
    answer = thief.http.get(path, headers={"Authorization": f"DPoP {token}", "DPoP": proof})
    assert (answer.status_code, answer.json()["code"]) == (401, "proof_wrong")


@pytest.mark.parametrize("ath", ["", sha256(b"another token")])
def test_a_proof_of_another_token_is_refused(world, ath):
    assert world.present(world.token(), ath=ath).json()["code"] == "proof_wrong"


def test_without_a_proof_nobody_gets_in(world):
    path = f"/v1/cards/{world.phone.card}"
    answer = world.phone.http.get(path, headers={"Authorization": f"DPoP {world.token()}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "proof_wrong")


def test_a_token_without_the_scope_is_known_but_may_not(world):
    answer = world.present(world.token(scope="other"))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_the_other_signature_of_a_token_is_no_other_token(world):
    """ECDSA gives two signatures for each text; both say the same, so that nothing is won by it."""
    assert world.present(other_s(world.token())).status_code == 200


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_dies_at_its_expiry_also_when_it_was_seen_before(world):
    token = world.token(exp=NOW + 300)
    assert world.present(token).status_code == 200
    world.service.clock.step(299.999)
    assert world.present(token).status_code == 200
    world.service.clock.step(0.001)
    assert world.present(token).json()["code"] == "token_wrong"


def test_a_token_lives_as_long_as_the_settings_say(world):
    phone = world.phone
    assert phone.sign_in().json()["expires_in"] == 300
    world.service.clock.step(299)
    assert world.present(phone.token).status_code == 200
    world.service.clock.step(1)
    assert world.present(phone.token).status_code == 401


def test_a_phone_that_was_ended_learns_it_though_its_token_is_good(sqlite_service):
    card = sqlite_service.make_card()
    first = sqlite_service.enroll(card=card)
    sqlite_service.enroll(card=card)
    answer = first.call("GET", f"/v1/cards/{first.card}")
    assert (answer.status_code, answer.json()["code"]) == (403, "device_ended")
    assert first.code("medical").json()["code"] == "device_ended"


def test_somebody_else_s_card_looks_like_one_that_is_not_there(world):
    other = world.service.enroll(card=world.service.make_card(2))
    unknown = "crd_" + "0" * 26
    answers = [
        world.phone.call("GET", f"/v1/cards/{card}{rest}") for card in (other.card, unknown) for rest in ("", "/uses")
    ]
    answers += [
        world.phone.call("POST", f"/v1/cards/{card}/codes", {"class": "medical"}) for card in (other.card, unknown)
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert (
        len({tuple((key, value) for key, value in answer.json().items() if key != "request_id") for answer in answers})
        == 1
    )


# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_phone_that_asks_too_often_has_to_wait(sqlite_service):
    phone = sqlite_service.enroll()
    limit = sqlite_service.runtime.ground.settings.codes_per_minute
    answers = [phone.code("medical") for _ in range(limit + 1)]
    assert {answer.status_code for answer in answers[:-1]} == {201}
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "too_many_requests")
    assert int(answers[-1].headers["Retry-After"]) == 60
    sqlite_service.clock.step(60)
    assert phone.code("medical").status_code == 201


def test_one_phone_s_limit_is_not_another_one_s(sqlite_service):
    busy, calm = sqlite_service.enroll(), sqlite_service.enroll(card=sqlite_service.make_card(2))
    while busy.code("medical").status_code == 201:
        pass
    assert calm.code("medical").status_code == 201
    assert busy.call("GET", f"/v1/cards/{busy.card}").status_code == 200
