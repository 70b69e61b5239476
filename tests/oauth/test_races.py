"""Whoever races, one wins: threads behind a barrier, each with a connection of its own to PostgreSQL."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from auth.oauth.interactions import LoginRequestOver
from auth.oauth.models import authorization_codes, oauth_grants, refresh_tokens
from tests.oauth.clients_of_tests import ASSERTION_TYPE, answer_of, make_native, make_partner
from tests.service import ISSUER, START

MANY, ROUNDS = 16, 5
pytestmark = pytest.mark.parametrize("round_", range(ROUNDS))


@pytest.fixture
def race(shared_race):
    service, holder = shared_race
    service.clock.now = START
    return service, holder


def at_once(act: Callable[[int], Any], many: int = MANY) -> list[Any]:
    barrier, results = threading.Barrier(many), [None] * many

    def run(number: int) -> None:
        barrier.wait(30)
        results[number] = act(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def browser(service) -> httpx.Client:
    return httpx.Client(transport=httpx.WSGITransport(app=service.app), base_url=ISSUER)


def alone(client):
    """Give the client a connection of its own."""
    made = replace(client, service=replace(client.service, http=browser(client.service)))
    made.dpop = client.dpop
    return made


def count(service, table, *conditions) -> int:
    with service.database.transaction() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one()


def test_a_code_redeemed_by_many_at_once_has_one_winner_and_ends_its_family(race, round_):
    service, holder = race
    partner = make_partner(service)
    code = holder.code_for(partner)
    answers = at_once(lambda _number: alone(partner).redeem(code))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: MANY - 1}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert count(service, refresh_tokens, refresh_tokens.c.client == partner.id) == 1
    assert partner.call(winner["access_token"]).status_code == 401
    assert partner.refresh(winner["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_sent_by_many_at_once_has_one_successor(race, round_):
    service, holder = race
    native = make_native(service, dpop=False)
    token = holder.tokens_for(native)["refresh_token"]
    answers = at_once(lambda _number: alone(native).refresh(token))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert count(service, refresh_tokens, refresh_tokens.c.client == native.id) == 2


def test_a_replay_by_many_at_once_ends_the_family_once(race, round_):
    service, holder = race
    native = make_native(service, dpop=False)
    token = holder.tokens_for(native)["refresh_token"]
    successor = native.refresh(token).json()["refresh_token"]
    service.clock.step(11)
    answers = at_once(lambda _number: alone(native).refresh(token))
    assert {answer.json().get("error") for answer in answers} == {"invalid_grant"}
    assert native.refresh(successor).json()["error"] == "invalid_grant"
    assert count(service, oauth_grants, oauth_grants.c.client == native.id, oauth_grants.c.ended_at.is_(None)) == 0


def test_an_assertion_sent_by_many_at_once_is_taken_once(race, round_):
    service, _holder = race
    partner = make_partner(service)
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": partner.assertion(), **partner.parameters()}

    def push(_number: int) -> int:
        with browser(service) as http:
            return http.post("/oauth/par", data=form).status_code

    assert Counter(at_once(push)) == {201: 1, 401: MANY - 1}


def test_a_proof_sent_by_many_at_once_is_taken_once(race, round_):
    service, holder = race
    partner = make_partner(service)
    token = holder.tokens_for(partner)["refresh_token"]
    proof = partner.proof("/oauth/token")
    forms = [{**partner.identity(), "grant_type": "refresh_token", "refresh_token": token} for _ in range(MANY)]

    def refresh(number: int) -> int:
        with browser(service) as http:
            return http.post("/oauth/token", data=forms[number], headers={"DPoP": proof}).status_code

    assert Counter(at_once(refresh)) == {200: 1, 400: MANY - 1}


def test_a_request_uri_in_many_browsers_is_spent_by_one(race, round_):
    service, holder = race
    partner = make_partner(service)
    asked = {"client_id": partner.id, "request_uri": partner.push().json()["request_uri"]}
    begun = []
    for _ in range(MANY):
        with browser(service) as http:
            begun.append(partner.authorize(http, **asked).headers["Location"].rpartition("/")[2])
    assert len(set(begun)) == MANY

    def approve(number: int) -> str:
        try:
            return answer_of(holder.approve(begun[number]))["code"]
        except LoginRequestOver:
            return "over"

    results = at_once(approve)
    assert results.count("over") == MANY - 1
    assert count(service, authorization_codes, authorization_codes.c.client == partner.id) == 1
    assert count(service, oauth_grants, oauth_grants.c.client == partner.id) == 1


def test_a_browser_that_loads_many_times_at_once_begins_one_login_request(race, round_):
    service, _holder = race
    partner = make_partner(service)
    asked = {"client_id": partner.id, "request_uri": partner.push().json()["request_uri"]}
    with browser(service) as first:
        partner.authorize(first, **asked)
        cookies = dict(first.cookies)

    def load(_number: int) -> str:
        with browser(service) as http:
            http.cookies.update(cookies)
            return partner.authorize(http, **asked).headers["Location"]

    assert len(set(at_once(load))) == 1
