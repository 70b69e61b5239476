"""What the server says of itself is true, and other programs can read it."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc.jwk import KeySet

from sm.errors import KeyNotUsable
from sm.token_keys import ES256, SM2, rotate_token_keys, token_ring, withdraw_token_key
from tests.service import ISSUER, PROVIDER, running_service

LEAD = timedelta(days=1)


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("/.well-known/oauth-authorization-server", AuthorizationServerMetadata),
        ("/.well-known/openid-configuration", OpenIDProviderMetadata),
    ],
)
def test_the_metadata_is_what_the_specification_asks_for(server, address, form):
    answer = server.http.get(address)
    assert answer.status_code == 200
    assert answer.json()["issuer"] == ISSUER
    said = answer.json()
    said["id_token_signing_alg_values_supported"].append("RS256")  # OpenID asks for it, FAPI 2.0 forbids it
    form(said).validate()


def test_every_endpoint_that_is_named_is_there(server):
    named = {
        value
        for name, value in server.http.get("/.well-known/openid-configuration").json().items()
        if name.endswith(("_endpoint", "_uri"))
    }
    routes = {rule.rule for rule in server.app.url_map.iter_rules()}
    assert {urlsplit(address).path for address in named} <= routes


def test_the_resource_names_its_authorization_server(server):
    said = server.http.get("/.well-known/oauth-protected-resource/v1").json()
    assert said["resource"] == f"{ISSUER}/v1"
    assert said["authorization_servers"] == [ISSUER]


def kids(server):
    return [key["kid"] for key in server.http.get("/oauth/jwks").json()["keys"]]


def test_the_next_key_is_published_before_it_signs_and_the_retired_one_while_its_tokens_live(fresh):
    published = fresh.http.get("/oauth/jwks")
    assert "d" not in published.text.split('"')
    assert len(KeySet.import_key_set(published.json()).keys) == 2
    assert kids(fresh) == ["es256-1", "es256-2"]
    store = fresh.runtime.store
    with pytest.raises(KeyNotUsable):
        rotate_token_keys(store, PROVIDER, ES256, fresh.clock() + timedelta(hours=1), LEAD)
    fresh.clock.step(LEAD.total_seconds())
    rotate_token_keys(store, PROVIDER, ES256, fresh.clock(), LEAD)
    fresh.runtime.oauth.desk.token_keys._look_at = 0.0
    assert kids(fresh) == ["es256-2", "es256-3", "es256-1"]
    fresh.clock.step(16 * 60)
    assert kids(fresh) == ["es256-2", "es256-3"]


def test_a_withdrawn_key_is_published_no_more_and_the_next_takes_its_place(fresh):
    fresh.clock.step(LEAD.total_seconds())
    withdraw_token_key(fresh.runtime.store, PROVIDER, ES256, "es256-1", fresh.clock(), LEAD)
    fresh.runtime.oauth.desk.token_keys._look_at = 0.0
    assert kids(fresh) == ["es256-2", "es256-3"]
    assert token_ring(fresh.runtime.store, ES256).current().kid == "es256-2"


def test_a_deployment_of_sm_algorithms_alone_publishes_sm2_keys(sqlite_url, tmp_path):
    with running_service(sqlite_url, tmp_path, token_algorithm="SGD_SM3_SM2") as server:
        assert kids(server) == ["sm2-1", "sm2-2"]
        first = server.http.get("/oauth/jwks").json()["keys"][0]
        assert (first["kty"], first["crv"], first["alg"]) == ("EC", "SM2", SM2.algorithm)
        said = server.http.get("/.well-known/openid-configuration").json()
        assert said["id_token_signing_alg_values_supported"] == [SM2.algorithm]
