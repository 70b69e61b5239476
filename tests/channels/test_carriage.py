"""The card inside a partner's app: signed, shown, told, paused and ended there."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from auth.login.endings import end_link, end_phone
from channels.models import business_keys, carriages
from ecard.standing import lift_loss, report_loss
from qr.models import card_faces, redemptions
from tests.channels.carriers import AppWithLink, CarryingApp, make_carrying, new_number
from tests.channels.partners import PartnerApp, add_certificate, move, refused
from tests.oauth.conftest import both, fresh
from tests.oauth.holder import Holder, make_holder

__all__ = ["both", "fresh"]


@pytest.fixture
def app(fresh) -> CarryingApp:
    return make_carrying(fresh)


@pytest.fixture
def holder(fresh) -> Holder:
    return make_holder(fresh)


@pytest.fixture
def linked(app, holder) -> AppWithLink:
    return app.link(holder)


def chip_of(holder: Holder) -> str:
    with holder.service.database.transaction() as connection:
        query = sa.text("SELECT chip_card FROM electronic_cards WHERE id = :card")
        return connection.execute(query, {"card": holder.card}).scalar_one()


def stand(holder: Holder, act) -> None:
    with holder.service.database.transaction() as connection:
        act(holder.service.runtime.ground, connection, chip_of(holder), actor="test")


def result_of(answer) -> str:
    assert answer.status_code == 201, answer.text
    return answer.json()["result"]


# ── Signed ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_linked_card_is_pending_until_the_channel_signs_it(linked):
    before = linked.call("GET", "/v1/carriage").json()
    assert (before["state"], before["id"], before["subject"]) == ("pending", None, linked.link.subject)
    signed = linked.sign("B-1").json()
    assert {**signed, "id": "", "signed_at": ""} == {
        "id": "",
        "subject": linked.link.subject,
        "state": "active",
        "card_standing": "active",
        "level": "L3",
        "payment": True,
        "payment_opened": False,
        "sequence": 0,
        "signed_at": "",
        "out_request_no": "B-1",
        "result": "001",
    }
    after = linked.call("GET", "/v1/carriage").json()
    assert (after["id"], after["state"], after["result"]) == (signed["id"], "active", None)


def test_nobody_s_name_number_or_card_id_is_in_what_a_channel_is_told(linked, holder):
    text = linked.sign().text + linked.call("GET", "/v1/carriage").text + linked.show().text
    assert holder.card not in text
    assert "99010" not in text


def test_the_same_person_in_several_channels_is_one_card_with_several_carriages(both):
    holder = make_holder(both)
    first, second = (make_carrying(both).link(holder) for _ in range(2))
    assert [result_of(first.sign()), result_of(second.sign())] == ["001", "002"]
    assert first.link.subject != second.link.subject
    with both.database.transaction() as connection:
        assert connection.execute(sa.select(carriages.c.card)).scalars().all() == [holder.card] * 2
    assert [app.show().status_code for app in (first, second)] == [201, 201]


def test_signing_again_is_the_same_carriage(linked):
    first, again = linked.sign("B-1").json(), linked.sign("B-2").json()
    assert (again["id"], again["result"]) == (first["id"], first["result"])


def test_a_number_of_the_partner_s_books_stands_for_one_request_for_ever(linked, fresh):
    first = linked.sign("B-1")
    fresh.clock.step(200)
    assert linked.sign("B-1").json() == first.json()
    refused(linked.sign("B-1", seen=5), 422, "out_request_no_reused")
    with fresh.database.transaction() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(business_keys)).scalar_one() == 1


def test_two_channels_may_use_the_same_number(fresh, holder):
    first, second = (make_carrying(fresh).link(holder) for _ in range(2))
    assert first.sign("B-1").json()["id"] != second.sign("B-1").json()["id"]


def test_what_was_refused_has_taken_no_number(app, holder, linked):
    short = app.link(holder, "openid card.present")
    refused(short.sign("B-1"), 403, "link_needed")
    assert result_of(linked.sign("B-1")) == "001"


@pytest.mark.parametrize("number", ["", "x" * 65, "a b", "张", "a\n", 7, None, "99010019850314012X"])
def test_a_number_of_another_form_is_refused(linked, number):
    assert linked.call("POST", "/v1/carriages", {"out_request_no": number}).status_code == 400


def test_a_password_proven_in_a_new_login_is_told(app, holder, linked):
    linked.sign()
    assert result_of(app.link(holder, amr=("hwk", "pin")).sign()) == "004"


def test_a_link_that_is_renewed_takes_the_place_of_the_one_before(app, holder, linked):
    carriage = linked.sign().json()["id"]
    newer = app.link(holder, amr=("hwk",))
    assert newer.sign().json()["id"] == carriage
    assert linked.call("GET", "/v1/carriage").status_code == 401
    assert newer.show().status_code == 201
    assert [kind for kind, _ in app.news() if kind.startswith("carriage.")] == ["carriage.signed"]


def test_whoever_knows_less_than_has_happened_is_told_to_sync(app, holder, linked):
    linked.sign()
    stand(holder, report_loss)
    stand(holder, lift_loss)
    known = len(app.news())
    assert known == 3
    assert linked.call("GET", "/v1/carriage?seen=2").json()["result"] == "006"
    assert linked.call("GET", "/v1/carriage?seen=3").json()["result"] is None
    assert result_of(linked.sign(seen=2)) == "006"


def test_payment_is_opened_by_a_login_for_it(app, holder, linked):
    linked.sign()
    paying = app.link(holder, "openid card.present card.pay", amr=("hwk",))
    signed = paying.sign().json()
    assert (signed["result"], signed["payment_opened"]) == ("005", True)
    assert result_of(app.link(holder, "openid card.present card.pay", amr=("hwk",)).sign()) == "001"


def test_a_card_that_may_not_pay_opens_no_payment(fresh, app):
    with fresh.database.transaction() as connection:
        holder = make_holder(fresh, 7)
        connection.execute(sa.text("UPDATE electronic_cards SET default_pin = true"))
    linked = app.link(holder)
    linked.sign()
    refused(app.link(holder, "openid card.present card.pay").sign(), 403, "level_too_low")
    assert linked.call("GET", "/v1/carriage").json()["payment_opened"] is False


# ── Shown ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["signed", "counter"])
def test_a_code_shown_in_the_app_is_taken_once_and_recorded_with_the_channel(both, kind):
    app, holder = make_carrying(both), make_holder(both)
    linked = app.link(holder)
    linked.sign()
    code, till = linked.show(kind).json()["code"], both.add_till()
    assert till.redeem(code, "medical").json()["result"] == "accepted"
    assert till.redeem(code, "medical").json()["code"] == "already_used"
    with both.database.transaction() as connection:
        row = connection.execute(sa.select(redemptions.c.card, redemptions.c.channel)).one()
    assert (row.card, row.channel) == (holder.card, app.channel)
    assert [kind for kind, _ in app.news()] == ["carriage.signed", "code.redeemed"]


def test_a_silent_return_shows_a_code_and_a_list_of_uses(linked, fresh):
    linked.sign()
    token = linked.link.token()
    fresh.add_till().redeem(linked.show(token=token).json()["code"], "medical")
    uses = linked.call("GET", "/v1/carriage/uses", token=token).json()["items"]
    assert [(use["purpose"], "channel" in use) for use in uses] == [("medical", False)]


def test_a_list_of_uses_has_those_of_the_channel_s_own_codes(fresh, holder):
    first, second = (make_carrying(fresh).link(holder) for _ in range(2))
    first.sign(), second.sign()
    fresh.add_till().redeem(first.show().json()["code"], "medical")
    assert len(first.call("GET", "/v1/carriage/uses").json()["items"]) == 1
    assert second.call("GET", "/v1/carriage/uses").json() == {"items": [], "next": None}


def test_nothing_is_shown_before_it_is_signed(linked):
    refused(linked.show(), 409, "carriage_not_signed")
    refused(linked.call("GET", "/v1/carriage/uses"), 409, "carriage_not_signed")


@pytest.mark.parametrize(
    ("scope", "method", "path", "body"),
    [
        ("openid offline_access card.read", "POST", "/v1/carriages", {"out_request_no": "a"}),
        ("openid offline_access card.read", "POST", "/v1/carriage/codes", {"class": "medical"}),
        ("openid offline_access card.present", "GET", "/v1/carriage", None),
        ("openid offline_access card.present", "GET", "/v1/carriage/uses", None),
        ("openid offline_access card.present", "POST", "/v1/carriage/loss-reports", {"out_request_no": "a"}),
        ("openid offline_access card.present", "POST", "/v1/carriage/end", {"out_request_no": "a"}),
    ],
)
def test_each_call_needs_its_scope(app, holder, scope, method, path, body):
    refused(app.link(holder, scope).call(method, path, body), 403, "scope_missing")


@pytest.mark.parametrize("scope", ["card.report_loss", "card.unlink", "card.pay"])
def test_what_changes_the_card_is_not_given_silently(app, holder, scope):
    link = app.link(holder, f"openid offline_access card.read {scope}").link
    assert link.exchange(scope=scope).json()["error"] == "invalid_scope"


# ── Lost, paused, ended ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_loss_reported_in_one_app_stops_the_card_in_all(fresh, holder):
    apps = [make_carrying(fresh) for _ in range(2)]
    links = [app.link(holder) for app in apps]
    for link in links:
        link.sign()
    code = links[1].show().json()["code"]
    reporting = apps[0].link(holder, "openid card.report_loss")
    number = new_number()
    answers = [reporting.call("POST", "/v1/carriage/loss-reports", {"out_request_no": number}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    refused(links[1].show(), 409, "electronic_card_suspended")
    assert fresh.add_till().redeem(code, "medical").json()["code"] == "card_suspended"
    assert links[1].call("GET", "/v1/carriage").json()["state"] == "suspended"
    assert ("card.loss_reported", {"standing": "suspended"}) in apps[1].news()


def test_a_channel_pauses_a_card_and_lets_it_go_on(app, linked, fresh):
    carriage, till = linked.sign().json()["id"], fresh.add_till()
    code = linked.show().json()["code"]
    suspended = app.partner.send("POST", f"/v1/carriages/{carriage}/suspend", b'{"reason":"risk"}')
    assert (suspended.status_code, suspended.json()["state"]) == (200, "suspended")
    assert till.redeem(code, "medical").json()["code"] == "unknown"
    refused(linked.show(), 409, "carriage_paused")
    refused(
        app.partner.send("POST", f"/v1/carriages/{carriage}/suspend", b'{"reason":"x"}'), 409, "carriage_out_of_step"
    )
    assert app.partner.send("POST", f"/v1/carriages/{carriage}/resume").json()["state"] == "active"
    assert till.redeem(linked.show().json()["code"], "medical").json()["result"] == "accepted"
    told = [kind for kind, _ in app.news() if kind.startswith("carriage.")]
    assert told == ["carriage.signed", "carriage.suspended", "carriage.resumed"]


def test_signing_again_does_not_undo_the_channel_s_own_pause(app, holder, linked):
    carriage = linked.sign().json()["id"]
    app.partner.send("POST", f"/v1/carriages/{carriage}/suspend", b'{"reason":"risk"}')
    again = app.link(holder)
    assert again.sign().json()["state"] == "suspended"
    refused(again.show(), 409, "carriage_paused")


def end_by_holder(app, linked, holder, carriage):
    with holder.service.database.transaction() as connection:
        end_link(holder.service.runtime.ground, connection, card=holder.card, grant=linked.link.grant, actor="holder")


def end_with_phone(app, linked, holder, carriage):
    with holder.service.database.transaction() as connection:
        ground = holder.service.runtime.ground
        end_phone(ground, connection, card=holder.card, device=holder.device, actor="holder")


def end_by_channel(app, linked, holder, carriage):
    answer = app.partner.send("POST", f"/v1/carriages/{carriage}/end", b'{"out_request_no":"E-1"}')
    assert answer.json() == {"id": carriage, "state": "revoked", "result": "003"}


def end_in_app(app, linked, holder, carriage):
    leaving = app.link(holder, "openid card.unlink")
    answer = leaving.call("POST", "/v1/carriage/end", {"out_request_no": "E-1"})
    assert answer.json() == {"id": carriage, "state": "revoked", "result": "003"}


@pytest.mark.parametrize(
    ("end", "because"),
    [
        (end_by_holder, "ended_by_holder"),
        (end_with_phone, "device_ended"),
        (end_by_channel, "ended_by_channel"),
        (end_in_app, "ended_by_holder"),
    ],
)
def test_however_a_carriage_ends_its_codes_die_and_the_channel_is_told(app, linked, holder, fresh, end, because):
    carriage = linked.sign().json()["id"]
    codes = [linked.show(kind).json()["code"] for kind in ("signed", "counter")]
    end(app, linked, holder, carriage)
    assert [fresh.add_till().redeem(code, "medical").json()["code"] for code in codes] == ["unknown"] * 2
    assert linked.call("GET", "/v1/carriage").status_code == 401
    seen = app.partner.send("GET", f"/v1/carriages/{carriage}").json()
    assert seen["state"] == "revoked"
    assert ("carriage.ended", {"carriage": carriage, "because": because}) in app.news()
    assert linked.link.exchange().json()["error"] == "invalid_grant"


def test_an_end_is_told_to_its_channel_alone(fresh, holder):
    apps = [make_carrying(fresh) for _ in range(2)]
    first, second = (app.link(holder) for app in apps)
    carriage = first.sign().json()["id"]
    second.sign()
    end_by_channel(apps[0], first, holder, carriage)
    assert "carriage.ended" not in [kind for kind, _ in apps[1].news()]
    assert second.show().status_code == 201


def test_ending_again_under_the_same_number_gives_the_same_answer(app, linked, holder):
    carriage = linked.sign().json()["id"]
    end_by_channel(app, linked, holder, carriage)
    end_by_channel(app, linked, holder, carriage)
    refused(
        app.partner.send("POST", f"/v1/carriages/{carriage}/end", b'{"out_request_no":"E-2"}'),
        409,
        "carriage_not_signed",
    )


def test_a_card_that_comes_back_to_an_app_has_the_same_carriage(app, linked, holder):
    carriage = linked.sign().json()["id"]
    end_by_channel(app, linked, holder, carriage)
    again = app.link(holder)
    assert again.call("GET", "/v1/carriage").json()["state"] == "pending"
    signed = again.sign().json()
    assert (signed["id"], signed["result"], signed["state"]) == (carriage, "001", "active")
    assert again.show().status_code == 201


def test_a_link_ends_by_its_time_and_the_carriage_with_it(app, linked, fresh):
    carriage, partner = linked.sign().json()["id"], PartnerApp(fresh, app.channel)
    partner.serial = add_certificate(fresh, partner, days=300)
    fresh.clock.step(timedelta(days=180).total_seconds())
    assert partner.send("GET", f"/v1/carriages/{carriage}").json()["state"] == "revoked"


def test_every_face_but_the_last_is_ended(app, linked, holder, fresh):
    carriage = linked.sign().json()["id"]
    app.link(holder).sign()
    app.partner.send("POST", f"/v1/carriages/{carriage}/suspend", b'{"reason":"risk"}')
    app.partner.send("POST", f"/v1/carriages/{carriage}/resume")
    with fresh.database.transaction() as connection:
        open_ones = sa.select(card_faces.c.card_index).where(card_faces.c.ended_at.is_(None))
        faces = connection.execute(open_ones).scalars().all()
        assert faces == [connection.execute(sa.select(carriages.c.face)).scalar_one()]


# ── The channel's side, and the holder's ─────────────────────────────────────────────────────────────────────────


def test_a_channel_lists_its_carriages_page_by_page(fresh, app):
    made = [app.link(make_holder(fresh, number)).sign().json()["id"] for number in (1, 2, 3)]
    first = app.partner.send("GET", "/v1/carriages?limit=2").json()
    rest = app.partner.send("GET", f"/v1/carriages?limit=2&after={first['next']}").json()
    assert [one["id"] for one in first["items"] + rest["items"]] == made
    assert rest["next"] is None
    assert app.partner.send("GET", "/v1/carriages?state=revoked").json()["items"] == []
    assert app.partner.send("GET", "/v1/carriages?after=crg_nothing").status_code == 400


def test_another_channel_s_carriage_is_not_there(fresh, app, linked):
    carriage, other = linked.sign().json()["id"], make_carrying(fresh).partner
    body = {"suspend": b'{"reason":"x"}', "end": b'{"out_request_no":"x"}', "resume": b""}
    refused(other.send("GET", f"/v1/carriages/{carriage}"), 404, "not_found")
    for act, sent in body.items():
        refused(other.send("POST", f"/v1/carriages/{carriage}/{act}", sent), 404, "not_found")
    assert other.send("GET", "/v1/carriages").json()["items"] == []
    assert other.send("GET", f"/v1/carriages?after={carriage}").status_code == 400


def test_a_channel_that_is_not_live_carries_nothing(fresh, app, linked):
    linked.sign()
    move(fresh, app.channel, "suspended")
    assert linked.show().status_code == 401  # its client is suspended with it
    assert app.partner.send("GET", "/v1/carriages").status_code == 401


def test_a_client_without_a_channel_signs_nothing(fresh, holder):
    app = make_carrying(fresh, scopes=("news",))
    refused(app.link(holder).sign(), 403, "scope_missing")


def test_a_channel_s_limit_counts_what_its_customers_ask(fresh, holder):
    app = make_carrying(fresh, requests_per_minute=3)
    linked = app.link(holder)
    answers = [linked.call("GET", "/v1/carriage").status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]


def test_the_holder_sees_where_the_card_is_carried(fresh):
    phone = fresh.enroll(card=fresh.make_card(1))
    holder, app = Holder(fresh, phone.card, phone.device), make_carrying(fresh)
    linked = app.link(holder)
    carriage = linked.sign().json()["id"]
    listed = phone.call("GET", f"/v1/cards/{phone.card}/carriages").json()["items"]
    assert [(one["id"], one["state"], one["link"]) for one in listed] == [(carriage, "active", linked.link.grant)]
    phone.call("POST", f"/v1/cards/{phone.card}/links/{linked.link.grant}/end")
    assert phone.call("GET", f"/v1/cards/{phone.card}/carriages").json()["items"] == []
