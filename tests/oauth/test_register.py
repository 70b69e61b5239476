"""The register of clients: what a profile does not allow is not entered."""

import contextlib

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import cli.clients
from auth.oauth.client_register import (
    MOST_LIVE,
    Registration,
    TooManyClientKeys,
    add_client_key,
    add_client_secret,
    list_client_keys,
    register_client,
    set_client_standing,
    withdraw_client_key,
)
from auth.oauth.models import oauth_client_keys
from core.audit import audit_entries
from core.errors import Malformed, Missing
from core.ids import new_id
from tests.oauth.clients_of_tests import LOOPBACK, REDIRECT, Key, make_partner, make_relying_party
from tests.service import PROVIDER

GOOD = {
    "profile": "partner",
    "name_zh": "示范银行",
    "name_en": "Example Bank",
    "authentication": "private_key_jwt",
    "redirect_uris": [REDIRECT],
    "scopes": ["openid"],
}


def register(server, **changes):
    with server.database.transaction() as connection:
        given = Registration(**{**GOOD, **changes})
        return register_client(connection, given, default_audience=server.runtime.oauth.desk.api, at=server.clock())


@pytest.mark.parametrize(
    "changes",
    [
        {"profile": "guest"},
        {"name_zh": ""},
        {"authentication": "client_secret_basic"},
        {"authentication": "none"},
        {"authentication": "tls_client_auth"},
        {"tls_subject": "CN=bank"},
        {"redirect_uris": []},
        {"redirect_uris": ["http://partner.example/cb"]},
        {"redirect_uris": ["https://partner.example/cb#part"]},
        {"redirect_uris": ["https://user@partner.example/cb"]},
        {"redirect_uris": ["https://*.partner.example/cb"]},
        {"redirect_uris": ["partner://cb"]},
        {"redirect_uris": [LOOPBACK]},
        {"redirect_uris": [REDIRECT, "https://other.example/cb"]},
        {"scopes": ["everything"]},
        {"dpop": False},
        {"audiences": ["/v1"]},
        {"audiences": ["https://api.example/#part"]},
    ],
    ids=str,
)
def test_a_registration_that_its_profile_does_not_allow_is_refused(server, changes):
    with pytest.raises(Malformed):
        register(server, **changes)


def test_redirects_on_two_hosts_are_taken_with_a_sector(server):
    client = register(server, redirect_uris=[REDIRECT, "https://other.example/cb"], sector="bank.example")
    assert server.runtime.oauth.desk.clients.find(client).sector == "bank.example"


def test_a_client_has_at_most_two_live_keys_and_two_live_secrets(server):
    partner, party = make_partner(server), make_relying_party(server)
    with server.database.transaction() as connection:
        now, stored = server.clock(), server.runtime.oauth.desk.stored
        second = add_client_key(connection, PROVIDER, partner.id, Key().jwk, at=now)
        with pytest.raises(TooManyClientKeys):
            add_client_key(connection, PROVIDER, partner.id, Key().jwk, at=now)
        assert withdraw_client_key(connection, partner.id, second, at=now)
        assert not withdraw_client_key(connection, partner.id, second, at=now)
        add_client_key(connection, PROVIDER, partner.id, Key().jwk, at=now)
        add_client_secret(connection, stored, party.id, at=now)
        with pytest.raises(TooManyClientKeys):
            add_client_secret(connection, stored, party.id, at=now)
        assert MOST_LIVE == 2


