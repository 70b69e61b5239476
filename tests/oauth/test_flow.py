"""From an authorization request to tokens and to what they open, for each profile and on both databases."""

import hashlib
import json
from base64 import b64encode, urlsafe_b64decode
from datetime import UTC, datetime

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from auth.devices import end_device
from auth.oauth.grants import end_grants_of, list_grants
from cli.phone import encode_base64url
from ecard.cards import get_card
from ecard.standing import lift_loss, report_loss
from tests.oauth.clients_of_tests import (
    LOOPBACK,
    Key,
    answer_of,
    make_client,
    make_native,
    make_partner,
    make_relying_party,
)
from tests.oauth.holder import make_holder
from tests.service import ISSUER, PROVIDER, running_service

ALGORITHMS = ["ES256", "PS256", "EdDSA", "Ed25519", "SGD_SM3_SM2"]


def claims_of(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def test_a_partner_gets_tokens_for_what_the_holder_allowed(both):
    partner, holder = make_partner(both), make_holder(both)
    pushed = partner.push(nonce="n-1")
    assert pushed.status_code == 201
    assert pushed.json()["expires_in"] == 90
    browser = partner.authorize(client_id=partner.id, request_uri=pushed.json()["request_uri"])
    assert browser.status_code == 303
    cookie = browser.headers["Set-Cookie"]
    assert all(part in cookie for part in ("__Host-", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    answer = answer_of(holder.approve(browser.headers["Location"].removeprefix("/login/for/")))
    assert (answer["state"], answer["iss"]) == ("st-1", ISSUER)
    tokens = partner.redeem(answer["code"])
    assert tokens.status_code == 200, tokens.text
    assert tokens.headers["Cache-Control"] == "no-store"
    body = tokens.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("DPoP", 300, partner.scope)
    access, identity = claims_of(body["access_token"]), claims_of(body["id_token"])
    assert access["aud"] == [f"{ISSUER}/v1", f"{ISSUER}/oauth/userinfo"]
    assert access["cnf"] == {"jkt": partner.dpop.thumbprint}
    assert (access["acr"], access["amr"], access["client_id"]) == ("L3", ["hwk", "pin"], partner.id)
    assert (identity["aud"], identity["nonce"], identity["sub"]) == (partner.id, "n-1", access["sub"])
    half = hashlib.sha256(body["access_token"].encode()).digest()[:16]
    assert identity["at_hash"] == encode_base64url(half)
    assert holder.card not in json.dumps([access, identity])
    seen = partner.call(body["access_token"])
    assert (seen.status_code, seen.json()) == (200, {"sub": access["sub"], "acr": "L3"})


def test_tokens_verify_under_the_published_keys(server, holder, partner):
    body = holder.tokens_for(partner)
    keys = {key["kid"]: jwt.PyJWK(key) for key in server.http.get("/oauth/jwks").json()["keys"]}
    for name, kind in (("access_token", "at+jwt"), ("id_token", "JWT")):
        header = jwt.get_unverified_header(body[name])
        assert header["typ"] == kind
        options = {"verify_exp": False, "verify_aud": False, "verify_iat": False}
        assert jwt.decode(body[name], keys[header["kid"]].key, ["ES256"], issuer=ISSUER, options=options)


def test_a_deployment_of_sm_algorithms_alone_signs_with_sm2(sqlite_url, tmp_path):
    with running_service(sqlite_url, tmp_path, token_algorithm="SGD_SM3_SM2") as server:
        partner = make_partner(server, "SGD_SM3_SM2")
        body = make_holder(server).tokens_for(partner)
        signed, _, signature = body["access_token"].rpartition(".")
        assert jwt.get_unverified_header(body["access_token"])["alg"] == "SGD_SM3_SM2"
        key = server.http.get("/oauth/jwks").json()["keys"][0]
        point = b"".join(urlsafe_b64decode(key[name] + "=") for name in ("x", "y"))
        raw = urlsafe_b64decode(signature + "==")
        PROVIDER.verifier(point, b"ESSC-OAUTH-1").verify(signed.encode(), raw)
        assert partner.call(body["access_token"]).status_code == 200


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_client_signs_with_any_algorithm_of_the_list(server, holder, algorithm):
    assert holder.tokens_for(make_partner(server, algorithm))["token_type"] == "DPoP"


def test_an_app_comes_by_the_front_door_with_a_loopback_redirect(server, holder, native):
    begun = native.authorize(**native.parameters(redirect_uri="http://127.0.0.1:51004/cb"))
    native.redirect_uri = "http://127.0.0.1:51004/cb"
    address = holder.approve(begun.headers["Location"].rpartition("/")[2])
    assert address.startswith(native.redirect_uri + "?code=")
    body = native.redeem(answer_of(address)["code"]).json()
    assert body["token_type"] == "DPoP"
    assert native.call(body["access_token"]).status_code == 200
    assert native.redirect_uri != LOOPBACK


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_a_public_service_logs_its_visitors_in(server, holder, method):
    party = make_relying_party(server, method)
    if method == "client_secret_post":
        secret, party.secret = party.secret, None
        party.identity = lambda: {"client_id": party.id, "client_secret": secret}
    begun = party.authorize(**party.parameters(nonce="n-2"))
    code = answer_of(holder.approve(begun.headers["Location"].rpartition("/")[2]))["code"]
    body = party.redeem(code).json()
    assert body["token_type"] == "Bearer"
    assert "refresh_token" not in body
    assert claims_of(body["id_token"])["nonce"] == "n-2"
    assert party.call(body["access_token"]).json()["sub"] == claims_of(body["id_token"])["sub"]


def test_a_client_with_a_certificate_comes_through_the_trusted_proxy_alone(sqlite_url, tmp_path):
    with running_service(sqlite_url, tmp_path, trusted_proxy="10.0.0.7") as server:
        partner = make_client(server, "partner", "tls_client_auth", tls_subject="CN=Example Bank,O=Bank,C=CN")
        header = {"ClientCert": certificate_header("CN=Example Bank,O=Bank,C=CN")}
        form = partner.parameters()
        for address, status in (("10.0.0.7", 201), ("127.0.0.1", 401)):
            transport = httpx.WSGITransport(app=server.app, remote_addr=address)
            with httpx.Client(transport=transport, base_url=ISSUER) as http:
                assert http.post("/oauth/par", data=form, headers=header).status_code == status
                other = {"ClientCert": certificate_header("CN=Other Bank,O=Bank,C=CN")}
                assert http.post("/oauth/par", data=form, headers=other).status_code == 401
                for rubbish in ("", ":", "::", ":AAAA:", "AAAA", ":%%:"):
                    assert http.post("/oauth/par", data=form, headers={"ClientCert": rubbish}).status_code == 401


def certificate_header(subject: str) -> str:
    key, name = Key().private, x509.Name.from_rfc4514_string(subject)
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 5, start, end)
    return f":{b64encode(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)).decode()}:"


# ── Refresh ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_partner_s_refresh_token_stays_as_it_is(server, holder, partner):
    token = holder.tokens_for(partner)["refresh_token"]
    for _ in range(3):
        server.clock.step(400)
        again = partner.refresh(token)
        assert again.status_code == 200, again.text
        assert "refresh_token" not in again.json()
        assert partner.call(again.json()["access_token"]).status_code == 200


def test_a_partner_may_change_its_proof_key_and_an_app_may_not(server, holder, partner, native):
    for client, status in ((partner, 200), (native, 400)):
        token = holder.tokens_for(client)["refresh_token"]
        client.dpop = Key()
        assert client.refresh(token).status_code == status


def test_a_refresh_may_ask_for_less_and_never_for_more(server, holder, partner):
    tokens = holder.tokens_for(partner, {"scope": "openid offline_access card.read"})
    less = partner.refresh(tokens["refresh_token"], scope="card.read").json()
    assert less["scope"] == "card.read"
    assert claims_of(less["access_token"])["aud"] == f"{ISSUER}/v1"
    assert partner.call(less["access_token"]).status_code == 401
    more = partner.refresh(tokens["refresh_token"], scope="card.present")
    assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")
    elsewhere = partner.refresh(tokens["refresh_token"], resource="https://other.example/")
    assert (elsewhere.status_code, elsewhere.json()["error"]) == (400, "invalid_target")


def test_an_app_without_a_key_gets_a_new_refresh_token_each_time(server, holder):
    native = make_native(server, dpop=False)
    first = holder.tokens_for(native)
    assert first["token_type"] == "Bearer"
    second = native.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert native.refresh(second["refresh_token"]).status_code == 200


def test_without_offline_access_there_is_no_refresh_token(server, holder, partner):
    assert "refresh_token" not in holder.tokens_for(partner, {"scope": "openid"})


def test_a_grant_ends_with_its_days(server, holder, partner):
    token = holder.tokens_for(partner)["refresh_token"]
    server.clock.step(180 * 86400 - 1)
    assert partner.refresh(token).status_code == 200
    server.clock.step(1)
    assert partner.refresh(token).json()["error"] == "invalid_grant"


# ── The holder's hand on it ──────────────────────────────────────────────────────────────────────────────────────


def test_the_holder_sees_and_ends_what_was_allowed(fresh):
    partner, holder = make_partner(fresh), make_holder(fresh)
    tokens = holder.tokens_for(partner)
    with fresh.database.transaction() as connection:
        ground = fresh.runtime.ground
        [held] = list_grants(connection, holder.card, fresh.clock())
        assert (held.name_en, held.grant.scopes) == ("Example Bank", tuple(partner.scope.split()))
        assert end_grants_of(ground, connection, holder.card, partner.id, because="holder", actor=holder.device) == 1
        assert list_grants(connection, holder.card, fresh.clock()) == []
    assert partner.call(tokens["access_token"]).status_code == 401
    assert partner.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_tokens_end_with_the_phone_that_stood_for_them(fresh):
    partner, holder = make_partner(fresh), make_holder(fresh)
    tokens = holder.tokens_for(partner)
    with fresh.database.transaction() as connection:
        assert end_device(connection, holder.device, because="ended_by_holder", at=fresh.clock())
    assert partner.call(tokens["access_token"]).status_code == 401
    assert partner.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_lost_card_grants_nothing_and_refreshes_nothing(fresh):
    partner, holder = make_partner(fresh), make_holder(fresh)
    tokens, waiting = holder.tokens_for(partner), partner.begin()
    with fresh.database.transaction() as connection:
        chip = chip_of(connection, holder.card)
        report_loss(fresh.runtime.ground, connection, chip, actor="op-1")
    assert partner.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert answer_of(holder.approve(waiting))["error"] == "access_denied"
    with fresh.database.transaction() as connection:
        lift_loss(fresh.runtime.ground, connection, chip, actor="op-1")
    assert partner.refresh(tokens["refresh_token"]).status_code == 200


def chip_of(connection, card):
    return get_card(connection, card).chip_card


def test_the_holder_says_no(server, holder, partner):
    answer = answer_of(holder.deny(partner.begin()))
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "st-1", ISSUER)


def test_the_holder_allows_less_than_was_asked_for(server, holder, partner):
    tokens = holder.tokens_for(partner, None, scopes=("openid", "card.read"))
    assert tokens["scope"] == "openid card.read"
    assert "refresh_token" not in tokens


# ── Pseudonyms and levels ────────────────────────────────────────────────────────────────────────────────────────


def test_a_holder_has_another_name_in_each_sector_and_the_same_in_one(server, holder):
    other = ["https://clinic.example/cb"]
    clients = [make_partner(server), make_partner(server), make_partner(server, redirect_uris=other)]
    names = [claims_of(holder.tokens_for(client)["access_token"])["sub"] for client in clients]
    assert names[0] == names[1]
    assert names[0] != names[2]


@pytest.mark.parametrize(
    ("changes", "acr", "error"),
    [
        ({"scope": "openid"}, "L1", None),
        ({"scope": "openid card.read"}, "L1", "unmet_authentication_requirements"),
        ({"scope": "openid card.read"}, "L2", None),
        ({"scope": "openid card.present"}, "L1", "unmet_authentication_requirements"),
        ({"scope": "openid card.present"}, "L2", None),
        ({"scope": "openid card.pay"}, "L2", "unmet_authentication_requirements"),
        ({"scope": "openid card.pay"}, "L3", None),
        ({"scope": "openid", "acr_values": "L3 L2"}, "L2", None),
        ({"scope": "openid", "acr_values": "L3"}, "L2", "unmet_authentication_requirements"),
        ({"scope": "openid", "acr_values": "L3 urn:other"}, "L3", None),
    ],
)
def test_a_login_reaches_the_level_that_was_asked_for_or_ends(server, holder, changes, acr, error):
    partner = make_partner(server, scopes=("openid", "card.read", "card.present", "card.pay"))
    answer = answer_of(holder.approve(partner.begin(**changes), acr=acr))
    assert answer.get("error") == error
    assert ("code" in answer) == (error is None)


# ── Introspection and revocation ─────────────────────────────────────────────────────────────────────────────────


def test_a_client_looks_at_its_own_tokens(server, holder, partner):
    tokens = holder.tokens_for(partner)
    access = partner.post("/oauth/introspect", {"token": tokens["access_token"]}).json()
    assert access["active"] is True
    assert (access["token_type"], access["client_id"]) == ("DPoP", partner.id)
    assert access["cnf"] == {"jkt": partner.dpop.thumbprint}
    refresh = partner.post("/oauth/introspect", {"token": tokens["refresh_token"], "token_type_hint": "x"}).json()
    assert (refresh["active"], refresh["sub"]) == (True, access["sub"])
    server.clock.step(300)
    assert partner.post("/oauth/introspect", {"token": tokens["access_token"]}).json() == {"active": False}


def test_a_resource_looks_at_tokens_that_are_for_it_and_at_no_others(server, holder):
    resource = "https://settlement.example/api"
    partner = make_partner(server, audiences=[f"{ISSUER}/v1", resource])
    settlement = make_relying_party(server, resource=resource)
    for_it = holder.tokens_for(partner, {"scope": "openid offline_access", "resource": resource})
    for_us = holder.tokens_for(partner)
    looked = [
        settlement.post("/oauth/introspect", {"token": token}).json()["active"]
        for token in (for_it["access_token"], for_us["access_token"], for_it["refresh_token"], "x", "a.b.c")
    ]
    assert looked == [True, False, False, False, False]
    assert make_native(server).post("/oauth/introspect", {"token": for_it["access_token"]}).status_code == 401


def test_a_revoked_access_token_opens_nothing_and_its_sisters_still_do(both):
    partner, holder = make_partner(both), make_holder(both)
    tokens = holder.tokens_for(partner)
    sister = partner.refresh(tokens["refresh_token"]).json()["access_token"]
    assert partner.call(tokens["access_token"]).status_code == 200
    for _ in range(2):
        assert partner.post("/oauth/revoke", {"token": tokens["access_token"]}).status_code == 200
    assert partner.call(tokens["access_token"]).status_code == 401
    assert partner.call(sister).status_code == 200


def test_a_revoked_refresh_token_takes_its_family_with_it(server, holder, partner):
    tokens = holder.tokens_for(partner)
    assert partner.post("/oauth/revoke", {"token": tokens["refresh_token"]}).status_code == 200
    assert partner.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert partner.call(tokens["access_token"]).status_code == 401


def test_nobody_revokes_the_tokens_of_others(server, holder, partner):
    tokens, other = holder.tokens_for(partner), make_partner(server)
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert other.post("/oauth/revoke", {"token": token}).status_code == 200
    assert other.post("/oauth/revoke", {"token": "unknown"}).status_code == 200
    assert partner.call(tokens["access_token"]).status_code == 200
