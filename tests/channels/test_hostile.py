"""What an attacker tried who has a certificate, a token, an operator's name, or a server that we call."""

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from auth.oauth.client_register import set_client_standing
from channels.carriage import sign
from channels.destinations import PinnedDestination
from channels.posting import Posted
from channels.webhooks import deliver_some
from core.clock import to_text
from qr.faces import open_face
from qr.models import redemptions
from tests.channels.carriers import LINKED, AppWithLink, CarryingApp, make_carrying
from tests.channels.news_of_tests import deliver_all, happen, make_told_partner, tell, with_post
from tests.channels.partners import change, make_partner, move
from tests.oauth.conftest import MANY_A_MINUTE, fresh
from tests.oauth.holder import make_holder
from tests.service import running_service

__all__ = ["fresh"]

CARD = f"crd_{'q' * 26}"
OTHER_CARD = f"crd_{'z' * 26}"
EXAMINED = "/v1/sandbox/signature-examinations"


@pytest.fixture
def app(fresh) -> CarryingApp:
    return make_carrying(fresh)


# ── Whoever is on the network ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["body_base64", "base_string_base64"])
def test_a_line_end_behind_base64_is_refused_and_no_fault(city, name):
    given = {"method": "GET", "target": "/v1/channel", "header_fields": {}, name: "QUJD\n"}
    assert city.http.post(EXAMINED, json=given).status_code == 400


def test_a_made_up_card_is_named_in_one_line(city):
    trial = b'{"kind":"card.loss_reported","card":"sandbox-a\\n"}'
    assert make_partner(city, "sandbox").send("POST", "/v1/sandbox/news", trial).status_code == 400


# ── The receiver of news ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("zone", ["+9999999999999999", "-9999999999999999", "+99999999999"])
def test_a_date_that_no_clock_can_name_asks_for_no_wait(fresh, zone):
    partner = make_told_partner(fresh)
    partner.link(CARD)
    partner.add_endpoint("https://receiver.example/")
    happen(fresh, "card.issued", CARD)
    tell(fresh)

    def answer(*_sent: Any) -> Posted:
        return Posted(503, "http_503", f"1 Jan 2027 00:00:00 {zone}")

    assert deliver_all(with_post(fresh, answer)) == 1
    assert partner.endpoint().failures == 1


def test_a_receiver_that_takes_its_time_holds_up_no_other(fresh):
    slow, other = make_told_partner(fresh), make_told_partner(fresh)
    for partner, name in ((slow, "slow"), (other, "other")):
        partner.link(CARD)
        partner.add_endpoint(f"https://{name}.example/")
    slow.link(OTHER_CARD)
    for _ in range(3):
        happen(fresh, "card.issued", OTHER_CARD)
    happen(fresh, "card.issued", CARD)
    tell(fresh)
    sent: list[str] = []

    def answer(pinned: PinnedDestination, *_sent: Any) -> Posted:
        sent.append(pinned.destination.host)
        if len(sent) == 1:  # and while it waits, another thread of the worker looks for work
            another = threading.Thread(target=deliver_some, args=(desk, 1))
            another.start()
            another.join()
        return Posted(200, "http_200")

    desk = with_post(fresh, answer)
    assert deliver_some(desk, 1) == 1
    assert sent == ["slow.example", "other.example"]


# ── A partner with a token ───────────────────────────────────────────────────────────────────────────────────────


def test_a_silent_return_opens_no_payment_that_only_a_redirect_gives(app, fresh):
    linked = app.link(make_holder(fresh), f"{LINKED} card.pay")
    silent = linked.link.token(scope="card.present")
    signed = linked.call("POST", "/v1/carriages", {"out_request_no": "B-1"}, token=silent).json()
    assert (signed["result"], signed["payment_opened"]) == ("001", False)
    assert linked.sign("B-2").json()["result"] == "005"


def test_no_code_of_a_channel_that_was_suspended_is_taken(app, fresh):
    linked, till = app.link(make_holder(fresh)), fresh.add_till()
    linked.sign()
    codes = [linked.show(kind).json()["code"] for kind in ("signed", "counter")]
    move(fresh, app.channel, "suspended")
    assert [till.redeem(code, "medical").json().get("code") for code in codes] == ["unknown", "unknown"]


def end(linked: AppWithLink) -> None:
    linked.app.partner.send("POST", f"/v1/carriages/{linked.sign().json()['id']}/end", b'{"out_request_no":"E-1"}')


def pause(linked: AppWithLink) -> None:
    linked.app.partner.send("POST", f"/v1/carriages/{linked.sign().json()['id']}/suspend", b'{"reason":"risk"}')


def stop(linked: AppWithLink) -> None:
    move(linked.app.service, linked.app.channel, "suspended")


@pytest.mark.parametrize("act", [end, pause, stop])
def test_a_code_taken_offline_is_recorded_whatever_ends_before_it_is_handed_in(app, fresh, act):
    linked, till = app.link(make_holder(fresh)), fresh.add_till()
    linked.sign()
    taken = {"code": linked.show().json()["code"], "accepted_at": to_text(fresh.clock())}
    act(linked)
    (outcome,) = till.send("POST", "/v1/offline-acceptances", {"items": [taken]}).json()["outcomes"]
    assert (outcome["result"], outcome["code"]) == ("recorded", None)
    with fresh.database.transaction() as connection:
        assert connection.execute(sa.select(redemptions.c.channel)).scalar_one() == app.channel


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "K-1"}])
def test_calls_that_come_to_nothing_count_for_the_channel_too(fresh, headers):
    app = make_carrying(fresh, requests_per_minute=3)
    linked = app.link(make_holder(fresh))
    body = {"class": "medical", "kind": "signed"}

    def show() -> int:
        proven = app.client.call_headers(linked.token, "/v1/carriage/codes", "POST")
        return fresh.http.post("/v1/carriage/codes", json=body, headers=proven | headers).status_code

    assert [show() for _ in range(4)] == [409, 409, 409, 429]


def test_a_pause_that_comes_while_the_card_is_signed_anew_holds(postgres_url, tmp_path, monkeypatch):
    with running_service(postgres_url, tmp_path, **MANY_A_MINUTE) as service:
        app, holder = make_carrying(service), make_holder(service)
        carriage = app.link(holder).sign().json()["id"]
        newer = app.link(holder)

        paused = []

        def pause() -> None:
            paused.append(app.partner.send("POST", f"/v1/carriages/{carriage}/suspend", b'{"reason":"risk"}'))

        def pause_meanwhile(*given: Any, **named: Any) -> int:
            pausing = threading.Thread(target=pause)
            pausing.start()
            pausing.join()
            return open_face(*given, **named)

        monkeypatch.setattr(sign, "open_face", pause_meanwhile)
        signed = newer.sign()
        assert [one.status_code for one in (*paused, signed)] == [200, 409], paused[0].text
        monkeypatch.undo()
        assert newer.sign().json()["state"] == "suspended"
        assert newer.show().json()["code"] == "carriage_paused"


# ── An operator alone ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_client_that_was_stopped_by_itself_is_not_let_go_on_by_other_terms_of_its_channel(app, fresh):
    with fresh.database.transaction() as connection:
        set_client_standing(connection, app.client.id, "suspended")
    most = "requests_per_minute"
    change(fresh, app.channel, "terms", {"from": {most: 60_000}, "to": {most: 59_000}})
    with fresh.database.transaction() as connection:
        assert not set_client_standing(connection, app.client.id, "suspended")
