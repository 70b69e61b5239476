"""Many deliveries at once: one claim, one connection, one settling, and still each piece of news for itself."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from channels.claims import LEASE, MOST_AT_ONCE, claim_deliveries
from channels.models import news_deliveries, news_endpoints
from channels.posting import Posted
from channels.settling import SCHEDULE, settle_deliveries
from channels.webhooks import PATIENCE, deliver_some, list_deliveries
from core.errors import Unavailable
from tests.channels.news_of_tests import CARDS, happen, make_told_partner, tell, with_post
from tests.channels.test_destinations import HOSTILE_ADDRESSES
from tests.channels.test_webhooks import Answers

CARD = CARDS[0]
URL = "https://partner.example/news"


@pytest.fixture
def partner(both):
    told = make_told_partner(both)
    told.link(CARD)
    told.add_endpoint(URL)
    return told


def happened(partner, count: int) -> list[str]:
    events = [happen(partner.service, "card.loss_reported", CARD, standing="suspended") for _ in range(count)]
    tell(partner.service)
    return events


def deliveries(partner):
    with partner.service.database.transaction() as connection:
        return sorted(list_deliveries(connection, partner.channel, limit=500), key=lambda one: one.position)


def test_what_is_due_at_one_address_is_sent_in_its_order_and_settled_together(partner):
    events, network = happened(partner, 7), Answers(204)
    assert deliver_some(with_post(partner.service, network)) == 7
    assert network.ids == events
    assert [(one.state, one.tries, one.reason) for one in deliveries(partner)] == [("delivered", 1, "http_204")] * 7


def test_one_claim_takes_so_many_and_no_more(partner):
    happened(partner, MOST_AT_ONCE + 1)
    desk = with_post(partner.service, Answers(204))
    assert [deliver_some(desk) for _ in range(3)] == [MOST_AT_ONCE, 1, 0]


def test_after_a_failure_the_rest_waits_on_with_the_tries_that_it_had(partner):
    happened(partner, 5)
    assert deliver_some(with_post(partner.service, Answers(204, 204, 500))) == 3
    standing = [(one.state, one.tries) for one in deliveries(partner)]
    assert standing == [("delivered", 1)] * 2 + [("waiting", 1)] + [("waiting", 0)] * 2
    due = [one.next_at - int(partner.service.clock().timestamp() * 1000) for one in deliveries(partner)[2:]]
    assert due == [SCHEDULE[0] * 1000, 0, 0]


def test_an_address_that_failed_last_is_tried_with_one_piece_of_news(partner):
    happened(partner, 5)
    failing = with_post(partner.service, Answers(500))
    assert [deliver_some(failing), len(claim_deliveries(failing))] == [1, 1]


def test_a_slow_partner_keeps_no_more_than_a_second_s_worth(partner):
    happened(partner, 5)

    def slowly(*_given):
        partner.service.clock.step(PATIENCE.total_seconds() * 0.6)
        return Posted(204, "http_204")

    assert deliver_some(with_post(partner.service, slowly)) == 2
    assert [one.tries for one in deliveries(partner)] == [1, 1, 0, 0, 0]
    assert deliver_some(with_post(partner.service, Answers(204))) == 3  # others need not wait for a lease to end


def test_a_key_that_ends_in_between_loses_nothing_of_what_was_sent(partner):
    happened(partner, 4)
    network = Answers(204)

    def fail_at_the_third(*given):
        if len(network.sent) == 2:
            raise Unavailable("no key may sign news now")
        return network(*given)

    with pytest.raises(Unavailable):
        deliver_some(with_post(partner.service, fail_at_the_third))
    assert [one.state for one in deliveries(partner)] == ["delivered"] * 2 + ["waiting"] * 2
    assert deliver_some(with_post(partner.service, Answers(204))) == 1  # the third one's claim has to run out
    partner.service.clock.step(LEASE.total_seconds())
    assert deliver_some(with_post(partner.service, Answers(204))) == 1


def test_a_worker_that_dies_in_the_middle_leaves_all_of_it_to_be_sent_again(partner):
    events, network = happened(partner, 6), Answers(204)

    class Killed(BaseException):
        """The end of a process: nothing of ours catches it."""

    def die_at_the_fourth(*given):
        if len(network.sent) == 3:
            raise Killed
        return network(*given)

    with pytest.raises(Killed):
        deliver_some(with_post(partner.service, die_at_the_fourth))
    assert deliver_some(with_post(partner.service, network)) == 0
    partner.service.clock.step(LEASE.total_seconds())
    assert deliver_some(with_post(partner.service, network)) == 6
    assert Counter(network.ids) == Counter(events[:3]) + Counter(events)
    assert {(one.state, one.tries) for one in deliveries(partner)} == {("delivered", 2)}


def test_who_was_overtaken_settles_nothing_of_its_many(partner):
    happened(partner, 4)
    desk = with_post(partner.service, Answers(204))
    slow = claim_deliveries(desk)
    partner.service.clock.step(LEASE.total_seconds())
    assert deliver_some(desk) == 4
    settle_deliveries(desk, [(slow[0], Posted(500, "http_500"))], slow[1:])
    assert {(one.state, one.tries, one.status) for one in deliveries(partner)} == {("delivered", 2, 204)}


def test_many_workers_share_what_is_due_and_send_each_piece_once(partner):
    events, network = happened(partner, 6 * MOST_AT_ONCE), Answers(204)
    desk = with_post(partner.service, network)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: [deliver_some(desk) for _ in range(12)], range(6)))
    assert Counter(network.ids) == dict.fromkeys(events, 1)
    assert {one.state for one in deliveries(partner)} == {"delivered"}


def test_the_same_news_for_two_addresses_is_signed_once_in_a_second(partner):
    partner.add_endpoint("https://partner.example/again")
    happened(partner, 3)
    network = Answers(204)
    desk = with_post(partner.service, network)
    while deliver_some(desk):
        pass
    by_address: dict[str, list[str]] = {}
    for url, headers, _ in network.sent:
        by_address.setdefault(url, []).append(headers["webhook-signature"])
    first, second = by_address.values()
    assert first == second  # SM2 signatures are random: the same one is the one that was made before
    assert len(set(first)) == 3


def test_addresses_take_turns_by_what_has_waited_longest(partner):
    other = make_told_partner(partner.service)
    other.link(CARD)
    other.add_endpoint("https://other.example/")
    happened(partner, 2)
    partner.service.clock.step(1)
    happened(partner, 2)
    network = Answers(204)
    desk = with_post(partner.service, network)
    assert [deliver_some(desk) for _ in range(3)] == [4, 4, 0]
    assert len({url for url, *_ in network.sent[:4]}) == 1


def test_no_hostile_address_that_a_name_leads_to_meanwhile_is_connected_to(partner):
    happened(partner, 1)
    network = Answers(204)
    good = with_post(partner.service, network)
    assert deliver_some(good) == 1
    for address in HOSTILE_ADDRESSES:
        happened(partner, 1)
        assert deliver_some(replace(good, resolve=lambda *_, given=address: [given]), most=1) == 1
        partner.service.clock.step(SCHEDULE[0])
    assert len(network.sent) == 1  # the good one
    refused = {one.reason for one in deliveries(partner) if one.position > 1 and one.tries}
    assert refused == {"destination_not_allowed"}


def test_nothing_is_claimed_of_an_address_that_ended_or_pauses(partner):
    happened(partner, 2)
    desk = replace(with_post(partner.service, Answers(204)))
    for values in ({"state": "disabled"}, {"state": "active", "paused_until": 2**53}):
        with partner.service.database.transaction() as connection:
            connection.execute(news_endpoints.update().values(**values))
        assert deliver_some(desk) == 0
    with partner.service.database.transaction() as connection:
        assert set(connection.execute(news_deliveries.select()).all()[0][2:4]) == {"waiting", 0}
