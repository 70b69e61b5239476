"""Made-up cards: the whole way of a card in a partner's app, without a holder, and never beside real ones."""

import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

import channels.sandbox.cards
import channels.sandbox.till
from channels.sandbox.made_up import PASSWORD, draw_number
from cli.browser import Page
from cli.story.login import form_of
from core.settings import Environment
from ecard.holders import check_character, is_social_security_number
from ecard.models import electronic_cards
from tests.channels.carriers import make_carrying, new_number
from tests.channels.partners import change, move, refused
from tests.channels.trials import CARDS, SANDBOX, TILL, make_trial, rows
from tests.oauth.clients_of_tests import answer_of
from tests.oauth.conftest import both, fresh
from tests.oauth.holder import make_holder
from web.worker import Worker

__all__ = ["both", "fresh"]


@pytest.fixture
def trial(fresh):
    return make_trial(fresh)


@pytest.fixture
def linked(trial):
    return trial.link()


# ── The whole way ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_made_up_card_goes_all_the_way_in_a_partner_s_app(both):
    trial = make_trial(both)
    card = trial.make_card()
    linked = trial.link(card)
    assert linked.link.subject == trial.ask("GET", CARDS).json()["items"][0]["subject"] == card["subject"]
    signed = linked.sign().json()
    assert (signed["result"], signed["state"], signed["level"]) == ("001", "active", "L3")
    back = linked.link.token(scope="card.present")
    code = linked.show(token=back)
    taken = trial.take(code)
    assert (taken.status_code, taken.json()["result"]) == (201, "accepted")
    refused(trial.take(code), 409, "already_used")
    uses = linked.call("GET", "/v1/carriage/uses").json()["items"]
    assert [(use["id"], use["purpose"]) for use in uses] == [(taken.json()["id"], "test")]
    assert trial.act(card, "report_loss").json()["standing"] == "suspended"
    refused(linked.show(), 409, "electronic_card_suspended")
    assert trial.act(card, "lift_loss").json()["standing"] == "active"
    ended = trial.ask("POST", f"/v1/carriages/{signed['id']}/end", out_request_no=new_number())
    assert ended.json()["result"] == "003"
    kinds = [kind for kind, _ in trial.app.news()]
    assert kinds == ["carriage.signed", "code.redeemed", "card.loss_reported", "card.loss_lifted", "carriage.ended"]


@pytest.mark.parametrize("kind", ["signed", "counter"])
def test_both_renderings_are_shown_and_taken(trial, linked, kind):
    linked.sign()
    taken = trial.take(linked.show(kind)).json()
    assert (taken["rendering"], taken["purpose"]) == (kind, "test")


def test_the_holder_reports_the_card_lost_and_unlinks_it_inside_the_app(trial):
    linked = trial.link(scope="openid offline_access card.read card.present card.report_loss card.unlink")
    linked.sign()
    lost = linked.call("POST", "/v1/carriage/loss-reports", {"out_request_no": new_number()})
    assert lost.json()["state"] == "suspended"
    assert linked.call("POST", "/v1/carriage/end", {"out_request_no": new_number()}).json()["result"] == "003"


def test_the_published_password_raises_the_login_where_more_is_asked_for(trial):
    browser, page = trial.to_number(trial.make_card(), "openid offline_access card.present card.pay")
    wrong = browser.send(form_of(page, "/password"), password="123456")
    page = Page(browser.send(form_of(Page(wrong), "/password"), password=PASSWORD))
    back = trial.finish(browser, page)
    assert "code" in answer_of(back)


def test_a_login_that_the_made_up_holder_denies_leads_back_without_a_code(trial):
    card, browser = trial.make_card(), trial.open_browser()
    waiting = Page(browser.open(trial.begin()))
    answer = trial.answer(card, waiting.code, decision="deny")
    assert answer.json() == {"number": None}
    denied = Page(browser.open(waiting.address))
    assert denied.form("/number") is None
    left = browser.send(form_of(denied, "/deny"))
    assert answer_of(left.headers.get("Location") or Page(left).onward)["error"] == "access_denied"


