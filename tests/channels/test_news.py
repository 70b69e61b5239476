"""Which channel is told of what: ids and codes of its own cards, in order, and nothing about anybody else."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from auth.oauth.grants import end_grant
from channels.models import news, news_deliveries
from channels.news import NEWS_KINDS, get_news, list_news
from core.errors import Missing
from tests.channels.news_of_tests import CARDS, happen, make_told_partner, tell, verify_signature
from tests.channels.partners import move
from tests.service import Service, running_service

CARD, OTHER_CARD = CARDS[:2]
PERSONAL = {"name": "张三", "number": "990100199001011234", "institution": "ins_1", "terminal": "trm_1", "purpose": "m"}
PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def feed(service: Service, channel: str, after: int = 0, limit: int = 500):
    with service.database.transaction() as connection:
        return list_news(connection, channel, after=after, limit=limit)


def kinds(service: Service, channel: str) -> list[str]:
    return [one.kind for one in feed(service, channel)]


# ── Who is told ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_channel_is_told_of_the_cards_that_are_linked_to_it_and_of_no_other(city):
    ours, theirs = make_told_partner(city), make_told_partner(city)
    ours.link(CARD)
    theirs.link(OTHER_CARD)
    event = happen(city, "card.loss_reported", CARD, standing="suspended")
    happen(city, "card.cancelled", OTHER_CARD, standing="revoked")
    tell(city)
    (told,) = feed(city, ours.channel)
    assert (told.id, told.kind, told.card) == (event, "card.loss_reported", ours.name_of(CARD))
    assert told.content == {"standing": "suspended"}
    assert kinds(city, theirs.channel) == ["card.cancelled"]


def test_two_channels_of_one_card_know_it_by_different_names(city):
    first, second = make_told_partner(city), make_told_partner(city)
    for partner in (first, second):
        partner.link(CARDS[2])
    happen(city, "card.issued", CARDS[2], level="L3")
    tell(city)
    (one,), (other,) = feed(city, first.channel), feed(city, second.channel)
    assert one.id == other.id
    assert one.card == first.name_of(CARDS[2])
    assert other.card == second.name_of(CARDS[2])
    assert CARDS[2] not in str((one, other))


def test_a_link_without_offline_access_an_ended_one_and_a_later_one_tell_nothing(city):
    partner = make_told_partner(city)
    partner.link(CARDS[3], scopes=("openid", "card.read"))
    ended = partner.link(CARDS[4])
    with city.database.transaction() as connection:
        end_grant(city.runtime.ground, connection, ended, because="holder", actor="test")
    city.clock.step(1)
    for card in CARDS[3:6]:
        happen(city, "card.loss_reported", card, standing="suspended")
    city.clock.step(1)
    partner.link(CARDS[5])
    tell(city)
    assert kinds(city, partner.channel) == []


def test_what_happened_before_a_link_ended_is_told_though_the_worker_comes_later(city):
    partner = make_told_partner(city)
    grant = partner.link(CARDS[6])
    happen(city, "card.cancelled", CARDS[6], standing="revoked")
    city.clock.step(1)
    with city.database.transaction() as connection:
        end_grant(city.runtime.ground, connection, grant, because="card_cancelled", actor="test")
    tell(city)
    assert kinds(city, partner.channel) == ["card.cancelled"]


@pytest.mark.parametrize("standing", ["sandbox", "reviewed", "closed"])
def test_a_channel_that_is_not_live_is_told_of_no_holder(city, standing):
    partner = make_told_partner(city, standing="live" if standing == "closed" else standing)
    partner.link(CARD)
    if standing == "closed":
        move(city, partner.channel, "closed")
    happen(city, "card.issued", CARD)
    tell(city)
    assert kinds(city, partner.channel) == []


def test_what_happens_while_a_channel_is_suspended_is_kept_for_it(city):
    partner = make_told_partner(city)
    partner.link(CARD)
    move(city, partner.channel, "suspended")
    happen(city, "card.cancelled", CARD)
    tell(city)
    assert kinds(city, partner.channel) == ["card.cancelled"]


def test_a_channel_without_the_scope_of_news_is_told_nothing(city):
    partner = make_told_partner(city, scopes=("carriage",))
    partner.link(CARD)
    happen(city, "card.issued", CARD)
    tell(city)
    assert kinds(city, partner.channel) == []


# ── What is told ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_personal_gets_into_news_whatever_an_event_carries(city):
    partner = make_told_partner(city)
    partner.link(CARD, phone="dev_1")
    for kind, forms in NEWS_KINDS.items():
        happen(city, kind, CARD, device="dev_1", channel=partner.channel, **PERSONAL, **dict.fromkeys(forms, "张三"))
    tell(city)
    assert kinds(city, partner.channel) == list(NEWS_KINDS)
    assert [one.content for one in feed(city, partner.channel)] == [{}] * len(NEWS_KINDS)


def test_every_text_of_a_message_is_an_id_a_code_or_a_time(city):
    partner = make_told_partner(city)
    partner.link(CARD)
    happen(city, "card.issued", CARD, level="L3", device="dev_1", channel="contact")
    happen(city, "code.redeemed", CARD, redemption="red_" + "0" * 26, channel=partner.channel, **PERSONAL)
    tell(city)
    messages = [one.message() for one in feed(city, partner.channel)]
    assert [message["data"] for message in messages] == [{"level": "L3"}, {"redemption": "red_" + "0" * 26}]
    for message in messages:
        assert set(message) == {"id", "type", "timestamp", "channel", "position", "card", "sequence", "data"}
        texts = [*message.values(), *message["data"].values()]
        assert all(PLAIN.fullmatch(text) for text in texts if isinstance(text, str) and not text.endswith("Z"))


def test_logins_at_others_and_what_concerns_no_card_are_not_told(city):
    partner = make_told_partner(city)
    partner.link(CARD)
    happen(city, "login.confirmed", CARD, login="lgn_1", purpose="oauth")
    happen(city, "card.issued", None)
    tell(city)
    assert kinds(city, partner.channel) == []


# ── In which order ───────────────────────────────────────────────────────────────────────────────────────────────


def test_positions_have_no_gap_and_each_card_counts_for_itself(city):
    partner = make_told_partner(city)
    for card in CARDS[:2]:
        partner.link(card)
    for card in (CARDS[0], CARDS[1], CARDS[0], CARDS[0], CARDS[1]):
        happen(city, "card.loss_reported", card)
    tell(city)
    told = feed(city, partner.channel)
    assert [one.position for one in told] == [1, 2, 3, 4, 5]
    assert [one.sequence for one in told if one.card == partner.name_of(CARDS[0])] == [1, 2, 3]
    assert [one.sequence for one in told if one.card == partner.name_of(CARDS[1])] == [1, 2]


def test_many_tellers_at_once_keep_the_order_of_what_happened(both):
    partner = make_told_partner(both)
    for card in CARDS[:3]:
        partner.link(card)
    happened = [happen(both, "card.loss_reported", CARDS[number % 3], standing="suspended") for number in range(240)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: tell(both), range(4)))
    told = feed(both, partner.channel)
    assert [one.id for one in told] == happened
    assert [one.position for one in told] == list(range(1, 241))
    for card in CARDS[:3]:
        sequences = [one.sequence for one in told if one.card == partner.name_of(card)]
        assert sequences == list(range(1, 81))


# ── The feed ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_feed_is_read_page_by_page_and_nothing_is_missed_in_between(city):
    partner = make_told_partner(city)
    partner.link(CARD)
    happened, read, after = [happen(city, "card.loss_reported", CARD) for _ in range(7)], [], 0
    tell(city)
    while page := feed(city, partner.channel, after, limit=3):
        read += [one.id for one in page]
        after = page[-1].position
        happened.append(happen(city, "card.loss_lifted", CARD)) if len(read) == 3 else None
        tell(city)
    assert read == happened


def test_another_channel_s_news_is_not_found(city):
    ours, theirs = make_told_partner(city), make_told_partner(city)
    ours.link(CARD)
    event = happen(city, "card.issued", CARD)
    tell(city)
    with city.database.transaction() as connection:
        assert get_news(connection, ours.channel, event).id == event
        for channel, given in ((theirs.channel, event), (ours.channel, "evt_1"), (ours.channel, "' OR 1=1")):
            with pytest.raises(Missing):
                get_news(connection, channel, given)


def test_news_is_told_in_the_transaction_that_takes_the_event(tmp_path, sqlite_url):
    with running_service(sqlite_url, tmp_path) as city:
        partner = make_told_partner(city)
        partner.link(CARD)
        endpoint = partner.add_endpoint("https://partner.example/news")
        happen(city, "card.issued", CARD)
        city.clock.step(timedelta(minutes=1).total_seconds())
        tell(city)
        with city.database.transaction() as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(news)).scalar_one() == 1
            (waiting,) = connection.execute(sa.select(news_deliveries)).all()
        assert (waiting.endpoint, waiting.position, waiting.state, waiting.tries) == (endpoint, 1, "waiting", 0)


# ── The feed over HTTP ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_channel_reads_its_own_news_by_signed_requests_until_there_is_no_more(city):
    partner, other = make_told_partner(city), make_told_partner(city)
    partner.link(CARDS[7])
    happened = [happen(city, "card.loss_reported", CARDS[7], standing="suspended") for _ in range(5)]
    tell(city)
    read, after, more = [], 0, True
    while more:
        answer = partner.app.send("GET", f"/v1/news?after={after}&limit=2")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        read += [one["id"] for one in page["items"]]
        after, more = page["next"], page["more"]
    assert read == happened
    assert partner.app.send("GET", f"/v1/news?after={after}").json() == {"items": [], "next": 5, "more": False}
    assert other.app.send("GET", "/v1/news").json()["items"] == []


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=1.5", "limit=0", "limit=501"])
def test_a_page_that_cannot_be_is_refused(city, query):
    partner = make_told_partner(city)
    assert partner.app.send("GET", f"/v1/news?{query}").status_code in (400, 422)


def test_the_feed_is_for_channels_with_the_scope_of_news_and_empty_before_they_are_live(city):
    partner = make_told_partner(city, standing="sandbox")
    partner.link(CARD)
    happen(city, "card.issued", CARD)
    tell(city)
    assert partner.app.send("GET", "/v1/news").json() == {"items": [], "next": 0, "more": False}
    assert make_told_partner(city, scopes=("carriage",)).app.send("GET", "/v1/news").status_code == 403
    assert city.http.get("/v1/news").status_code == 401


def test_the_keys_that_sign_news_are_public(city):
    listed = city.http.get("/v1/news-keys").json()["keys"]
    assert {key["version"] for key in listed} == {"v1a", "v1sm2"}
    headers = city.runtime.news.keys().sign("evt_1", city.clock(), b"{}")
    assert verify_signature(listed, headers, b"{}") == {"v1a", "v1sm2"}
