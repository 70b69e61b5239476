"""Deliveries: at least once, on schedule, by many workers, to partners that fail in every way (threats.md C6)."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest

from channels.claims import LEASE, claim_deliveries
from channels.endpoints import get_endpoint, set_endpoint_state
from channels.errors import DestinationNotAllowed
from channels.models import news_deliveries, news_endpoints
from channels.news import list_news
from channels.posting import Posted
from channels.settling import PAUSE, SCHEDULE, settle_deliveries
from channels.webhooks import deliver_one, forget_delivered, last_position, list_deliveries, ping, replay
from core.database import Database
from core.errors import Malformed, Missing, Unavailable
from tests.channels.news_of_tests import (
    CARDS,
    Receiver,
    deliver_all,
    happen,
    make_told_partner,
    serving,
    tell,
    with_post,
)
from tests.channels.partners import change, move, propose
from tests.service import Service

CARD = CARDS[0]
URL = "https://partner.example/news"


class Answers:
    """A network that answers what it is told to, and remembers what was sent."""

    def __init__(self, *answers: int | Posted) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, dict[str, str], bytes]] = []

    def __call__(self, pinned, headers, body):
        self.sent.append((pinned.destination.url, dict(headers), body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Posted) else Posted(answer, f"http_{answer}")

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, headers, _ in self.sent]


def partner_with_news(city: Service, count: int = 1, url: str = URL):
    partner = make_told_partner(city)
    partner.link(CARD)
    endpoint = partner.add_endpoint(url)
    events = [happen(city, "card.loss_reported", CARD, standing="suspended") for _ in range(count)]
    tell(city)
    return partner, endpoint, events


def deliveries(partner, **which):
    with partner.service.database.transaction() as connection:
        return list_deliveries(connection, partner.channel, **which)


@pytest.fixture(autouse=True)
def nothing_waits(request: pytest.FixtureRequest):
    """End what other tests of this file left: their partners carry the same card."""
    if "city" in request.fixturenames:
        with request.getfixturevalue("city").database.transaction() as connection:
            connection.execute(news_deliveries.update().values(state="dead"))
            connection.execute(news_endpoints.update().values(state="ended"))


# ── What is sent ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_news_is_sent_once_and_what_is_taken_is_delivered(city):
    partner, _, (event,) = partner_with_news(city)
    network = Answers(204)
    desk = with_post(city, network)
    assert deliver_all(desk) == 1
    (url, headers, body) = network.sent[0]
    with city.database.transaction() as connection:
        (told,) = list_news(connection, partner.channel, after=0, limit=1)
    assert (url, headers["webhook-id"], headers["content-type"]) == (URL, event, "application/json")
    assert f'"sequence":{told.sequence}'.encode() in body
    (delivery,) = deliveries(partner)
    assert (delivery.state, delivery.tries, delivery.status, delivery.reason) == ("delivered", 1, 204, "http_204")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_yes(city, status):
    partner, *_ = partner_with_news(city)
    deliver_all(with_post(city, Answers(status)))
    assert deliveries(partner)[0].state == "delivered"


@pytest.mark.parametrize("answer", [100, 302, 304, 400, 401, 404, 500, 503, Posted(None, "timeout")])
def test_everything_else_is_tried_again_with_the_same_id_and_a_new_time(city, answer):
    partner, _, (event,) = partner_with_news(city)
    network = Answers(answer, 204)
    desk = with_post(city, network)
    deliver_all(desk)
    assert deliveries(partner)[0].state == "waiting"
    city.clock.step(SCHEDULE[0])
    deliver_all(desk)
    assert network.ids == [event, event]
    assert network.sent[0][2] == network.sent[1][2]
    times = [int(headers["webhook-timestamp"]) for _, headers, _ in network.sent]
    assert times[1] - times[0] == SCHEDULE[0]
    assert deliveries(partner)[0].state == "delivered"


def test_an_address_that_became_a_bad_one_is_not_connected_to(city):
    partner, *_ = partner_with_news(city)
    network = Answers(204)
    rebound = replace(with_post(city, network), resolve=lambda *_: ["127.0.0.1"])
    deliver_all(rebound)
    assert network.sent == []
    assert (deliveries(partner)[0].state, deliveries(partner)[0].reason) == ("waiting", "destination_not_allowed")


# ── When ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_schedule_is_kept_to_the_second_and_ends_in_a_dead_letter(city):
    partner, *_ = partner_with_news(city)
    network = Answers(500)
    desk = with_post(city, network)
    assert deliver_all(desk) == 1
    for wait in SCHEDULE:
        city.clock.step(wait - 1)
        assert deliver_all(desk) == 0
        city.clock.step(1)
        assert deliver_all(desk) == 1
    assert sum(SCHEDULE) == 24 * 3600 + 4 * 60
    (dead,) = deliveries(partner, state="dead")
    assert (dead.tries, dead.status) == (len(SCHEDULE) + 1, 500)
    city.clock.step(10**7)
    assert deliver_all(desk) == 0


@pytest.mark.parametrize(("share", "seconds"), [(0.0, 13.5), (0.5, 15), (1.0, 16.5)])
def test_each_wait_is_spread_by_a_tenth(city, share, seconds):
    partner, *_ = partner_with_news(city)
    before = city.clock()
    deliver_all(replace(with_post(city, Answers(500)), share=lambda: share))
    assert deliveries(partner)[0].next_at == int((before + timedelta(seconds=seconds)).timestamp() * 1000)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("given", "seconds"),
    [("120", 120), ("0", 0), ("99999999999", 6 * 3600), ("-5", 0), ("soon", 0), ("1.5", 0), ("１２", 0), ("", 0)],
)
def test_retry_after_in_seconds_is_honoured_for_the_whole_address(city, status, given, seconds):
    _, endpoint, _ = partner_with_news(city, 2)
    desk = replace(with_post(city, Answers(Posted(status, "http", given), 204)), share=lambda: 0.0)
    assert deliver_one(desk)
    with city.database.transaction() as connection:
        paused = get_endpoint(connection, endpoint).paused_until
    if not seconds:
        assert paused.timestamp() == 0
        return
    assert paused == city.clock() + timedelta(seconds=seconds)
    assert not deliver_one(desk)
    city.clock.step(seconds)
    assert deliver_all(desk) == 2


def test_retry_after_may_be_a_date(city):
    partner_with_news(city)
    when = format_datetime(city.clock() + timedelta(seconds=100), usegmt=True)
    desk = replace(with_post(city, Answers(Posted(429, "http_429", when), 204)), share=lambda: 0.0)
    assert deliver_all(desk) == 1
    city.clock.step(99)
    assert deliver_all(desk) == 0
    city.clock.step(2)
    assert deliver_all(desk) == 1


def test_an_address_that_is_down_costs_each_piece_of_news_few_of_its_tries(city):
    partner, *_ = partner_with_news(city, 50)
    network = Answers(Posted(None, "no_connection"))
    desk = with_post(city, network)
    for _ in range(60):  # ten minutes
        deliver_all(desk)
        city.clock.step(PAUSE.total_seconds())
    assert len(network.sent) <= 62
    assert max(delivery.tries for delivery in deliveries(partner)) <= 6
    assert deliver_all(with_post(city, Answers(204))) > 0


def test_a_failing_address_does_not_hold_up_another_one(city):
    failing, *_ = partner_with_news(city, 5, "https://failing.example/")
    good, *_ = partner_with_news(city, 5, "https://good.example/")

    def answer(pinned, _headers, _body):
        return Posted(204, "http_204") if pinned.destination.host == "good.example" else Posted(None, "timeout")

    deliver_all(with_post(city, answer))
    assert {delivery.state for delivery in deliveries(good)} == {"delivered"}
    assert {delivery.state for delivery in deliveries(failing)} == {"waiting"}


# ── Gone, suspended, ended ───────────────────────────────────────────────────────────────────────────────────────


def test_410_disables_the_address_until_an_operator_enables_it_and_news_waits(city):
    partner, endpoint, _ = partner_with_news(city, 3)
    network = Answers(410, 204)
    desk = with_post(city, network)
    assert deliver_all(desk) == 1
    assert Counter(delivery.state for delivery in deliveries(partner)) == {"dead": 1, "waiting": 2}
    happen(city, "card.cancelled", CARD)
    tell(city)
    assert deliver_all(desk) == 0
    with city.database.transaction() as connection:
        assert get_endpoint(connection, endpoint).state == "disabled"
        assert set_endpoint_state(connection, endpoint, "active", at=city.clock())
    assert deliver_all(desk) == 3


def test_a_suspended_channel_and_one_below_it_are_sent_nothing_until_they_are_live_again(city):
    above = make_told_partner(city)
    below = make_told_partner(city, above=above.channel)
    for partner in (above, below):
        partner.link(CARD)
        partner.add_endpoint(URL)
    happen(city, "card.issued", CARD)
    tell(city)
    move(city, above.channel, "suspended")
    network = Answers(204)
    assert deliver_all(with_post(city, network)) == 0
    change(city, above.channel, "standing", {"from": "suspended", "to": "live"})
    deliver_all(with_post(city, network))
    assert deliveries(above)[0].state == "delivered"
    assert deliveries(below)[0].state == "delivered"


def test_an_address_takes_two_operators_and_is_taken_away_by_one(city):
    partner = make_told_partner(city)
    partner.link(CARD)
    waiting = propose(city, partner.channel, "endpoint", {"url": URL})
    assert waiting.state == "proposed"
    with pytest.raises(DestinationNotAllowed):
        propose(city, partner.channel, "endpoint", {"url": "https://10.0.0.1/"})
    told, endpoint, _ = partner_with_news(city)
    assert propose(city, told.channel, "endpoint_end", {"endpoint": endpoint}).state == "applied"
    (dead,) = deliveries(told)
    assert (dead.state, dead.reason) == ("dead", "endpoint_ended")
    with pytest.raises(Missing):
        propose(city, told.channel, "endpoint_end", {"endpoint": endpoint})
    assert told.add_endpoint(URL) == endpoint  # it comes back


def test_a_channel_has_three_addresses_each_once(city):
    partner = make_told_partner(city)
    for number in range(3):
        partner.add_endpoint(f"https://partner.example/{number}")
    for url in ("https://partner.example/0", "https://partner.example/3"):
        with pytest.raises(Malformed):
            propose(city, partner.channel, "endpoint", {"url": url})


# ── Many workers, dying workers ──────────────────────────────────────────────────────────────────────────────────


def test_many_workers_send_each_piece_of_news_once(both):
    partner, _, events = partner_with_news(both, 60)
    network = Answers(204)
    desk = with_post(both, network)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: deliver_all(desk), range(6)))
    deliver_all(desk)
    assert Counter(network.ids) == dict.fromkeys(events, 1)
    assert {delivery.state for delivery in deliveries(partner, limit=100)} == {"delivered"}


def test_a_worker_that_dies_between_send_and_record_leaves_news_that_is_sent_again_with_its_id(both):
    partner, _, (event,) = partner_with_news(both)

    class Killed(BaseException):
        """The end of a process: nothing of ours catches it."""

    network = Answers(204)

    def post_and_die(*given):
        network(*given)
        raise Killed

    with pytest.raises(Killed):
        deliver_one(with_post(both, post_and_die))
    desk = with_post(both, network)
    both.clock.step(LEASE.total_seconds() - 1)
    assert not deliver_one(desk)
    both.clock.step(1)
    assert deliver_one(desk)
    assert network.ids == [event, event]
    assert (deliveries(partner)[0].state, deliveries(partner)[0].tries) == ("delivered", 2)


def test_who_was_overtaken_settles_nothing(both):
    partner, *_ = partner_with_news(both)
    desk = with_post(both, Answers(204))
    (slow,) = claim_deliveries(desk)
    both.clock.step(LEASE.total_seconds())
    assert deliver_one(desk)
    settle_deliveries(desk, [(slow, Posted(500, "http_500"))])
    assert (deliveries(partner)[0].state, deliveries(partner)[0].status) == ("delivered", 204)


def test_while_no_key_may_sign_nothing_is_claimed_and_no_try_is_spent(city):
    partner, *_ = partner_with_news(city)
    network = Answers(204)
    desk = with_post(city, network)
    city.clock.step(3 * 730 * 86400)
    with pytest.raises(Unavailable):
        deliver_one(desk)
    assert (network.sent, deliveries(partner)[0].tries) == ([], 0)


def test_no_transaction_is_open_while_the_network_is_asked(city, shared_city):
    partner_with_news(city)
    written = []

    def write_beside(*_given):
        other = Database(shared_city.runtime.ground.settings.database, lock_milliseconds=100)
        with other.transaction() as connection:  # SQLite has one writer: an open transaction would keep it out
            written.append(connection.in_transaction())
        other.close()
        return Posted(204, "http_204")

    assert deliver_one(with_post(city, write_beside))
    assert len(written) == 1


# ── By hand ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_dead_letters_are_replayed_from_the_first_try_on(city):
    partner, endpoint, events = partner_with_news(city, 3)
    failing, good = with_post(city, Answers(500)), Answers(204)
    for wait in (0, *SCHEDULE):
        city.clock.step(wait + PAUSE.total_seconds() * 3)
        deliver_all(failing)
        city.clock.step(PAUSE.total_seconds())
        deliver_all(failing)
        city.clock.step(PAUSE.total_seconds())
        deliver_all(failing)
    assert len(deliveries(partner, state="dead")) == 3
    city.clock.step(60)
    desk = with_post(city, good)
    with city.database.transaction() as connection:
        known, last = get_endpoint(connection, endpoint), last_position(connection, partner.channel)
    assert replay(desk, known, 2, 2, dead_alone=True) == 1
    assert deliver_all(desk) == 1
    assert replay(desk, known, 1, last, dead_alone=True) == 2
    deliver_all(desk)
    assert Counter(good.ids) == dict.fromkeys(events, 1)
    assert replay(desk, known, 1, last, dead_alone=True) == 0
    assert replay(desk, known, 1, last, dead_alone=False) == 3
    assert replay(desk, known, 1, last, dead_alone=False) == 0  # what waits is not counted again


def test_a_replay_includes_what_happened_before_the_address_was_there(city):
    partner = make_told_partner(city)
    partner.link(CARD)
    events = [happen(city, "card.loss_reported", CARD) for _ in range(2)]
    tell(city)
    endpoint = partner.add_endpoint(URL)
    network = Answers(204)
    desk = with_post(city, network)
    assert deliver_all(desk) == 0
    with city.database.transaction() as connection:
        known = get_endpoint(connection, endpoint)
    assert replay(desk, known, 1, 10, dead_alone=False) == 2
    deliver_all(desk)
    assert sorted(network.ids) == sorted(events)


def test_a_ping_is_sent_at_once_and_leaves_no_delivery(city):
    partner = make_told_partner(city, standing="sandbox")
    partner.add_endpoint(URL)
    network = Answers(204)
    assert ping(with_post(city, network), partner.endpoint()).is_accepted
    assert b'"type":"ping"' in network.sent[0][2]
    assert deliveries(partner) == []


def test_records_of_what_was_delivered_are_forgotten_after_thirty_days_and_dead_ones_are_kept(city):
    partner, *_ = partner_with_news(city, 2)
    deliver_all(with_post(city, Answers(204, 410)))
    for days, left in ((29, {"delivered", "dead"}), (2, {"dead"})):
        city.clock.step(days * 86400)
        with city.database.transaction() as connection:
            forget_delivered(connection, city.clock())
        assert {delivery.state for delivery in deliveries(partner)} == left


# ── Convergence ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_receiver_that_loses_doubles_shuffles_and_is_down_ends_in_the_state_of_the_service(both, seed):
    partner = make_told_partner(both)
    for card in CARDS:
        partner.link(card)
    keys = both.runtime.news.keys().published(both.clock())
    with serving(Receiver(keys, seed=seed, lost=0.3, doubled=0.2)) as receiver:
        partner.add_endpoint(receiver.url)
        desk = replace(both.runtime.news, share=lambda: 0.5)
        events = [
            happen(both, "card.loss_reported" if number % 3 else "card.loss_lifted", CARDS[number * 7 % len(CARDS)])
            for number in range(60)
        ]
        tell(both)
        receiver.down = True
        work_until(both, desk, seconds=600)
        receiver.down = False
        work_until(both, desk, seconds=24 * 3600)
        receiver.settle()
    with both.database.transaction() as connection:
        told = list_news(connection, partner.channel, after=0, limit=500)
    assert set(events) - set(receiver.seen) == set()  # nothing is missing
    assert len(receiver.seen) > len(events)  # and some of it came twice
    assert receiver.states == {one.card: (one.sequence, one.kind) for one in told}
    assert receiver.unsigned == 0
    assert {delivery.state for delivery in deliveries(partner, limit=100)} == {"delivered"}


def test_a_partner_that_took_everything_and_lost_it_converges_by_the_feed(both):
    partner = make_told_partner(both)
    for card in CARDS:
        partner.link(card)
    events = [happen(both, "card.loss_reported", CARDS[number % len(CARDS)]) for number in range(30)]
    tell(both)
    empty, after = Receiver([]), 0
    with both.database.transaction() as connection:
        while page := list_news(connection, partner.channel, after=after, limit=7):
            for one in page:
                empty.apply(one.message())
            after = page[-1].position
        told = list_news(connection, partner.channel, after=0, limit=500)
    assert empty.seen == events
    assert empty.states == {one.card: (one.sequence, one.kind) for one in told}


def work_until(service: Service, desk, seconds: int) -> None:
    """Let two workers deliver while the clock goes on in steps, until nothing waits or the time is over."""
    stopped = service.clock() + timedelta(seconds=seconds)
    while service.clock() < stopped:
        threads = [threading.Thread(target=deliver_all, args=(desk,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        due = next_due(service)
        if due is None:
            return
        service.clock.now = max(service.clock() + timedelta(seconds=PAUSE.total_seconds()), due)


def next_due(service: Service):
    with service.database.transaction() as connection:
        row = connection.exec_driver_sql("SELECT min(next_at) FROM news_deliveries WHERE state = 'waiting'").scalar()
    return None if row is None else service.clock() + timedelta(milliseconds=max(0, row - millis(service)))


def millis(service: Service) -> int:
    return int(service.clock().timestamp() * 1000)
