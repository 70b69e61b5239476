"""An assertion or a proof is good once, whatever becomes of the stores that remember it: away means refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from core.ephemeral import RedisEphemeral, open_redis
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
        away = open_redis(f"redis://127.0.0.1:{free_port()}/0")
        self.service.runtime.ground.ephemeral._first = RedisEphemeral(away)


@pytest.fixture
def remembering(sqlite_url: str, redis_url: str, tmp_path: Any) -> Iterator[Remembering]:
    with running_service(sqlite_url, tmp_path, redis_url=redis_url, **MANY_A_MINUTE) as service:
        yield Remembering(service, make_holder(service), make_partner(service))


def test_what_redis_may_have_seen_is_refused_when_it_goes_away(remembering):
    partner, holder = remembering.partner, remembering.holder
    tokens = holder.tokens_for(partner)
    form, other = ({**partner.identity(), **partner.parameters()} for _ in range(2))
    assert [partner.http.post("/oauth/par", data=sent).status_code for sent in (form, other)] == [201, 201]
    used = partner.call(tokens["access_token"])
    remembering.take_redis_away()
    unavailable(partner.http.post("/oauth/par", data=form))
    unavailable(partner.http.get("/oauth/userinfo", headers=dict(used.request.headers)))
    for _ in range(2):
        unavailable(partner.push())
        unavailable(partner.refresh(tokens["refresh_token"]))
        unavailable(partner.call(tokens["access_token"]))
        remembering.service.clock.step(5)
    unavailable(partner.http.post("/oauth/par", data=other))  # made before Redis went, whenever it comes


def test_what_was_made_after_redis_went_away_is_taken_and_good_once(remembering):
    partner = remembering.partner
    tokens = remembering.holder.tokens_for(partner)
    remembering.take_redis_away()
    unavailable(partner.push())
    remembering.service.clock.step(11)
    form = {**partner.identity(), **partner.parameters()}
    assert partner.http.post("/oauth/par", data=form).status_code == 201
    refused(partner.http.post("/oauth/par", data=form), "invalid_client", 401)
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    proof = partner.proof("/oauth/token")
    assert partner.post("/oauth/token", refresh, DPoP=proof).status_code == 200
    refused(partner.post("/oauth/token", refresh, DPoP=proof), "invalid_dpop_proof")
    first = partner.call(tokens["access_token"])
    again = partner.http.get("/oauth/userinfo", headers=dict(first.request.headers))
    assert (first.status_code, again.status_code, again.json()["code"]) == (200, 401, "proof_wrong")


def test_a_redis_that_came_back_empty_lets_nothing_pass_twice(remembering, redis_server):
    partner, memory = remembering.partner, remembering.service.runtime.ground.ephemeral
    form = {**partner.identity(), **partner.parameters()}
    assert partner.http.post("/oauth/par", data=form).status_code == 201
    there = memory._first
    remembering.take_redis_away()
    unavailable(partner.push())
    redis_server.flush()
    memory._first, memory._breaker.seconds = there, 0
    unavailable(partner.http.post("/oauth/par", data=form))
    remembering.service.clock.step(11)
    assert partner.push().status_code == 201


def unavailable(answer):
    refused(answer, "temporarily_unavailable", 503)
    assert int(answer.headers["Retry-After"]) >= 1


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
        unavailable(answer)
