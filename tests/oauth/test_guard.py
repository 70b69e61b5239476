"""A partner at a guarded route: only with a token of ours, for this resource, with its key, while all of it stands."""

import hashlib
import json
import secrets
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Blueprint

from auth.guard import Partner, allow
from auth.oauth.client_register import set_client_standing
from cli.phone import encode_base64url
from core.ids import new_id
from sm.token_keys import ES256, withdraw_token_key
from tests.auth.forging import MISSING, jwk_of, jws, numbered, second_spelling
from tests.oauth.clients_of_tests import Key, make_native, make_partner, make_relying_party
from tests.oauth.conftest import MANY_A_MINUTE
from tests.oauth.holder import make_holder
from tests.oauth.test_flow import claims_of
from tests.service import ISSUER, PROVIDER, START, running_service

NOW = int(START.timestamp())
OTHER, LARGE = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)


def guarded_routes() -> Blueprint:
    routes = Blueprint("guarded", __name__, url_prefix="/v1/guarded")

    @routes.get("/reading")
    @allow(Partner, scope="card.read")
    def read_card(partner: Partner) -> dict[str, Any]:
        return {"client": partner.client, "card": partner.card, "device": partner.device, "acr": partner.acr}

    @routes.get("/paying")
    @allow(Partner, scope="card.pay")
    def open_payment(partner: Partner) -> dict[str, Any]:
        return {"card": partner.card}

    return routes


class World:
    """A partner with good tokens, and the key that signed them."""

    def __init__(self, service: Any) -> None:
        service.app.register_blueprint(guarded_routes())
        self.service = service
        self.holder = make_holder(service)
        self.partner = make_partner(service)
        self.tokens = self.holder.tokens_for(self.partner)
        self.token = self.tokens["access_token"]
        self.claims = claims_of(self.token)
        keys = service.runtime.oauth.desk.token_keys()
        self.kid = keys.key_for_signing(START).kid
        self.key = keys.signing[self.kid].key
        self.header = {"typ": "at+jwt", "alg": "ES256", "kid": self.kid}

    def call(self, token: str, path: str = "/v1/guarded/reading", **changes: Any) -> Any:
        ath = encode_base64url(hashlib.sha256(token.encode()).digest())
        proof = self.partner.proof(path, "GET", **{"ath": ath, **changes})
        return self.service.http.get(path, headers={"Authorization": f"DPoP {token}", "DPoP": proof})

    def forged(self, header: dict[str, Any] | None = None, key: Any = "ours", **claims: Any) -> str:
        signing = self.key if key == "ours" else key
        return jws(self.header | (header or {}), self.claims | {"jti": new_id("tok")} | claims, signing)


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory):
    home = tmp_path_factory.mktemp("guard")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **MANY_A_MINUTE) as service:
        yield World(service)


@pytest.fixture
def world(shared_world):
    shared_world.service.clock.now = START
    return shared_world


def assert_refused(answer, code="token_wrong", status=401):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_a_partner_is_let_in_with_what_its_token_says(world):
    answer = world.call(world.token)
    assert answer.json() == {
        "client": world.partner.id,
        "card": world.holder.card,
        "device": world.holder.device,
        "acr": "L3",
    }


def test_a_token_made_by_hand_with_our_key_is_as_good(world):
    assert world.call(world.forged()).status_code == 200