def test_a_kid_is_never_used_twice(server, partner):
    with server.database.transaction() as connection:
        add_client_key(connection, PROVIDER, partner.id, {**Key().jwk, "kid": "k1"}, at=server.clock())
        withdraw_client_key(connection, partner.id, "k1", at=server.clock())
        with pytest.raises(Malformed):
            add_client_key(connection, PROVIDER, partner.id, {**Key().jwk, "kid": "k1"}, at=server.clock())


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {**Key().jwk, "x": Key().jwk["x"]},
        {**Key().jwk, "y": "AA"},
        {**Key().jwk, "x": 7},
        {**Key().jwk, "d": "AA"},
        {**Key().jwk, "use": "enc"},
        {**Key().jwk, "alg": "PS256"},
        {**Key().jwk, "crv": "SM2"},
        {**Key("SGD_SM3_SM2").jwk, "crv": "P-256"},
        {**Key("EdDSA").jwk, "crv": "Ed448"},
        {**Key("EdDSA").jwk, "x": "AA"},
        {**Key("PS256").jwk, "alg": "RS256"},
        {**Key("PS256").jwk, "e": "Aw"},
        {**Key("PS256").jwk, "n": "AQAB"},
    ],
)
def test_a_key_that_no_client_may_have_is_refused(server, partner, jwk):
    with server.database.transaction() as connection, pytest.raises(Malformed):
        add_client_key(connection, PROVIDER, partner.id, jwk, at=server.clock())


def test_a_secret_is_kept_only_as_its_handle(server):
    party = make_relying_party(server)
    with server.database.transaction() as connection:
        kept = list_client_keys(connection, party.id)[0]
    assert party.secret not in str(kept)
    assert len(kept.secret) == 64


def test_keys_of_an_unknown_client_are_not_entered(server):
    with server.database.transaction() as connection, pytest.raises(Missing):
        add_client_key(connection, PROVIDER, new_id("cli"), Key().jwk, at=server.clock())


def test_a_suspended_client_is_not_found_within_half_a_second(server, partner):
    found = server.runtime.oauth.desk.clients
    ticks = [0.0]
    found._ticks = lambda: ticks[0]
    assert found.find(partner.id) is not None
    with server.database.transaction() as connection:
        assert set_client_standing(connection, partner.id, "suspended")
        assert not set_client_standing(connection, partner.id, "suspended")
    ticks[0] = 0.5
    assert found.find(partner.id) is None


# ── ecard clients ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(server, monkeypatch):
    @contextlib.contextmanager
    def opened():
        yield server.runtime

    monkeypatch.setattr(cli.clients, "opened_runtime", opened)

    def run(*arguments, code=0):
        done = CliRunner().invoke(cli.clients.clients, [*arguments])
        assert done.exit_code == code, done.output
        return done.output.strip()

    return run


def test_an_operator_registers_a_client_and_changes_its_keys(server, run, tmp_path):
    client = run("register", "--profile", "partner", "--name-zh", "示范银行", "--name-en", "Example Bank",
                 "--authentication", "private_key_jwt", "--redirect-uri", REDIRECT, "--scope", "openid",
                 "--operator", "zhang")  # fmt: skip
    assert client.startswith("cli_")
    file = tmp_path / "key.json"
    file.write_text(str(Key().jwk).replace("'", '"'))
    kid = run("add-key", client, "--jwk", str(file), "--operator", "zhang")
    assert "would be withdrawn" in run("withdraw-key", client, kid, "--dry-run", "--operator", "zhang")
    assert "good" in run("keys", client)
    assert run("withdraw-key", client, kid, "--operator", "zhang") == "withdrawn"
    assert "withdrawn" in run("keys", client)
    assert run("set-standing", client, "suspended", "--operator", "zhang") == "suspended"
    assert "suspended" in run("list")
    with server.database.transaction() as connection:
        entries = connection.execute(sa.select(audit_entries.c.act).where(audit_entries.c.subject == client)).all()
    assert [act for (act,) in entries] == [
        "client.registered", "client.key_added", "client.key_withdrawn", "client.standing_changed",
    ]  # fmt: skip


def test_a_secret_is_printed_once(server, run):
    party = make_relying_party(server)
    shown = run("add-secret", party.id, "--operator", "zhang").split()
    assert len(shown[3]) == 43
    with server.database.transaction() as connection:
        assert shown[3] not in str(connection.execute(oauth_client_keys.select()).all())
    assert shown[3] not in run("keys", party.id)


def test_a_file_that_is_no_key_is_wrong_usage(run, partner, tmp_path):
    file = tmp_path / "key.json"
    file.write_text("[]")
    run("add-key", partner.id, "--jwk", str(file), "--operator", "zhang", code=2)
