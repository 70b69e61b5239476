"""DPoP at the endpoints: the key, the nonce, dpop_jkt, and addresses however they are written."""

import pytest

from auth.oauth.nonces import NONCE_SECONDS
from tests.auth.forging import numbered
from tests.oauth.clients_of_tests import Key, answer_of, make_relying_party
from tests.service import ISSUER, START

NOW = int(START.timestamp())


def refreshed(client, token, proof, **headers):
    form = {"grant_type": "refresh_token", "refresh_token": token, **client.identity()}
    shown = {} if proof is None else {"DPoP": proof}
    return client.http.post("/oauth/token", data=form, headers={**shown, **headers})


@pytest.mark.parametrize(
    "address",
    [
        f"{ISSUER}/oauth/token",
        f"{ISSUER}:443/oauth/token",
        f"{ISSUER.upper()[:8]}CARD.example/oauth/token",
        f"{ISSUER}/oauth/token?x=1#y",
    ],
)
def test_an_address_is_compared_after_normalising(holder, partner, address):
    token = holder.tokens_for(partner)["refresh_token"]
    assert refreshed(partner, token, partner.proof("/oauth/token", htu=address)).status_code == 200


HOSTILE = [
    {"htu": "https://evil.example/oauth/token"}, {"htu": f"{ISSUER}/oauth/par"}, {"htu": f"{ISSUER}:444/oauth/token"},
    {"htu": 5}, {"htu": "https://[x"}, {"htu": f"http{ISSUER[5:]}/oauth/token"}, {"htm": "GET"}, {"htm": 5},
    {"iat": NOW - 60}, {"iat": NOW + 11}, {"iat": "now"}, {"exp": NOW}, {"nbf": NOW + 11}, {"jti": "short"}, {"jti": 5},
]  # fmt: skip


@pytest.mark.parametrize("changes", numbered(HOSTILE))
def test_a_proof_of_something_else_is_refused(holder, partner, changes):
    token = holder.tokens_for(partner)["refresh_token"]
    answer = refreshed(partner, token, partner.proof("/oauth/token", **changes))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("seconds", [-59, 0, 10])
def test_a_proof_may_be_made_up_to_ten_seconds_ahead(holder, partner, seconds):
    token = holder.tokens_for(partner)["refresh_token"]
    assert refreshed(partner, token, partner.proof("/oauth/token", iat=NOW + seconds)).status_code == 200


JWKS = [
    None, {}, [], "x", 5, {"kty": "EC", "crv": "X25519", "x": "AA", "y": "AA"},
    {**Key().jwk, "crv": "P-999"}, {**Key().jwk, "crv": None}, {**Key().jwk, "kty": "oct"}, {**Key().jwk, "d": "AA"},
    {**Key().jwk, "x": "AA"}, {**Key().jwk, "y": 5}, Key("EdDSA").jwk, Key("PS256").jwk, Key("SGD_SM3_SM2").jwk,
]  # fmt: skip


@pytest.mark.parametrize("jwk", numbered(JWKS))
def test_an_unknown_curve_or_a_key_of_another_kind_in_the_header_is_a_400(holder, partner, jwk):
    token, key = holder.tokens_for(partner)["refresh_token"], Key()
    key.jwk = jwk
    answer = refreshed(partner, token, partner.proof("/oauth/token", key=key))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "." * 3000, "x,y", "{}"])
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/par"])
def test_what_is_no_proof_is_a_400(holder, partner, path, text):
    if path == "/oauth/token":
        answer = refreshed(partner, holder.tokens_for(partner)["refresh_token"], text)
    else:
        answer = partner.post(path, partner.parameters(), DPoP=text)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


def test_a_client_whose_tokens_are_bound_sends_a_proof(holder, partner):
    token = holder.tokens_for(partner)["refresh_token"]
    answer = refreshed(partner, token, None)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


def test_a_client_that_need_not_may_bind_its_tokens(server, holder):
    party = make_relying_party(server, dpop=True)
    begun = party.authorize(**party.parameters()).headers["Location"].rpartition("/")[2]
    tokens = party.redeem(answer_of(holder.approve(begun))["code"]).json()
    assert tokens["token_type"] == "DPoP"
    assert party.call(tokens["access_token"]).status_code == 200


# ── dpop_jkt ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["parameter", "proof at PAR", "both"])
def test_a_code_is_bound_to_the_key_that_was_announced(holder, partner, way):
    changes = {} if way == "proof at PAR" else {"dpop_jkt": partner.dpop.thumbprint}
    headers = {} if way == "parameter" else {"DPoP": partner.proof("/oauth/par")}
    pushed = partner.post("/oauth/par", partner.parameters(**changes), **headers)
    begun = partner.authorize(client_id=partner.id, request_uri=pushed.json()["request_uri"])
    code = answer_of(holder.approve(begun.headers["Location"].rpartition("/")[2]))["code"]
    mine, partner.dpop = partner.dpop, Key()
    answer = partner.redeem(code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    partner.dpop = mine
    assert partner.redeem(code).status_code == 200


def test_a_code_that_was_bound_to_a_key_needs_it_even_of_a_client_without_dpop(server, holder):
    party, key = make_relying_party(server), Key()
    begun = party.authorize(**party.parameters(dpop_jkt=key.thumbprint)).headers["Location"].rpartition("/")[2]
    code = answer_of(holder.approve(begun))["code"]
    assert party.redeem(code).json()["error"] == "invalid_dpop_proof"
    party.dpop = key
    assert party.redeem(code).json()["token_type"] == "DPoP"


def test_dpop_jkt_and_the_proof_beside_it_name_one_key(partner):
    pushed = partner.post("/oauth/par", partner.parameters(dpop_jkt=Key().thumbprint), DPoP=partner.proof("/oauth/par"))
    assert (pushed.status_code, pushed.json()["error"]) == (400, "invalid_dpop_proof")


# ── Nonces ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_app_is_asked_for_a_nonce_and_keeps_its_code(server, holder, native):
    code, form = holder.code_for(native), {"grant_type": "authorization_code", "redirect_uri": native.redirect_uri}
    form |= {"client_id": native.id, "code": code, "code_verifier": native.verifier}
    first = server.http.post("/oauth/token", data=form, headers={"DPoP": native.proof("/oauth/token")})
    assert (first.status_code, first.json()["error"]) == (400, "use_dpop_nonce")
    native.nonce = first.headers["DPoP-Nonce"]
    again = server.http.post("/oauth/token", data=form, headers={"DPoP": native.proof("/oauth/token")})
    assert again.status_code == 200, again.text


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (NONCE_SECONDS, 200), (2 * NONCE_SECONDS, 400)])
def test_a_nonce_is_good_for_two_windows(server, holder, native, seconds, status):
    server.clock.now = START.replace(minute=0, second=0)
    token = holder.tokens_for(native)["refresh_token"]
    assert native.nonce is not None
    server.clock.step(seconds)
    assert native.refresh(token).status_code == status


@pytest.mark.parametrize("nonce", numbered(["x", "", 5, [], None, "é", "a" * 500]))
def test_a_nonce_that_is_not_ours_is_refused_and_a_new_one_handed_out(holder, partner, nonce):
    token = holder.tokens_for(partner)["refresh_token"]
    answer = refreshed(partner, token, partner.proof("/oauth/token", nonce=nonce))
    if nonce is None:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
        assert answer.headers["DPoP-Nonce"]
