"""What terminals took without the service and hand in later (qr-code.md, B)."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cli.till import Till
from core.clock import to_text
from core.errors import Malformed
from core.outbox import outbox
from ecard.standing import report_loss
from qr.code_class import CodeClass
from qr.errors import CodeSpent
from qr.models import offline_duplicates, redemptions
from tests.redemption.counter import (
    Counter,
    flip_last_digit,
    require_accepted,
    require_verdict,
    take,
    unknown_counter_code,
)


def item(code: Any, accepted_at: datetime) -> dict[str, Any]:
    return {"code": code, "accepted_at": to_text(accepted_at)}


def upload(till: Till, *items: dict[str, Any]) -> list[dict[str, Any]]:
    answer = till.send("POST", "/v1/offline-acceptances", {"items": list(items)})
    assert answer.status_code == 200, answer.text
    outcomes: list[dict[str, Any]] = answer.json()["outcomes"]
    assert [outcome["index"] for outcome in outcomes] == list(range(len(items)))
    return outcomes


def results(outcomes: list[dict[str, Any]]) -> list[str]:
    return [outcome["code"] or outcome["result"] for outcome in outcomes]


def test_an_acceptance_is_recorded_and_the_holder_sees_when_it_was(counter: Counter) -> None:
    before, till, code, at = counter.count(), counter.till(), counter.show(), counter.clock()
    counter.clock.step(3 * 86_400)
    (outcome,) = upload(till, item(code, at))
    assert outcome["result"] == "recorded"
    assert counter.phone.sign_in().is_success
    use = counter.phone.call("GET", f"/v1/cards/{counter.phone.card}/uses").json()["items"][0]
    assert (use["id"], use["mode"], use["redeemed_at"]) == (outcome["redemption"], "offline", to_text(at))
    assert counter.count() == before + 1


def test_the_same_upload_again_gives_the_same_outcomes(counter: Counter) -> None:
    till, other, at = counter.till(), counter.till(), counter.clock()
    mine, theirs, bad = counter.show(), counter.show(), flip_last_digit(counter.show())
    upload(other, item(theirs, at))
    batch = [item(mine, at), item(theirs, at), item(bad, at)]
    first = upload(till, *batch)
    before = counter.count()
    assert results(first) == ["recorded", "duplicate", "bad_signature"]
    for later in (0, 60, 86_400):
        counter.clock.step(later)
        assert upload(till, *batch) == first
    assert counter.count() == before
    assert len(reported(counter, theirs)) == 1


def test_a_code_taken_by_two_terminals_is_reported(counter: Counter) -> None:
    first, second, at = counter.till(), counter.till(counter.service.add_institution()), counter.clock()
    code = counter.show()
    counter.clock.step(60)
    (recorded,) = upload(first, item(code, at))
    (duplicate,) = upload(second, item(code, at + timedelta(seconds=20)))
    assert duplicate["result"] == "duplicate"
    assert duplicate["redemption"] == recorded["redemption"]
    assert duplicate["first"] == {"where": "elsewhere", "at": to_text(at)}
    (row,) = reported(counter, code)
    assert (row.terminal, row.first_redemption) == (second.terminal, recorded["redemption"])
    with counter.service.database.transaction() as connection:
        events = connection.execute(sa.select(outbox.c.content).where(outbox.c.kind == "code.taken_twice")).scalars()
        assert [event for event in events if event["first"] == recorded["redemption"]] == [
            {"first": recorded["redemption"], "terminal": second.terminal, "first_terminal": first.terminal}
        ]


def test_a_code_taken_twice_at_one_terminal_is_reported(counter: Counter) -> None:
    till, code, at = counter.till(), counter.show(), counter.clock()
    outcomes = upload(till, item(code, at), item(code, at + timedelta(seconds=1)))
    assert results(outcomes) == ["recorded", "duplicate"]
    assert outcomes[1]["first"] == {"where": "here", "at": to_text(at)}


def test_a_code_redeemed_online_and_taken_offline_is_reported(counter: Counter) -> None:
    online, offline, code, at = counter.till(), counter.till(), counter.show(), counter.clock()
    accepted = require_accepted(take(online, code))
    (outcome,) = upload(offline, item(code, at))
    assert (outcome["result"], outcome["redemption"]) == ("duplicate", accepted["id"])


def test_a_code_taken_offline_is_spent_online(counter: Counter) -> None:
    till, code = counter.till(), counter.show()
    upload(till, item(code, counter.clock()))
    assert require_verdict(take(till, code), CodeSpent)["where"] == "here"
    assert require_verdict(take(counter.till(), code), CodeSpent)["where"] == "elsewhere"


def test_one_bad_item_spoils_no_other(counter: Counter) -> None:
    narrow = counter.till(purposes=("medical", "test"))
    at = counter.clock()
    good = [counter.show() for _ in range(3)]
    bad = {
        "malformed": item("x" * 222, at),
        "bad_signature": item(flip_last_digit(counter.show()), at),
        "unknown": item(counter.mint(key=counter.foreign_key()), at),
        "wrong_audience": item(counter.show(audience=7), at),
        "terminal_not_allowed": item(counter.show("merchant"), at),
        "expired": item(counter.mint(issued_at=at - timedelta(seconds=65)), at),
        "not_yet_valid": item(counter.mint(issued_at=at + timedelta(seconds=6)), at),
    }
    batch = [item(good[0], at), *bad.values(), item(good[1], at), item(unknown_counter_code(), at), item(good[2], at)]
    expected = ["recorded", *bad, "recorded", "malformed", "recorded"]
    assert results(upload(narrow, *batch)) == expected
    assert results(upload(narrow, *batch[::-1])) == expected[::-1]


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (timedelta(days=7), "recorded"),
        (timedelta(days=7, seconds=1), "acceptance_too_old"),
        (timedelta(seconds=-5), "recorded"),
        (timedelta(seconds=-6), "acceptance_too_old"),
    ],
)
def test_an_acceptance_is_kept_for_a_week_and_lies_not_ahead(counter: Counter, age: timedelta, verdict: str) -> None:
    counter.clock.step(8 * 86_400)  # a week ago there was a key already
    at = counter.clock() - age
    (outcome,) = upload(counter.till(), item(counter.mint(issued_at=at.replace(microsecond=0)), at))
    assert results([outcome]) == [verdict]


@pytest.mark.parametrize(
    ("second", "verdict"), [(-6, "not_yet_valid"), (-5, "recorded"), (64, "recorded"), (65, "expired")]
)
def test_an_offline_acceptance_is_judged_by_the_moment_it_names(counter: Counter, second: int, verdict: str) -> None:
    shown = counter.clock().replace(microsecond=0)
    code = counter.mint(issued_at=shown)
    counter.clock.step(300)
    assert results(upload(counter.till(), item(code, shown + timedelta(seconds=second)))) == [verdict]


def test_what_a_lost_card_gave_before_is_recorded_with_its_standing(counter: Counter) -> None:
    phone, till = counter.another_phone(), counter.till()
    code, at = counter.show(phone=phone), counter.clock()
    counter.change(phone, report_loss)
    (outcome,) = upload(till, item(code, at))
    with counter.service.database.transaction() as connection:
        kept = connection.execute(sa.select(redemptions).where(redemptions.c.id == outcome["redemption"])).one()
    assert kept.entitlement == {"standing_at_upload": "suspended"}


@pytest.mark.parametrize(
    "moment",
    ["2026-03-02T08:00:00", "yesterday", 1772438400, None, "2026-03-02T08:00:00+99:99", "9999-12-31T23:59:59-23:59"],
)
def test_a_moment_needs_its_zone_and_an_upload_that_is_none_is_refused(counter: Counter, moment: object) -> None:
    given = {"code": counter.show(), "accepted_at": moment}
    answer = counter.till().send("POST", "/v1/offline-acceptances", {"items": [given]})
    if answer.status_code == 200:
        assert results(answer.json()["outcomes"]) == ["acceptance_too_old"]
    else:
        require_verdict(answer, Malformed)


@pytest.mark.parametrize("count", [0, 501])
def test_an_upload_holds_one_to_five_hundred_items(counter: Counter, count: int) -> None:
    given = [item("x", counter.clock())] * count
    require_verdict(counter.till().send("POST", "/v1/offline-acceptances", {"items": given}), Malformed)


def reported(counter: Counter, code: str) -> list[Any]:
    handle = int(code[2:]).to_bytes(91, "big")[9:25].hex()
    with counter.service.database.transaction() as connection:
        found = sa.select(offline_duplicates).where(offline_duplicates.c.handle == handle)
        return list(connection.execute(found).all())


def test_each_class_is_recorded_under_its_own_purpose(counter: Counter) -> None:
    till, at = counter.till(), counter.clock()
    codes = {use.label: counter.mint(code_class=use) for use in CodeClass}
    outcomes = upload(till, *(item(code, at) for code in codes.values()))
    with counter.service.database.transaction() as connection:
        rows = connection.execute(sa.select(redemptions.c.id, redemptions.c.purpose)).all()
    purposes = dict(tuple(row) for row in rows)
    assert [purposes[outcome["redemption"]] for outcome in outcomes] == list(codes)
