"""Made-up cards and real ones never meet: not at a till, not in a login, not in a list, a book or a piece of news."""

import pytest
import sqlalchemy as sa

from auth.login.codes import make_code
from auth.login.models import logins
from auth.login.records import find_login
from channels.sandbox.meeting import may_meet
from qr.models import carriage_records, redemptions
from tests.channels.carriers import make_carrying, new_number
from tests.channels.partners import change, move, refused
from tests.channels.trials import CARDS, make_trial, rows
from tests.exchange.returning import make_link
from tests.oauth.clients_of_tests import answer_of, make_partner
from tests.oauth.conftest import fresh
from tests.oauth.holder import make_holder

__all__ = ["fresh"]


@pytest.fixture
def trial(fresh):
    return make_trial(fresh)


@pytest.fixture
def linked(trial):
    return trial.link()


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
