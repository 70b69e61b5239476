"""News for trial: for channels that are not live, in the form that real news of the kind has."""

import json

import pytest

import channels.sandbox.trial_news
from channels.news import NEWS_KINDS
from channels.webhooks import deliver_one
from tests.channels.news_of_tests import with_post
from tests.channels.partners import change, make_partner
from tests.channels.test_webhooks import URL, Answers


@pytest.fixture
def partner(city):
    return make_partner(city, "sandbox")


def ask(partner, **given):
    return partner.send("POST", "/v1/sandbox/news", json.dumps(given).encode())


@pytest.mark.parametrize("kind", NEWS_KINDS)
def test_every_kind_of_news_can_be_tried_in_its_own_form(partner, kind):
    told = ask(partner, kind=kind).json()
    assert told["type"] == kind
    assert told["data"].keys() == NEWS_KINDS[kind].keys()
    assert all(NEWS_KINDS[kind][name].fullmatch(value) for name, value in told["data"].items())
    assert partner.send("GET", "/v1/news").json()["items"] == [told]


def test_trial_news_is_posted_like_real_news_before_the_channel_is_live(city, partner):
    change(city, partner.channel, "endpoint", {"url": URL})
    network = Answers(204)
    told = ask(partner, kind="card.loss_reported").json()
    assert deliver_one(with_post(city, network))
    assert json.loads(network.sent[-1][2]) == told


def test_cards_that_there_are_not_count_their_own_sequences(partner):
    told = [ask(partner, kind="card.issued", card=card).json() for card in ("sandbox-1", "sandbox-2", "sandbox-1")]
    assert [(one["position"], one["sequence"]) for one in told] == [(1, 1), (2, 1), (3, 2)]


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "card.painted"},
        {"kind": "card.issued", "data": {"level": "L2"}},
        {"kind": "card.issued", "card": "crd_1"},
        {},
    ],
)
def test_what_no_news_can_say_is_refused(partner, given):
    answer = ask(partner, **given)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


def test_a_live_channel_is_told_nothing_that_did_not_happen(city):
    assert ask(make_partner(city, "reviewed"), kind="card.issued").status_code == 201
    answer = ask(make_partner(city), kind="card.issued")
    assert (answer.status_code, answer.json()["code"]) == (403, "sandbox_only")


def test_the_sandbox_keeps_so_much_and_no_more(partner, monkeypatch):
    monkeypatch.setattr(channels.sandbox.trial_news, "MOST_NEWS", 2)
    answers = [ask(partner, kind="card.issued") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[-1].json()["code"] == "sandbox_full"