HOSTILE_CLAIMS = [
    {"iss": MISSING}, {"iss": "https://other.example"}, {"iss": [ISSUER]}, {"iss": ISSUER + "/"},
    {"aud": MISSING}, {"aud": ISSUER}, {"aud": f"{ISSUER}/v1/"}, {"aud": f"{ISSUER}/v2"}, {"aud": []}, {"aud": [5]},
    {"aud": {}}, {"aud": f"{ISSUER}/oauth/userinfo"},
    {"exp": MISSING}, {"exp": NOW}, {"exp": NOW - 1}, {"exp": 0}, {"exp": -1}, {"exp": 10**12}, {"exp": "9999999999"},
    {"exp": 1e300}, {"iat": MISSING}, {"iat": "now"}, {"auth_time": MISSING},
    {"jti": MISSING}, {"jti": "x"}, {"jti": 5}, {"grant": MISSING}, {"grant": "grt_" + "0" * 26}, {"grant": "x"},
    {"grant": 5}, {"client_id": MISSING}, {"sub": MISSING}, {"sub": 5}, {"scope": MISSING}, {"scope": ["card.read"]},
    {"acr": MISSING}, {"acr": 3}, {"cnf": MISSING}, {"cnf": {}}, {"cnf": {"jkt": 5}}, {"cnf": "x"},
    {"cnf": {"x5t#S256": "x"}},
]  # fmt: skip


@pytest.mark.parametrize("changes", numbered(HOSTILE_CLAIMS))
def test_each_claim_has_to_be_right(world, changes):
    assert_refused(world.call(world.forged(**changes)))


