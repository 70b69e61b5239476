"""What holders and phones are told: each thing once, to the phones it concerns, with ids and codes only."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from channels.models import notices
from channels.notices import tell_events
from cli.phone import Phone
from core.ids import is_id
from core.outbox import outbox, record_event
from tests.service import Service, running_service
from web.worker import Worker

IDS_AND_CODES = re.compile(r"[A-Za-z0-9_.:-]{1,60}")


def fetch(phone: Phone, query: str = "") -> dict[str, Any]:
    answer = phone.send("GET", f"/v1/notices{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def kinds(phone: Phone) -> list[str]:
    return [notice["kind"] for notice in fetch(phone)["items"]]


def tell(service: Service) -> int:
    told = 0
    while count := Worker(service.runtime).tell():
        told += count
    return told


def record(service: Service, kind: str, card: str | None, **content: Any) -> str:
    with service.database.transaction() as connection:
        return record_event(connection, kind, card=card, content=content, at=service.clock())


# ── Who is told ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_phone_is_told_what_happened_to_its_card_the_newest_first(service):
    phone, till = service.enroll(), service.add_till()
    till.redeem(phone.code("medical").json()["code"], "medical")
    phone.call("POST", f"/v1/cards/{phone.card}/loss-reports")
    assert kinds(phone) == []
    tell(service)
    assert kinds(phone) == ["card.loss_reported", "code.redeemed", "card.issued"]
    tell(service)
    assert len(kinds(phone)) == 3


def test_a_redemption_tells_where_it_was_and_which_it_is(service):
    phone, till = service.enroll(), service.add_till()
    taken = till.redeem(phone.code("medical").json()["code"], "medical").json()
    tell(service)
    notice = fetch(phone)["items"][0]
    assert (notice["kind"], notice["card"]) == ("code.redeemed", phone.card)
    assert notice["content"]["redemption"] == taken["id"]
    assert notice["content"]["terminal"] == till.terminal
    assert notice["happened_at"] == taken["redeemed_at"]


def test_nobody_is_told_of_somebody_else_s_card(service):
    one, other = service.enroll(), service.enroll(card=service.make_card(2))
    stranger = service.phone()
    service.add_till().redeem(one.code("medical").json()["code"], "medical")
    tell(service)
    assert "code.redeemed" in kinds(one)
    assert kinds(other) == ["card.issued"]
    assert kinds(stranger) == []


def test_a_phone_that_lost_its_card_to_another_one_learns_why_and_nothing_that_came_after(service):
    card = service.make_card()
    old = service.enroll(card=card)
    new = service.enroll(card=card)
    service.add_till().redeem(new.code("medical").json()["code"], "medical")
    tell(service)
    assert kinds(old)[0] == "device.ended"
    assert fetch(old)["items"][0]["content"]["because"] == "moved_to_another_phone"
    assert "code.redeemed" not in kinds(old)
    assert "code.redeemed" in kinds(new)


def test_every_phone_of_a_card_is_told(sqlite_url, tmp_path):
    with running_service(sqlite_url, tmp_path, max_devices=2) as service:
        card = service.make_card()
        phones = [service.enroll(card=card) for _ in range(2)]
        tell(service)
        record(service, "card.loss_reported", phones[0].card)
        tell(service)
        assert [kinds(phone)[0] for phone in phones] == ["card.loss_reported"] * 2


def test_an_event_that_concerns_no_phone_is_taken_and_told_to_none(service):
    phone = service.enroll()
    tell(service)
    before = fetch(phone)
    record(service, "enrollment.refused", None, enrollment="enr_1", because="chip_card_lost")
    record(service, "something.new", phone.card)
    record(service, "card.loss_reported", "crd_" + "0" * 26)
    assert tell(service) == 3
    assert fetch(phone) == before


# ── Once ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_worker_that_fails_half_way_tells_nothing_twice(service):
    phone = service.enroll()
    with pytest.raises(ZeroDivisionError), service.database.transaction() as connection:
        assert tell_events(connection, at=service.clock()) > 0
        _ = 1 // 0
    assert kinds(phone) == []
    tell(service)
    assert kinds(phone) == ["card.issued"]


def test_an_event_told_again_makes_no_second_notice(service):
    phone = service.enroll()
    tell(service)
    with service.database.transaction() as connection:
        connection.execute(outbox.update().values(told_at=None))
    tell(service)
    assert kinds(phone) == ["card.issued"]


def test_workers_beside_each_other_tell_everything_once(service):
    phone = service.enroll()
    for _ in range(60):
        record(service, "card.loss_lifted", phone.card)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _number: tell(service), range(4)))
    with service.database.transaction() as connection:
        told = (
            connection.execute(sa.select(notices.c.event).where(notices.c.kind == "card.loss_lifted")).scalars().all()
        )
        waiting = connection.execute(sa.select(outbox.c.id).where(outbox.c.told_at.is_(None))).all()
    assert (len(told), len(set(told)), waiting) == (60, 60, [])


# ── Pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pages_follow_each_other_without_gap_or_repetition(service):
    phone = service.enroll()
    for _ in range(6):
        record(service, "card.loss_lifted", phone.card)
    tell(service)
    whole = [notice["id"] for notice in fetch(phone)["items"]]
    assert len(whole) == 7
    paged: list[str] = []
    following: str | None = ""
    while following is not None:
        page = fetch(phone, f"?limit=3{following and f'&after={following}'}")
        paged += [notice["id"] for notice in page["items"]]
        following = page["next"]
    assert paged == whole


@pytest.mark.parametrize("limit", [1, 6, 7, 8, 100])
def test_the_last_page_says_that_it_is_the_last(sqlite_service, limit):
    phone = sqlite_service.enroll()
    for _ in range(6):
        record(sqlite_service, "card.loss_lifted", phone.card)
    tell(sqlite_service)
    page = fetch(phone, f"?limit={limit}")
    assert len(page["items"]) == min(limit, 7)
    assert (page["next"] is None) == (limit >= 7)


def test_a_cursor_is_good_only_for_the_phone_that_got_it(service):
    one, other = service.enroll(), service.enroll(card=service.make_card(2))
    tell(service)
    mine = fetch(one)["items"][0]["id"]
    for cursor in (mine, "ntc_" + "0" * 26, "x", "crd_" + "0" * 26):
        answer = other.send("GET", f"/v1/notices?after={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert fetch(one, f"?after={mine}") == {"items": [], "next": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=-1", "limit=", f"after={'x' * 41}"])
def test_a_page_of_another_size_is_refused(sqlite_service, query):
    answer = sqlite_service.phone().send("GET", f"/v1/notices?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


# ── What is told ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_notices_and_events_hold_ids_and_codes_and_nothing_else(service):
    card = service.make_card()
    service.enroll(card=card)
    phone, till = service.enroll(card=card), service.add_till()
    taken = {"code": phone.code("test").json()["code"], "accepted_at": "2026-03-02T08:00:00Z"}
    till.send("POST", "/v1/offline-acceptances", {"items": [taken]})
    service.add_till().send("POST", "/v1/offline-acceptances", {"items": [taken]})
    phone.call("POST", f"/v1/cards/{phone.card}/loss-reports")
    tell(service)
    items = fetch(phone)["items"]
    assert {item["kind"] for item in items} >= {
        "card.issued",
        "code.redeemed",
        "code.taken_twice",
        "card.loss_reported",
    }
    with service.database.transaction() as connection:
        contents = list(connection.execute(sa.select(outbox.c.content)).scalars()) + [item["content"] for item in items]
    for content in contents:
        for name, value in content.items():
            assert IDS_AND_CODES.fullmatch(str(value)), (name, json.dumps(content, ensure_ascii=False))
    assert all(is_id(item["id"], "ntc") for item in items)