def test_what_the_holder_does_elsewhere_is_told_to_the_app(trial):
    card = trial.make_card()
    linked = trial.link(card)
    linked.sign()
    trial.service.clock.step(1)
    for act in ("reset_password", "unlink"):
        assert trial.act(card, act).status_code == 200
    assert [(kind, told.get("because")) for kind, told in trial.app.news()][1:] == [
        ("card.password_changed", None),
        ("carriage.ended", "ended_by_holder"),
    ]
    again = trial.link(card)
    assert again.sign().json()["result"] == "002"
    assert trial.act(card, "cancel").json()["standing"] == "revoked"
    refused(trial.act(card, "lift_loss"), 409, "standing_conflict")


def test_a_card_of_a_bank_s_word_stands_at_l2(trial):
    linked = trial.link(trial.make_card("L2"))
    assert linked.sign().json()["level"] == "L2"


# ── Nobody's card ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_numbers_are_no_person_s():
    for _ in range(200):
        number = draw_number()
        assert number.startswith("999999")
        assert len(number) == 18
        assert check_character(number[:17]) != number[17]
        assert not is_social_security_number(number)


def test_no_bank_asks_for_such_a_number(fresh):
    trial = make_trial(fresh)
    card = trial.make_card()
    bank = make_carrying(fresh, scopes=("carriage", "news", "issue"))
    given = {"out_request_no": new_number(), "name": card["name"], "phone": "13800138000"}
    body = given | {"social_security_number": card["social_security_number"]}
    refused(bank.partner.send("POST", "/v1/bank-issuances", json.dumps(body).encode()), 400, "malformed_request")


def test_no_reader_has_such_a_chip(trial):
    trial.make_card()
    with trial.service.database.transaction() as connection:
        codes = connection.execute(sa.text("SELECT card_identification_code FROM chip_cards")).scalars().all()
    made_up = [code for code in codes if code.startswith("SANDBOX")]
    assert len(made_up) == 1
    assert len(made_up[0]) == 32


def test_the_mark_stands_in_the_database(trial):
    card = trial.make_card()
    assert rows(trial.service, electronic_cards, "id", "sandbox", "credential") == [
        (card["card"], trial.app.channel, "sandbox")
    ]


# ── Out of the sandbox ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_made_up_cards_end_when_the_channel_leaves_the_sandbox(trial):
    linked = trial.link()
    signed = linked.sign().json()
    code = linked.show()
    move(trial.service, trial.app.channel, "reviewed")
    Worker(trial.service.runtime).tell()
    assert linked.link.exchange().json()["error"] == "invalid_grant"
    assert linked.call("GET", "/v1/carriage").status_code == 401
    refused(trial.ask("GET", CARDS), 403, "sandbox_only")
    refused(trial.take(code), 403, "sandbox_only")
    other = trial.app.partner.with_new_key()  # what a worker knows of a key it may trust for half a second
    refused(other.send("GET", "/v1/carriages"), 403, "channel_not_live")
    move(trial.service, trial.app.channel, "live")
    change(trial.service, other.channel, "withdrawal", {"serial": trial.app.partner.serial, "reason": "old"})
    trial.app.partner = other.with_new_key()
    assert trial.ask("GET", "/v1/carriages").json()["items"] == []
    assert trial.ask("GET", f"/v1/carriages/{signed['id']}").json()["state"] == "revoked"
    refused(trial.ask("POST", CARDS, level="L3"), 403, "sandbox_only")


def test_a_live_channel_carries_no_made_up_card_even_by_a_token_that_still_counts(trial):
    linked = trial.link()
    move(trial.service, trial.app.channel, "reviewed")
    move(trial.service, trial.app.channel, "live")
    with trial.service.database.transaction() as connection:  # as if nothing had been ended
        connection.execute(sa.text("UPDATE electronic_cards SET standing = 'active' WHERE sandbox IS NOT NULL"))
        connection.execute(sa.text("UPDATE oauth_grants SET ended_at = NULL"))
        connection.execute(sa.text("UPDATE devices SET standing = 'active'"))
    refused(linked.sign(), 403, "channel_not_live")
    refused(linked.call("GET", "/v1/carriage"), 403, "channel_not_live")