HOSTILE_HEADERS = [
    {"typ": MISSING}, {"typ": "JWT"}, {"typ": "AT+JWT"}, {"typ": "dpop+jwt"}, {"typ": 5},
    {"alg": MISSING}, {"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}, {"alg": "ES384"}, {"alg": "SGD_SM3_SM2"},
    {"alg": "es256"}, {"alg": 5}, {"alg": ["ES256"]},
    {"kid": MISSING}, {"kid": "es256-9"}, {"kid": "sm2-1"}, {"kid": 1}, {"kid": "../es256-1"},
    {"crit": ["x"]}, {"b64": False}, {"jwk": jwk_of(OTHER), "kid": MISSING},
    {"jku": "https://evil.example", "kid": "x"},
]  # fmt: skip


@pytest.mark.parametrize("header", numbered(HOSTILE_HEADERS))
def test_each_part_of_the_header_has_to_be_right(world, header):
    assert_refused(world.call(world.forged(header)))


@pytest.mark.parametrize("key", numbered([OTHER, LARGE, RSA, b"secret", None]))
def test_nobody_else_signs(world, key):
    assert_refused(world.call(world.forged(key=key)))


@pytest.mark.parametrize("text", ["x", "a.b.c", "a.b", "..", "." * 5000, "[].{}.x", "a" * 5000])
def test_what_is_no_token_is_refused(world, text):
    assert_refused(world.call(text))


def test_a_token_has_one_spelling(world):
    for spelling in (second_spelling(world.token), world.token + "=", world.token.replace(".", "..", 1)):
        assert_refused(world.call(spelling))


def test_a_bound_token_without_its_key_is_refused(world):
    token, http = world.token, world.service.http
    path = "/v1/guarded/reading"
    assert_refused(http.get(path, headers={"Authorization": f"Bearer {token}"}))
    assert_refused(http.get(path, headers={"Authorization": f"DPoP {token}"}), "proof_wrong")
    assert_refused(http.get(path))
    stranger = Key()
    proof = world.partner.proof(path, "GET", key=stranger, ath=ath_of(token))
    assert_refused(http.get(path, headers={"Authorization": f"DPoP {token}", "DPoP": proof}), "proof_wrong")


@pytest.mark.parametrize(
    "changes",
    [
        {"ath": "x"},
        {"htm": "POST"},
        {"htu": f"{ISSUER}/v1"},
        {"iat": NOW - 60},
        {"jti": "x"},
        {"exp": NOW},
        {"iat": NOW + 11},
        {"nbf": NOW + 11},
    ],
)
def test_a_proof_of_something_else_is_refused(world, changes):
    assert_refused(world.call(world.token, **changes), "proof_wrong")


def test_a_proof_is_good_for_one_use(world):
    jti = secrets.token_hex(8)
    assert world.call(world.token, jti=jti).status_code == 200
    assert_refused(world.call(world.token, jti=jti), "proof_wrong")


def ath_of(token: str) -> str:
    return encode_base64url(hashlib.sha256(token.encode()).digest())


def test_a_bearer_token_is_bearer(world):
    party = make_relying_party(world.service, scopes=["openid"])
    begun = party.authorize(**party.parameters()).headers["Location"].rpartition("/")[2]
    code = world.holder.approve(begun).partition("code=")[2].partition("&")[0]
    token = party.redeem(code).json()["access_token"]
    assert party.call(token).status_code == 200
    assert_refused(world.call(token, "/oauth/userinfo"))


def test_a_scope_that_was_not_allowed_is_missing(world):
    tokens = world.holder.tokens_for(world.partner, {"scope": "openid card.read"})
    answer = world.call(tokens["access_token"], "/v1/guarded/paying")
    assert_refused(answer, "scope_missing", 403)


def test_a_scope_demands_the_level_at_which_the_holder_logged_in(world):
    answer = world.call(world.forged(acr="L2"), "/v1/guarded/paying")
    assert_refused(answer, "insufficient_user_authentication")
    assert answer.headers["WWW-Authenticate"] == 'DPoP error="insufficient_user_authentication", acr_values="L3"'
    assert world.call(world.forged(acr="L2")).status_code == 200
    assert_refused(world.call(world.forged(acr="L1")), "insufficient_user_authentication")
    assert_refused(world.call(world.forged(acr="L9")), "insufficient_user_authentication")


def test_a_phone_s_token_is_no_partner_s_and_the_other_way_round(world):
    phone = world.service.enroll(card=world.service.make_card(2))
    path = "/v1/guarded/reading"
    headers = {"Authorization": f"DPoP {phone.token}", "DPoP": phone.proof("GET", path, ath=ath_of(phone.token))}
    assert_refused(world.service.http.get(path, headers=headers))
    assert_refused(world.call(world.token, f"/v1/cards/{world.holder.card}"))


def test_an_id_token_or_an_assertion_is_no_access_token(world):
    assert_refused(world.call(world.tokens["id_token"]))
    assert_refused(world.call(world.tokens["refresh_token"]))
    assert_refused(world.call(world.partner.assertion()))


def test_a_token_that_was_remembered_dies_with_its_key_its_client_and_its_time(fresh):
    fresh.app.register_blueprint(guarded_routes())
    holder, partner, other = make_holder(fresh), make_partner(fresh), make_native(fresh)
    token, others = holder.tokens_for(partner)["access_token"], holder.tokens_for(other)["access_token"]
    assert [client.call(text).status_code for client, text in ((partner, token), (other, others))] == [200, 200]
    with fresh.database.transaction() as connection:
        set_client_standing(connection, partner.id, "suspended")
    assert [client.call(text).status_code for client, text in ((partner, token), (other, others))] == [401, 200]
    withdraw_token_key(fresh.runtime.store, PROVIDER, ES256, "es256-1", fresh.clock(), timedelta(days=1))
    fresh.runtime.oauth.desk.token_keys._look_at = 0.0
    assert other.call(others).status_code == 401


def test_calls_of_a_grant_are_limited(sqlite_url, tmp_path):
    with running_service(sqlite_url, tmp_path, phone_requests_per_minute=10) as service:
        partner = make_partner(service)
        token = make_holder(service).tokens_for(partner)["access_token"]
        answers = [partner.call(token) for _ in range(11)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429]
        assert answers[-1].headers["Retry-After"] == "60"


def test_userinfo_refuses_in_oauth_s_form_and_says_where_to_ask(world):
    answer = world.service.http.get("/oauth/userinfo")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('DPoP algs="ES256", error="invalid_token"')
    assert f'resource_metadata="{ISSUER}/.well-known/oauth-protected-resource/v1"' in challenge
    bearer = world.service.http.get("/oauth/userinfo", headers={"Authorization": "Bearer x"})
    assert bearer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token", resource_metadata="')
    without = world.holder.tokens_for(world.partner, {"scope": "card.read"})["access_token"]
    assert world.call(without, "/oauth/userinfo").status_code == 401
    assert json.loads(answer.text)["code"] == "token_wrong"
