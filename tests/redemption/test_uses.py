"""The holder's list of uses, page by page."""

import pytest

from core.errors import Malformed, Missing
from tests.redemption.counter import Counter, require_accepted, require_verdict, take


def test_the_list_is_read_page_by_page_the_newest_first(counter: Counter) -> None:
    phone, till = counter.another_phone(), counter.till()
    taken = [require_accepted(take(till, counter.show(phone=phone)))["id"] for _ in range(7)]
    listed, after, pages = [], "", 0
    while True:
        page = phone.call("GET", f"/v1/cards/{phone.card}/uses?limit=3{after}").json()
        listed += [use["id"] for use in page["items"]]
        pages += 1
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert listed == taken[::-1]
    assert pages == 3


@pytest.mark.parametrize(("count", "limit"), [(0, 1), (1, 1), (2, 2), (2, 3)])
def test_a_page_that_holds_the_rest_has_no_next(counter: Counter, count: int, limit: int) -> None:
    phone, till = counter.another_phone(), counter.till()
    for _ in range(count):
        require_accepted(take(till, counter.show(phone=phone)))
    page = phone.call("GET", f"/v1/cards/{phone.card}/uses?limit={limit}").json()
    assert (len(page["items"]), page["next"]) == (count, None)


def test_a_use_taken_between_two_pages_moves_nothing(counter: Counter) -> None:
    phone, till = counter.another_phone(), counter.till()
    taken = [require_accepted(take(till, counter.show(phone=phone)))["id"] for _ in range(4)]
    first = phone.call("GET", f"/v1/cards/{phone.card}/uses?limit=2").json()
    require_accepted(take(till, counter.show(phone=phone)))
    second = phone.call("GET", f"/v1/cards/{phone.card}/uses?limit=2&after={first['next']}").json()
    assert [use["id"] for use in first["items"] + second["items"]] == taken[::-1]


@pytest.mark.parametrize("query", ["after=x", "after=red_" + "0" * 26, "limit=0", "limit=101", "limit=x"])
def test_a_list_takes_no_other_cursor_or_size(counter: Counter, query: str) -> None:
    phone = counter.phone
    assert phone.sign_in().is_success
    require_verdict(phone.call("GET", f"/v1/cards/{phone.card}/uses?{query}"), Malformed)


def test_a_cursor_of_somebody_else_s_list_is_none(counter: Counter) -> None:
    phone, other, till = counter.another_phone(), counter.another_phone(), counter.till()
    theirs = require_accepted(take(till, counter.show(phone=other)))["id"]
    require_verdict(phone.call("GET", f"/v1/cards/{phone.card}/uses?after={theirs}"), Malformed)
    require_verdict(phone.call("GET", f"/v1/cards/{other.card}/uses"), Missing)