def test_the_sandbox_begins_anew(trial, linked):
    linked.sign()
    card = trial.ask("GET", CARDS).json()["items"][0]
    assert trial.ask("DELETE", SANDBOX).status_code == 204
    assert trial.ask("GET", CARDS).json() == {"items": []}
    assert [item["state"] for item in trial.ask("GET", "/v1/carriages").json()["items"]] == ["revoked"]
    refused(linked.show(), 401, "token_wrong")
    kinds = [kind for kind, _ in trial.app.news()]
    assert kinds[:1] == ["carriage.signed"]
    assert set(kinds[1:]) == {"carriage.ended", "card.cancelled"}
    refused(trial.answer(card, "BCDF-GHJK"), 410, "login_over")
    trial.make_card()


def test_a_reset_touches_no_other_sandbox_and_no_real_card(fresh):
    trial, other, holder = make_trial(fresh), make_trial(fresh), make_holder(fresh)
    kept = other.make_card()
    trial.make_card()
    trial.ask("DELETE", SANDBOX)
    assert other.ask("GET", CARDS).json()["items"] == [kept]
    standing = {row.id: row.standing for row in rows(fresh, electronic_cards, "id", "standing")}
    assert (standing[holder.card], standing[kept["card"]]) == ("active", "active")


# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sandbox_holds_so_many_cards_and_has_made_so_many(trial, monkeypatch):
    monkeypatch.setattr(channels.sandbox.cards, "MOST_CARDS", 2)
    monkeypatch.setattr(channels.sandbox.cards, "MOST_EVER", 3)
    trial.make_card(), trial.make_card()
    refused(trial.ask("POST", CARDS, level="L3"), 429, "sandbox_full")
    trial.ask("DELETE", SANDBOX)
    trial.make_card()
    refused(trial.ask("POST", CARDS, level="L3"), 429, "sandbox_full")


def test_the_till_takes_so_many_codes(trial, linked, monkeypatch):
    linked.sign()
    monkeypatch.setattr(channels.sandbox.till, "MOST_TAKEN", 1)
    assert trial.take(linked.show()).status_code == 201
    refused(trial.take(linked.show()), 429, "sandbox_full")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", CARDS, {"level": "L3"}),
        ("GET", CARDS, None),
        ("POST", f"{CARDS}/crd_{'0' * 26}/acts", {"act": "cancel"}),
        ("POST", f"{CARDS}/crd_{'0' * 26}/logins", {"code": "BCDF-GHJK"}),
        ("POST", TILL, {"code": "81"}),
        ("DELETE", SANDBOX, None),
    ],
)
def test_in_production_there_are_none(trial, monkeypatch, method, path, body):
    desk = trial.service.app.extensions["channels.sandbox"]
    settings = desk.ground.settings.model_copy(update={"environment": Environment.PRODUCTION})
    production = replace(desk, ground=replace(desk.ground, settings=settings))
    monkeypatch.setitem(trial.service.app.extensions, "channels.sandbox", production)
    sent = b"" if body is None else json.dumps(body).encode()
    refused(trial.app.partner.send(method, path, sent), 403, "development_only")


@pytest.mark.parametrize("standing", ["reviewed", "live"])
def test_other_standings_have_none(fresh, standing):
    app = make_carrying(fresh, standing)
    refused(app.partner.send("POST", CARDS, b'{"level":"L3"}'), 403, "sandbox_only")


def test_the_uses_are_listed_page_by_page(trial, linked):
    linked.sign()
    taken = [trial.take(linked.show()).json()["id"] for _ in range(3)]
    first = linked.call("GET", "/v1/carriage/uses?limit=2").json()
    assert [use["id"] for use in first["items"]] == taken[:0:-1]
    rest = linked.call("GET", f"/v1/carriage/uses?after={first['next']}").json()
    assert ([use["id"] for use in rest["items"]], rest["next"]) == (taken[:1], None)
    refused(linked.call("GET", f"/v1/carriage/uses?after=red_{'0' * 26}"), 400, "malformed_request")
