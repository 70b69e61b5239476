"""Failures that a channel in the sandbox switches on: its own answers and trial news, so often, and nobody else's."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

import web.sandbox_faults
from channels.sandbox.models import sandbox_switches
from channels.sandbox.switches import ABOUT, MOST_DELAY, MOST_TIMES, NEWS_FAULTS, take_fault
from channels.webhooks import deliver_one, list_deliveries
from core.database import DatabaseUnavailable
from core.settings import Environment
from sm.errors import InvalidSignature
from tests.channels.news_of_tests import verify_signature, with_post
from tests.channels.partners import change, make_partner, move
from tests.channels.test_answers import Pinned
from tests.channels.test_webhooks import URL, Answers

SWITCHES = "/v1/sandbox/switches"
CLEARED = {"answers": None, "news": None}


@pytest.fixture
def partner(city):
    return make_partner(city, "sandbox")


def switch(partner, **given):
    return partner.send("PUT", SWITCHES, json.dumps(CLEARED | given).encode())


def ask(partner):
    return partner.send("GET", "/v1/channel")


# ── Set, seen, cleared ───────────────────────────────────────────────────────────────────────────────────────────


def test_switches_are_shown_as_they_were_set_and_cleared_at_once(partner):
    assert partner.send("GET", SWITCHES).json() == CLEARED
    set_to = {"answers": {"times": 3, "status": 503}, "news": {"times": 2, "fault": "double"}}
    shown = {
        "answers": {"times": 3, "delay_ms": 0, "status": 503, "wrong_signature": False},
        "news": {"times": 2, "fault": "double"},
    }
    assert switch(partner, **set_to).json() == shown
    assert partner.send("GET", SWITCHES).json() == shown
    assert switch(partner, news=set_to["news"]).json() == {**shown, "answers": None}
    assert partner.send("DELETE", SWITCHES).status_code == 204
    assert partner.send("GET", SWITCHES).json() == CLEARED


@pytest.mark.parametrize(
    "given",
    [
        {"answers": {"status": 503}},
        {"answers": {"times": 0, "status": 503}},
        {"answers": {"times": MOST_TIMES + 1, "status": 503}},
        {"answers": {"times": 1, "status": 401}},
        {"answers": {"times": 1, "delay_ms": MOST_DELAY + 1}},
        {"answers": {"times": 1, "delay_ms": -1}},
        {"news": {"times": 1, "fault": "status"}},
        {"news": {"times": 1}},
        {"holders": {"times": 1}},
        {"answers": 1},
    ],
)
def test_switches_that_there_are_not_are_refused(partner, given):
    answer = switch(partner, **given)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_live_channel_has_no_switches(city, method):
    answer = make_partner(city).send(method, SWITCHES, json.dumps(CLEARED).encode() if method == "PUT" else b"")
    assert (answer.status_code, answer.json()["code"]) == (403, "sandbox_only")


def test_in_production_no_answer_is_delayed(partner, monkeypatch):
    ground = partner.service.runtime.ground
    production = ground.settings.model_copy(update={"environment": Environment.PRODUCTION})
    monkeypatch.setitem(partner.service.app.extensions, "core.ground", replace(ground, settings=production))
    answer = switch(partner, answers={"times": 1, "delay_ms": 1})
    assert (answer.status_code, answer.json()["code"]) == (403, "development_only")
    assert switch(partner, answers={"times": 1, "status": 500}).status_code == 200


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [429, 500, 503])
def test_so_many_answers_have_another_status_and_the_next_is_good(partner, status):
    switch(partner, answers={"times": 2, "status": status})
    answers = [ask(partner) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert (answers[0].json()["code"], answers[0].json()["status"]) == ("sandbox_fault", status)
    Pinned(partner.service).verify(answers[0], "/v1/channel")
    assert partner.send("GET", SWITCHES).json() == CLEARED


def test_the_request_whose_answer_is_lost_was_carried_out_once(partner):
    switch(partner, answers={"times": 1, "status": 503})
    body = json.dumps({"kind": "card.issued"}).encode()
    assert send_with_key(partner, body).status_code == 503
    again = send_with_key(partner, body)
    assert (again.status_code, again.headers["Idempotent-Replay"]) == (201, "true")
    assert partner.send("GET", "/v1/news").json()["items"] == [again.json()]


def send_with_key(partner, body):
    headers = {
        "Authorization": partner.sign("POST", "/v1/sandbox/news", body),
        "Content-Type": "application/json",
        "Idempotency-Key": "a-key-of-this-test",
    }
    return partner.service.http.post("/v1/sandbox/news", content=body, headers=headers)


def test_a_wrong_signature_does_not_verify_and_the_answer_is_as_it_was(partner):
    good = ask(partner)
    switch(partner, answers={"times": 1, "wrong_signature": True})
    wrong = ask(partner)
    assert (wrong.status_code, wrong.json().keys()) == (200, good.json().keys())
    with pytest.raises(InvalidSignature):
        Pinned(partner.service).verify(wrong, "/v1/channel")
    Pinned(partner.service).verify(ask(partner), "/v1/channel")


def test_an_answer_comes_late_one_at_a_time(partner, monkeypatch):
    slept = []
    monkeypatch.setattr(web.sandbox_faults.time, "sleep", slept.append)
    switch(partner, answers={"times": 2, "delay_ms": 1500})
    assert ask(partner).status_code == 200
    with web.sandbox_faults._delaying:
        assert ask(partner).status_code == 200
    assert slept == [1.5]


def test_the_log_says_what_was_answered(partner):
    switch(partner, answers={"times": 1, "status": 429})
    lost = ask(partner).headers["X-Request-Id"]
    logged = partner.send("GET", f"/v1/channel/requests/{lost}").json()
    assert (logged["status"], logged["code"]) == (429, "sandbox_fault")


def test_requests_that_were_not_proven_use_no_switch_up(city, partner):
    switch(partner, answers={"times": 1, "status": 500})
    headers = {"Authorization": partner.sign("GET", "/v1/other")}
    assert city.http.get("/v1/channel", headers=headers).status_code == 401
    assert ask(partner).status_code == 500


def test_nobody_else_s_answers_go_wrong(city, partner):
    switch(partner, answers={"times": 5, "status": 500})
    assert ask(make_partner(city, "sandbox")).status_code == 200
    assert ask(make_partner(city)).status_code == 200


def test_going_live_clears_all_switches_at_once(city):
    partner = make_partner(city, "reviewed")
    switch(partner, answers={"times": 5, "status": 500}, news={"times": 5, "fault": "drop"})
    move(city, partner.channel, "live")
    assert ask(partner).status_code == 200
    with city.database.transaction() as connection:
        rows = connection.execute(sandbox_switches.select()).all()
    assert partner.channel not in {row.channel for row in rows}


def test_for_a_live_channel_no_switch_is_looked_up(city, monkeypatch):
    partner = make_partner(city)
    monkeypatch.setattr(web.sandbox_faults, "take_fault", lambda *_: pytest.fail("looked up"))
    assert ask(partner).status_code == 200


def test_without_the_database_nothing_goes_wrong_besides_that(partner, monkeypatch):
    def away(*_args):
        raise DatabaseUnavailable

    switch(partner, answers={"times": 1, "status": 500})
    monkeypatch.setattr(web.sandbox_faults, "take_fault", away)
    assert ask(partner).status_code == 200


def test_workers_beside_each_other_fail_as_often_as_was_asked_for(city, partner):
    switch(partner, answers={"times": 7, "status": 500})

    def take(_):
        with city.database.transaction() as connection:
            return take_fault(connection, partner.channel, "answers")

    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(take, range(20)))
    assert sum(bool(fault) for fault in taken) == 7
    with city.database.transaction() as connection:
        rows = connection.execute(sandbox_switches.select()).all()
    assert {row.remaining for row in rows if row.channel == partner.channel} == {0}


# ── News ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def told(city, partner):
    change(city, partner.channel, "endpoint", {"url": URL})
    return partner


def deliver_trial(city, partner, network):
    body = json.dumps({"kind": "card.issued"}).encode()
    assert partner.send("POST", "/v1/sandbox/news", body).status_code == 201
    assert deliver_one(with_post(city, network))
    with city.database.transaction() as connection:
        return list_deliveries(connection, partner.channel)[0]


def test_doubled_news_has_one_id_and_is_delivered(city, told):
    network = Answers(204)
    switch(told, news={"times": 1, "fault": "double"})
    delivery = deliver_trial(city, told, network)
    assert (len(network.ids), len(set(network.ids)), delivery.state) == (2, 1, "delivered")
    deliver_trial(city, told, network)
    assert len(network.ids) == 3


def test_dropped_news_is_tried_again_as_after_a_failure(city, told):
    network = Answers(204)
    switch(told, news={"times": 1, "fault": "drop"})
    delivery = deliver_trial(city, told, network)
    assert (network.sent, delivery.state, delivery.reason) == ([], "waiting", "sandbox_drop")
    city.clock.step(20)
    assert deliver_one(with_post(city, network))
    assert len(network.ids) == 1


def test_wrongly_signed_news_does_not_verify(city, told):
    network = Answers(204)
    switch(told, news={"times": 1, "fault": "wrong_signature"})
    deliver_trial(city, told, network)
    deliver_trial(city, told, network)
    (_, wrong, body), (_, good, after) = network.sent
    keys = city.http.get("/v1/news-keys").json()["keys"]
    assert not verify_signature(keys, wrong, body)
    assert verify_signature(keys, good, after)


def test_switches_of_answers_leave_news_alone_and_the_other_way_round(city, told):
    assert set(ABOUT) == {"answers", "news"}
    assert set(NEWS_FAULTS) == {"double", "drop", "wrong_signature"}
    switch(told, news={"times": 5, "fault": "drop"})
    assert ask(told).status_code == 200
    assert told.send("GET", SWITCHES).json()["news"]["times"] == 5
