"""The log of a channel's own requests: what is in it, what never is, whose it is and for how long."""

import secrets

import pytest
import sqlalchemy as sa

from channels.request_log.models import channel_requests
from channels.request_log.requests import KEPT_DAYS
from core.database import DatabaseUnavailable
from core.ids import new_id
from tests.channels.forms_of_partners import FORMS
from tests.channels.partners import make_partner
from web.worker import Worker

LOG = "/v1/channel/requests"


@pytest.fixture
def partner(city):
    return make_partner(city)


def look(partner, answer):
    return partner.send("GET", f"{LOG}/{answer.headers['X-Request-Id']}")


def test_a_request_is_found_by_the_id_that_its_answer_bore(city, partner):
    answer = partner.send("GET", "/v1/channel")
    assert look(partner, answer).json() == {
        "id": answer.headers["X-Request-Id"],
        "arrived_at": "2026-03-02T08:00:00.000Z",
        "method": "GET",
        "route": "/v1/channel",
        "status": 200,
        "code": None,
        "algorithm": "ESSC-SM2-SM3",
        "serial": partner.serial,
    }


def test_a_refusal_is_kept_with_its_code_though_its_transaction_came_to_nothing(partner):
    missing = partner.send("GET", f"{LOG}/{new_id('req')}?secret=310101199001011234")
    shown = look(partner, missing).json()
    assert (shown["status"], shown["code"], shown["route"]) == (404, "not_found", f"{LOG}/<request>")
    bare = make_partner(partner.service, scopes=[])
    assert look(bare, bare.send("GET", "/v1/news")).json()["code"] == "scope_missing"


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_signature_is_told(city, form):
    partner = make_partner(city, algorithms=list(FORMS))
    body = b"" if form == "RFC9421-SM2-SM3" else b"{}"
    answer = FORMS[form](partner, "POST", "/v1/channel/signature-examinations", body).send(partner)
    assert look(partner, answer).json()["algorithm"] == form


def test_what_was_not_proven_is_in_nobody_s_log(city, partner):
    answer = city.http.get("/v1/channel", headers={"Authorization": partner.sign("GET", "/v1/other")})
    assert answer.status_code == 401
    assert look(partner, answer).status_code == 404


def test_nothing_of_address_body_or_answer_is_kept(city, partner):
    canary = "canary" + secrets.token_hex(4)
    partner.send("POST", f"/v1/channel/signature-examinations?{canary}", f'{{"x":"{canary}"}}'.encode())
    with city.database.transaction() as connection:
        kept = connection.execute(
            sa.select(channel_requests).where(channel_requests.c.channel == partner.channel)
        ).all()
    assert len(kept) == 1
    assert canary not in repr(kept)


def test_another_channel_s_request_looks_like_none(city, partner):
    answer, other = partner.send("GET", "/v1/channel"), make_partner(city)
    assert look(other, answer).status_code == 404
    assert {one["route"] for one in other.send("GET", LOG).json()["items"]} == {f"{LOG}/<request>"}
    assert other.send("GET", f"{LOG}?after={answer.headers['X-Request-Id']}").status_code == 400


def test_pages_go_from_the_newest_to_the_oldest_and_miss_none(partner):
    sent = [partner.send("GET", "/v1/channel").headers["X-Request-Id"] for _ in range(5)]
    seen, after = [], ""
    while True:
        page = partner.send("GET", f"{LOG}?limit=2{after}").json()
        seen += [one["id"] for one in page["items"] if one["route"] == "/v1/channel"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == sent[::-1]


@pytest.mark.parametrize(("seconds", "there"), [(KEPT_DAYS * 86_400, True), (KEPT_DAYS * 86_400 + 1, False)])
def test_the_worker_forgets_after_seven_days(city, partner, seconds, there):
    answer = partner.send("GET", "/v1/channel")
    city.clock.step(seconds)
    Worker(city.runtime).clean()
    assert (look(partner, answer).status_code == 200) is there


def test_where_the_log_cannot_be_kept_the_answer_leaves_all_the_same(partner, monkeypatch):
    def away(*_args):
        raise DatabaseUnavailable

    monkeypatch.setattr("web.request_log.keep_request", away)
    answer = partner.send("GET", "/v1/channel")
    assert (answer.status_code, "ESSC-Signature" in answer.headers) == (200, True)
    monkeypatch.undo()
    assert look(partner, answer).status_code == 404
