"""An assertion or a proof is good once, whatever becomes of the stores that remember it: away means refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from core.ephemeral import open_redis
from tests.fapi2.walk import refused
from tests.oauth.clients_of_tests import OAuthClient, make_partner
from tests.oauth.conftest import MANY_A_MINUTE
from tests.oauth.holder import Holder, make_holder
from tests.servers import free_port
from tests.service import Service, running_service


@dataclass
class Remembering:
    """A service with Redis, whose Redis can be taken away."""

    service: Service
    holder: Holder
    partner: OAuthClient

    def take_redis_away(self) -> None:
        self.service.runtime.ground.ephemeral._first._redis = open_redis(f"redis://127.0.0.1:{free_port()}/0")


@pytest.fixture
def remembering(sqlite_url: str, redis_url: str, tmp_path: Any) -> Iterator[Remembering]:
    with running_service(sqlite_url, tmp_path, redis_url=redis_url, **MANY_A_MINUTE) as service:
        yield Remembering(service, make_holder(service), make_partner(service))


def test_an_assertion_stays_used_when_redis_goes_away(remembering):
    partner = remembering.partner
    form = {**partner.identity(), **partner.parameters()}
    assert partner.http.post("/oauth/par", data=form).status_code == 201
    remembering.take_redis_away()
    refused(partner.http.post("/oauth/par", data=form), "invalid_client", 401)
    assert partner.push().status_code == 201


def test_a_proof_at_the_token_endpoint_stays_used_when_redis_goes_away(remembering):
    partner = remembering.partner
    token, proof = remembering.holder.tokens_for(partner)["refresh_token"], partner.proof("/oauth/token")
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert partner.post("/oauth/token", form, DPoP=proof).status_code == 200
    remembering.take_redis_away()
    refused(partner.post("/oauth/token", form, DPoP=proof), "invalid_dpop_proof")
    assert partner.refresh(token).status_code == 200


def test_a_proof_at_a_resource_stays_used_when_redis_goes_away(remembering):
    partner = remembering.partner
    token = remembering.holder.tokens_for(partner)["access_token"]
    first = partner.call(token)
    remembering.take_redis_away()
    again = partner.http.get("/oauth/userinfo", headers=dict(first.request.headers))
    assert (first.status_code, again.status_code, again.json()["code"]) == (200, 401, "proof_wrong")
    assert partner.call(token).status_code == 200


def test_a_failed_request_has_used_its_assertion(remembering):
    partner = remembering.partner
    form = {**partner.identity(), "grant_type": "refresh_token", "refresh_token": "x" * 43}
    headers = {"DPoP": partner.proof("/oauth/token")}
    refused(partner.http.post("/oauth/token", data=form, headers=headers), "invalid_grant")
    refused(partner.http.post("/oauth/token", data=form, headers=headers), "invalid_client", 401)
    form |= {**partner.identity(), "refresh_token": remembering.holder.tokens_for(partner)["refresh_token"]}
    answer = partner.http.post("/oauth/token", data=form, headers=headers)
    assert answer.status_code == 200, answer.text  # the first request ended before its proof was looked at


def test_without_the_database_nothing_is_granted(postgres_server, tmp_path):
    name = postgres_server.create_database()
    with running_service(postgres_server.url(name), tmp_path, **MANY_A_MINUTE) as service:
        partner = make_partner(service)
        tokens = make_holder(service).tokens_for(partner)
        postgres_server.drop_database(name)
        answers = [
            partner.push(),
            partner.refresh(tokens["refresh_token"]),
            partner.call(tokens["access_token"]),
            partner.post("/oauth/introspect", {"token": tokens["access_token"]}),
        ]
    for answer in answers:
        refused(answer, "temporarily_unavailable", 503)
        assert int(answer.headers["Retry-After"]) >= 1
