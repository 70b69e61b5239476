"""Made-up cards: the whole way of a card in a partner's app, without a holder, and never beside real ones."""

import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

import channels.sandbox.cards
import channels.sandbox.till
from auth.login.codes import make_code
from auth.login.models import logins
from auth.login.records import find_login
from channels.sandbox.made_up import PASSWORD, draw_number
from channels.sandbox.meeting import may_meet
from cli.browser import Page
from cli.story.login import form_of
from core.settings import Environment
from ecard.holders import check_character, is_social_security_number
from ecard.models import electronic_cards
from qr.models import carriage_records, redemptions
from tests.channels.carriers import make_carrying, new_number
from tests.channels.partners import change, move
from tests.channels.trials import CARDS, SANDBOX, TILL, make_trial
from tests.exchange.returning import make_link
from tests.oauth.clients_of_tests import answer_of, make_partner
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


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def rows(service, table, *columns):
    with service.database.transaction() as connection:
        return connection.execute(sa.select(*(table.c[name] for name in columns))).all()


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


# ── Two worlds ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["signed", "counter"])
@pytest.mark.parametrize("purpose", ["medical", "test"])
def test_no_real_till_takes_it(trial, linked, kind, purpose):
    linked.sign()
    code = linked.show(kind).json()["code"]
    till = trial.service.add_till(purposes=["medical", "test"])
    answer = till.redeem(code, purpose)
    refused(answer, 403, "sandbox_code" if purpose == "test" else "wrong_class")
    assert rows(trial.service, redemptions, "id") == []


def test_no_offline_till_hands_it_in(trial, linked):
    linked.sign()
    code = linked.show().json()["code"]
    till = trial.service.add_till(purposes=["test"])
    moment = trial.service.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    answer = till.send("POST", "/v1/offline-acceptances", {"items": [{"code": code, "accepted_at": moment}]})
    assert [one["code"] for one in answer.json()["outcomes"]] == ["sandbox_code"]
    assert rows(trial.service, redemptions, "id") == []


def test_the_sandbox_s_till_takes_no_real_card_s_code(fresh):
    trial, real = make_trial(fresh), make_carrying(fresh)
    linked = real.link(make_holder(fresh))
    linked.sign()
    refused(trial.take(linked.show(use="test")), 404, "unknown")
    refused(trial.take(linked.show(use="medical")), 403, "wrong_class")


def test_a_code_of_another_s_sandbox_is_unknown(fresh):
    trial, other = make_trial(fresh), make_trial(fresh)
    linked = trial.link()
    linked.sign()
    refused(other.take(linked.show()), 404, "unknown")


def test_a_real_holder_allows_a_client_of_the_sandbox_nothing(fresh):
    trial, holder = make_trial(fresh), make_holder(fresh)
    left = holder.approve(trial.app.client.begin(scope="openid card.read"))
    assert answer_of(left)["error"] == "access_denied"


def test_a_made_up_holder_answers_no_login_of_another_client(fresh):
    trial, other, plain = make_trial(fresh), make_trial(fresh), make_partner(fresh)
    card = trial.make_card()
    for client in (other.app.client, plain):
        code = code_of(fresh, client)
        refused(trial.answer(card, code), 410, "login_over")
    refused(trial.answer(card, "BCDF-GHJK"), 410, "login_over")


def code_of(service, client):
    """Begin a login of a client and give its code as the page shows it."""
    interaction = client.begin(scope="openid")
    assert service.http.get(f"/login/for/{interaction}").status_code == 303
    with service.database.transaction() as connection:
        row = connection.execute(sa.select(logins.c.id).where(logins.c.reference == interaction)).scalar_one()
        return make_code(service.runtime.login.stored, find_login(connection, row).id)


def test_another_s_card_looks_like_none(fresh):
    trial, other = make_trial(fresh), make_trial(fresh)
    card = trial.make_card()
    refused(other.act(card, "cancel"), 404, "not_found")
    refused(other.answer(card, "BCDF-GHJK"), 404, "not_found")
    assert other.ask("GET", CARDS).json() == {"items": []}
    real = make_holder(fresh)
    refused(trial.act({"card": real.card}, "report_loss"), 404, "not_found")


@pytest.mark.parametrize("real_card", [True, False])
def test_client_and_card_meet_in_their_own_world_alone(fresh, real_card):
    trial, live, plain = make_trial(fresh), make_carrying(fresh), make_partner(fresh)
    other = make_trial(fresh)
    card = make_holder(fresh).card if real_card else trial.make_card()["card"]
    clients = {"own": trial.app.client.id, "other": other.app.client.id, "live": live.client.id, "plain": plain.id}
    meets = {name for name, client in clients.items() if may_meet(fresh.database, client, card)}
    assert meets == ({"live", "plain"} if real_card else {"own"})
    assert not may_meet(fresh.database, trial.app.client.id, "crd_" + "0" * 26)


def test_a_link_of_a_real_holder_carries_nothing_where_its_client_comes_into_a_sandbox(fresh):
    holder, client = (
        make_holder(fresh),
        make_partner(fresh, scopes=["openid", "offline_access", "card.read", "card.present"]),
    )
    link = make_link(holder, client, {"scope": "openid offline_access card.read card.present"})
    trial = make_trial(fresh)
    detail = {"from": {"client": trial.app.client.id}, "to": {"client": client.id}}
    change(fresh, trial.app.channel, "terms", detail)
    headers = client.call_headers(link.tokens["access_token"], "/v1/carriages", "POST")
    answer = fresh.http.post("/v1/carriages", json={"out_request_no": new_number()}, headers=headers)
    refused(answer, 403, "channel_not_live")


def test_real_links_end_where_a_reviewed_channel_goes_back_to_the_sandbox(fresh):
    trial, holder = make_trial(fresh), make_holder(fresh)
    move(fresh, trial.app.channel, "reviewed")
    linked = trial.app.link(holder)
    refused(linked.sign(), 403, "channel_not_live")
    move(fresh, trial.app.channel, "sandbox")
    assert linked.link.exchange().json()["error"] == "invalid_grant"


def test_news_of_a_real_card_reach_no_sandbox_and_those_of_a_made_up_one_no_other(fresh):
    trial, other, live = make_trial(fresh), make_trial(fresh), make_carrying(fresh)
    real = live.link(make_holder(fresh))
    real.sign()
    linked = trial.link()
    linked.sign()
    assert [kind for kind, _ in trial.app.news()] == ["carriage.signed"]
    assert [kind for kind, _ in live.news()] == ["carriage.signed"]
    assert other.app.news() == []


def test_made_up_cards_stand_in_no_book_and_no_statement(trial):
    card = trial.make_card()
    linked = trial.link(card)
    linked.sign()
    trial.take(linked.show())
    for act in ("report_loss", "lift_loss", "unlink", "cancel"):
        assert trial.act(card, act).status_code == 200
    assert len(trial.app.news()) == 6
    assert rows(trial.service, carriage_records, "id") == []
    assert rows(trial.service, redemptions, "id") == []


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
