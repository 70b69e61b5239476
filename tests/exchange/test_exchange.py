"""A partner returns to a link: what it gets, how much less than the link that is, and when it gets nothing."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from auth.devices import end_device
from auth.oauth.client_register import add_client_key, set_client_standing
from auth.oauth.grants import end_grant
from auth.oauth.models import oauth_grants
from core.audit import audit_entries
from ecard.standing import cancel_card, lift_loss, report_loss
from sm.digest import sm3
from tests.exchange.returning import ACCESS_TOKEN, GRANT, JWT, Link, claims_of, make_link
from tests.oauth.clients_of_tests import Key, make_client, make_native, make_partner, make_relying_party
from tests.oauth.holder import make_holder
from tests.service import ISSUER, PROVIDER, running_service

DAY = 86_400
WALLET = "https://wallet.example/api"


@pytest.fixture
def link(holder, partner) -> Link:
    return make_link(holder, partner)


def refused(answer, error, status=400):
    assert (answer.status_code, answer.json().get("error")) == (status, error), answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json()) <= {"error", "error_description"}


# ── What it gives ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_statement_about_a_linked_customer_becomes_a_token_of_some_minutes(both):
    link = make_link(make_holder(both), make_partner(both))
    answer = link.exchange()
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (body["issued_token_type"], body["token_type"]) == (ACCESS_TOKEN, "DPoP")
    assert (body["expires_in"], body["scope"]) == (300, "card.read card.present")
    assert answer.headers["Cache-Control"] == "no-store"
    claims = claims_of(body["access_token"])
    told = {"sub": link.subject, "client_id": link.client.id, "act": {"sub": link.client.id}, "aud": f"{ISSUER}/v1"}
    assert claims.items() >= told.items()
    assert claims["cnf"] == {"jkt": link.client.dpop.thumbprint}
    assert claims["exp"] - claims["iat"] == 300
    assert claims["grant"] == link.grant


def test_assurance_is_that_of_the_link_and_says_when_the_holder_proved_it(server, link):
    linked_at = link.client.now()
    server.clock.step(3 * DAY)
    for acr in ("L1", "L2", "L3"):
        claims = claims_of(link.token(statement=link.statement(acr=acr)))
        assert (claims["acr"], claims["auth_time"], claims["amr"]) == ("L3", linked_at, ["hwk", "pin"])


def test_a_partner_that_claims_more_gets_no_more_than_the_link(server, holder):
    low = make_link(holder, make_partner(server), {"scope": "openid offline_access card.read"}, acr="L2")
    assert claims_of(low.token(statement=low.statement(acr="L3")))["acr"] == "L2"


def test_a_resource_is_told_who_acts(server, link):
    told = link.introspect(link.token())
    assert (told["active"], told["act"], told["cnf"]) == (
        True,
        {"sub": link.client.id},
        {"jkt": link.client.dpop.thumbprint},
    )
    assert "act" not in link.introspect(link.tokens["access_token"])


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA", "Ed25519", "SGD_SM3_SM2"])
def test_statements_are_signed_with_each_algorithm_of_clients(server, holder, algorithm):
    assert make_link(holder, make_partner(server, algorithm)).exchange().status_code == 200


def test_a_partner_with_a_certificate_signs_statements_with_a_key_of_its_own(tmp_path, sqlite_url):
    with running_service(sqlite_url, tmp_path, trusted_proxy="127.0.0.1") as service:
        subject, certificate = made_certificate()
        partner = make_client(service, "partner", "tls_client_auth", tls_subject=subject)
        key, plain = Key(), partner.headers
        with service.database.transaction() as connection:
            add_client_key(connection, PROVIDER, partner.id, key.jwk, at=service.clock())
        partner.headers = lambda: plain() | {"ClientCert": certificate}
        link = make_link(make_holder(service), partner)
        assert link.exchange(link.statement(key=key)).status_code == 200
        refused(link.exchange(link.statement(key=Key())), "invalid_request")


def made_certificate() -> tuple[str, str]:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=bank.example,O=Bank")
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begins).not_valid_after(begins + timedelta(days=365))
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return name.rfc4514_string(), f":{b64encode(der).decode()}:"


def test_the_server_says_that_it_exchanges_tokens(server):
    assert GRANT in server.http.get("/.well-known/oauth-authorization-server").json()["grant_types_supported"]


# ── How much less than the link ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("scope", ["card.read", "card.present", "card.read card.present"])
def test_fewer_scopes_may_be_asked_for(link, scope):
    assert link.exchange(scope=scope).json()["scope"] == scope


@pytest.mark.parametrize(
    "scope",
    ["openid", "offline_access", "card.read openid", "card.read card.read", "card.write", "x", " ", "card.read "],
)
def test_what_only_a_redirect_gives_is_not_in_it(link, scope):
    refused(link.exchange(scope=scope), "invalid_scope")


def test_nothing_beyond_the_link_is_in_it(server, holder):
    link = make_link(holder, make_partner(server), {"scope": "openid offline_access card.read"})
    assert link.exchange().json()["scope"] == "card.read"
    refused(link.exchange(scope="card.present"), "invalid_scope")


def test_a_link_without_anything_silent_gives_nothing(server, holder):
    refused(make_link(holder, make_partner(server), {"scope": "openid offline_access"}).exchange(), "invalid_scope")


def test_showing_the_card_needs_a_customer_authenticated_by_two_factors(link):
    weak = {"acr": "L1"}
    assert link.exchange(link.statement(**weak)).json()["scope"] == "card.read"
    assert link.exchange(link.statement(**weak), scope="card.read").status_code == 200
    refused(link.exchange(link.statement(**weak), scope="card.present"), "invalid_scope")


def test_it_is_for_no_more_resources_than_the_link(server, holder):
    partner = make_partner(server, audiences=[f"{ISSUER}/v1", WALLET, "https://third.example"])
    link = make_link(holder, partner, {"resource": [f"{ISSUER}/v1", WALLET]})
    assert claims_of(link.token())["aud"] == [f"{ISSUER}/v1", WALLET]
    assert claims_of(link.token(resource=WALLET))["aud"] == WALLET
    for resource in ("https://third.example", "https://nobody.example", "x"):
        refused(link.exchange(resource=resource), "invalid_target")
    refused(link.exchange(audience=WALLET), "invalid_target")


def test_who_the_holder_is_to_the_client_is_not_told_anew(link):
    assert link.client.call(link.token()).status_code == 401  # userinfo is another resource


@pytest.mark.parametrize("seconds", [60, 300, 600])
def test_it_never_lives_longer_than_five_minutes(tmp_path, sqlite_url, seconds):
    with running_service(sqlite_url, tmp_path, token_seconds=seconds) as service:
        link = make_link(make_holder(service), make_partner(service))
        body = link.exchange().json()
        assert body["expires_in"] == min(seconds, 300)
        service.clock.step(body["expires_in"] - 1)
        assert link.introspect(body["access_token"])["active"] is True
        service.clock.step(1)
        assert link.introspect(body["access_token"])["active"] is False


def test_it_never_outlives_the_link(server, link):
    server.clock.step(180 * DAY - 100)
    assert link.exchange().json()["expires_in"] == 100


# ── Who and how ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_token": ""},
        {"subject_token_type": None},
        {"subject_token_type": ""},
        {"subject_token_type": ACCESS_TOKEN},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"subject_token_type": JWT.upper()},
        {"requested_token_type": JWT},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"requested_token_type": "x"},
        {"actor_token": "x"},
        {"actor_token_type": JWT},
        {"actor_token": "x", "actor_token_type": JWT},
    ],
)
def test_a_form_that_asks_for_anything_else_is_refused(link, changes):
    statement = link.statement()
    refused(link.exchange(statement, **changes), "invalid_request")
    assert link.exchange(statement).status_code == 200  # what was not read is not spent


def test_an_access_token_may_be_asked_for_by_its_name(link):
    assert link.exchange(requested_token_type=ACCESS_TOKEN).status_code == 200


def test_a_request_without_a_proof_of_the_app_s_key_is_refused(link):
    refused(link.exchange(proven=False), "invalid_dpop_proof")


def test_the_token_is_bound_to_the_key_of_the_request_not_to_that_of_the_link(link):
    link.client.dpop = Key()
    assert claims_of(link.token())["cnf"] == {"jkt": link.client.dpop.thumbprint}


def test_a_client_that_does_not_prove_itself_is_refused(link):
    link.client.identity = lambda: {"client_id": link.client.id}
    refused(link.exchange(), "invalid_client", 401)


def test_other_profiles_have_no_links(server, holder, link):
    for other in (make_native(server), make_relying_party(server)):
        form = {"grant_type": GRANT, "subject_token_type": JWT, "subject_token": link.statement()}
        refused(other.post("/oauth/token", form, proven=other.dpop is not None), "unauthorized_client")


# ── No link ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("subject", ["", "x", "A" * 43, "crd_" + "0" * 26, "x" * 2000])
def test_a_subject_that_is_nobody_s_is_refused(link, subject):
    refused(link.exchange(link.statement(sub=subject)), "invalid_grant")


def test_the_subject_of_another_client_is_refused_also_within_its_sector(server, holder, link):
    neighbour = make_partner(server)
    assert claims_of(holder.tokens_for(neighbour, {"scope": "openid"})["access_token"])["sub"] == link.subject
    for other in (neighbour, make_partner(server, sector="other.example")):
        refused(Link(other, link.subject, {}).exchange(), "invalid_grant")


def test_a_grant_that_does_not_last_is_no_link(server, holder):
    refused(make_link(holder, make_partner(server), {"scope": "openid card.read"}).exchange(), "invalid_grant")


def test_an_access_token_s_own_subject_is_no_card_and_no_client(link):
    for subject in (link.client.id, link.grant):
        refused(link.exchange(link.statement(sub=subject)), "invalid_grant")


def test_a_link_ends_for_its_partner_with_what_it_stands_on(fresh):
    holder, partner = make_holder(fresh), make_partner(fresh)
    link = make_link(holder, partner)
    token = link.token()
    stand(fresh, holder.card, report_loss)
    refused(link.exchange(), "invalid_grant")
    stand(fresh, holder.card, lift_loss)
    assert link.exchange().status_code == 200
    with fresh.database.transaction() as connection:
        set_client_standing(connection, partner.id, "suspended")
    answer = link.exchange()
    assert (answer.status_code, answer.json()["error"]) in {(400, "invalid_grant"), (401, "invalid_client")}
    with fresh.database.transaction() as connection:
        set_client_standing(connection, partner.id, "active")
        end_device(connection, holder.device, because="test", at=fresh.clock())
    refused(link.exchange(), "invalid_grant")
    assert link.introspect(token)["active"] is False


def test_a_revoked_card_is_returned_to_by_nobody(fresh):
    holder = make_holder(fresh)
    link = make_link(holder, make_partner(fresh))
    stand(fresh, holder.card, cancel_card)
    refused(link.exchange(), "invalid_grant")


def stand(service, card: str, act: Any) -> None:
    with service.database.transaction() as connection:
        query = sa.text("SELECT chip_card FROM electronic_cards WHERE id = :card")
        chip = connection.execute(query, {"card": card}).scalar_one()
        act(service.runtime.ground, connection, chip, actor="op-1")


def test_what_never_was_has_ended_or_does_not_stand_looks_alike(fresh):
    holder = make_holder(fresh)
    link, never = (make_link(holder, make_partner(fresh)) for _ in range(2))
    said = {never.exchange(never.statement(sub="A" * 43)).text}
    with fresh.database.transaction() as connection:
        end_grant(fresh.runtime.ground, connection, never.grant, because="ended_by_holder", actor="holder")
    said.add(never.exchange().text)
    stand(fresh, holder.card, report_loss)
    said.add(link.exchange().text)
    assert len(said) == 1


def test_a_link_that_the_holder_ends_is_over_at_once_with_its_tokens(server, link):
    token = link.token()
    with server.database.transaction() as connection:
        end_grant(server.runtime.ground, connection, link.grant, because="ended_by_holder", actor="holder")
    refused(link.exchange(), "invalid_grant")
    assert link.introspect(token)["active"] is False


def test_a_link_that_the_partner_gave_back_is_over(link):
    link.client.post("/oauth/revoke", {"token": link.tokens["refresh_token"]})
    refused(link.exchange(), "invalid_grant")


@pytest.mark.parametrize(("seconds", "status"), [(-60, 200), (-1, 200), (0, 400), (1, 400)])
def test_a_link_ends_after_its_days(server, link, seconds, status):
    server.clock.step(180 * DAY + seconds)
    assert link.exchange().status_code == status


def test_the_latest_of_several_links_counts_and_the_earlier_one_stays(server, holder, partner):
    first = make_link(holder, partner)
    server.clock.step(1)
    second = make_link(holder, partner, {"scope": "openid offline_access card.read"})
    assert (first.subject, claims_of(first.token())["grant"]) == (second.subject, second.grant)
    assert first.exchange().json()["scope"] == "card.read"
    with server.database.transaction() as connection:
        end_grant(server.runtime.ground, connection, second.grant, because="ended_by_holder", actor="holder")
    assert claims_of(first.token())["grant"] == first.grant


def test_a_grant_of_earlier_days_without_a_handle_has_to_be_linked_anew(server, link):
    with server.database.transaction() as connection:
        mine = oauth_grants.c.id == link.grant
        connection.execute(oauth_grants.update().where(mine).values(subject=None))
    refused(link.exchange(), "invalid_grant")


# ── What is kept ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_the_partner_vouched_for_is_kept_without_its_statement(server, link):
    statement = link.statement()
    token = link.token(statement=statement)
    with server.database.transaction() as connection:
        mine = audit_entries.c.act == "oauth.link_returned", audit_entries.c.subject == link.grant
        entry = connection.execute(sa.select(audit_entries).where(*mine)).one()
        rows = [str(tuple(row)) for row in connection.execute(sa.select(oauth_grants))]
    assert entry.actor == link.client.id
    assert sm3(statement.encode()).hex() in entry.detail
    for secret in (statement, token, link.subject):
        assert not any(secret in text for text in (entry.detail, *rows))
