"""Whoever races with one statement, one wins; a link that ends meanwhile gives nothing that counts."""

from collections import Counter

import pytest

from auth.oauth.grants import end_grant
from tests.exchange.returning import Link, make_link
from tests.oauth.clients_of_tests import make_partner
from tests.oauth.test_races import MANY, ROUNDS, alone, at_once
from tests.service import START

pytestmark = pytest.mark.parametrize("round_", range(ROUNDS))


@pytest.fixture
def link(shared_race) -> Link:
    service, holder = shared_race
    service.clock.now = START
    return make_link(holder, make_partner(service))


def test_a_statement_sent_by_many_at_once_is_taken_once(link, round_):
    statement = link.statement()
    answers = at_once(lambda _number: Link(alone(link.client), link.subject, {}).exchange(statement))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: MANY - 1}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_request"}


def test_a_link_that_ends_while_many_return_to_it_leaves_no_live_token(link, round_):
    service = link.client.service

    def act(number: int) -> str | None:
        if number == MANY // 2:
            with service.database.transaction() as connection:
                end_grant(service.runtime.ground, connection, link.grant, because="ended_by_holder", actor="holder")
            return None
        answer = Link(alone(link.client), link.subject, {}).exchange(link.statement())
        assert answer.status_code in {200, 400}, answer.text
        return answer.json().get("access_token")

    for token in filter(None, at_once(act)):
        assert link.introspect(token) == {"active": False}
    assert link.exchange().json()["error"] == "invalid_grant"
