"""Whoever races, one wins: threads behind a barrier, each with a connection of its own to PostgreSQL."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from auth.login import logins
from auth.login.errors import LoginOver, NumbersSpent, NumberWrong
from auth.login.finish import approval_of
from auth.login.limits import count_approval
from cli.phone import Phone
from tests.login.browser import Browser, Town, approve
from tests.oauth.conftest import MANY_A_MINUTE
from tests.oauth.test_races import MANY, at_once
from tests.service import ISSUER, START, running_service

ROUNDS = 5
pytestmark = pytest.mark.parametrize("round_", range(ROUNDS))


@pytest.fixture(scope="module")
def shared_race(postgres_server, tmp_path_factory) -> Iterator[tuple[Town, list[Phone]]]:
    name, home = postgres_server.create_database(), tmp_path_factory.mktemp("login-race")
    limits = {**MANY_A_MINUTE, "logins_per_holder_hour": 200, "wrong_login_codes_per_phone_hour": 1000}
    with running_service(postgres_server.url(name), home, threads=32, **limits) as running:
        town = Town(running)
        yield town, [town.other_phone(number) for number in range(2, MANY + 2)]
    postgres_server.drop_database(name)


@pytest.fixture
def town(shared_race) -> Town:
    town = shared_race[0]
    town.clock.now = START
    town.phone.sign_in()
    return town


def alone(town: Town, phone: Phone) -> Phone:
    """Give a phone a connection of its own."""
    made = Phone(httpx.Client(transport=httpx.WSGITransport(app=town.service.app), base_url=ISSUER), ISSUER, town.clock)
    made.key, made.token, made.card, made.device = phone.key, phone.token, phone.card, phone.device
    return made


def begun(town: Town, round_: int, name: str) -> Browser:
    return town.browser(f"{name} {round_}").begin()


def outcome(act: Callable[[], Any]) -> str:
    try:
        return str(getattr(act(), "state", "done"))
    except (LoginOver, NumberWrong) as refusal:
        return refusal.code


def test_of_many_phones_that_scan_one_code_the_first_wins(town, shared_race, round_):
    phones = [alone(town, phone) for phone in shared_race[1]]
    code = begun(town, round_, "scan").code
    answers = at_once(lambda number: phones[number].scan_login(code).status_code)
    assert Counter(answers) == {200: 1, 410: MANY - 1}


def test_one_phone_that_approves_many_times_gets_one_number(town, round_):
    browser = begun(town, round_, "approve")
    town.phone.scan_login(browser.code)
    phones = [alone(town, town.phone) for _ in range(MANY)]
    answers = at_once(lambda number: phones[number].approve_login(browser.id).json()["number"])
    assert len(set(answers)) == 1


def test_approvals_of_one_holder_at_once_stop_at_the_limit(town, shared_race, round_):
    holder = shared_race[1][round_]  # nobody else approves with this one
    most = town.service.runtime.ground.settings.logins_per_holder_hour
    index = town.desk.card_states(town.service.database, holder.card).holder
    for _ in range(most - 3):
        count_approval(town.desk, index)
    browsers = [begun(town, round_, f"limit {number}") for number in range(MANY)]
    phones = [alone(town, holder) for _ in range(MANY)]
    for browser in browsers:
        holder.scan_login(browser.code)
    answers = at_once(lambda number: phones[number].approve_login(browsers[number].id).status_code)
    assert Counter(answers) == {200: 3, 429: MANY - 3}


def test_an_approval_and_a_denial_at_once_leave_a_login_that_is_denied(town, round_):
    browser = begun(town, round_, "deny")
    town.phone.scan_login(browser.code)
    phones = [alone(town, town.phone) for _ in range(MANY)]

    def answer(number: int) -> int:
        phone = phones[number]
        return (phone.deny_login if number == 3 else phone.approve_login)(browser.id).status_code

    assert set(at_once(answer)) <= {200, 410}
    assert browser.look().state == "denied"


def test_who_is_told_that_a_login_was_denied_can_rely_on_it(town, round_):
    """Of a denial and the last step at once one wins; a login that was used is not called denied."""
    browser = begun(town, round_, "late").log_in(town.phone)
    seen, phones = browser.look(), [alone(town, town.phone) for _ in range(MANY)]

    def act(number: int) -> object:
        if number % 2:
            return phones[number].deny_login(seen.id).status_code
        with town.service.database.transaction() as connection:
            return outcome(lambda: logins.use_login(town.desk, connection, seen))

    answers = Counter(at_once(act))
    assert (answers["done"], answers[200]) in {(1, 0), (0, MANY // 2)}


def test_of_many_wrong_numbers_at_once_three_are_counted(town, round_):
    browser = begun(town, round_, "wrong")
    number = int(approve(town.phone, browser))
    given = [f"{(number + step) % 10_000:04d}" for step in range(1, MANY + 1)]
    seen = browser.look()
    outcomes = Counter(at_once(lambda thread: outcome(lambda: _type(town, seen, given[thread]))))
    assert outcomes == {NumberWrong.code: 2, NumbersSpent.code: 1, LoginOver.code: MANY - 3}
    assert (browser.look().state, browser.look().wrong_numbers) == ("denied", 3)


def test_all_numbers_at_once_are_worth_three_tries(town, round_):
    """The right one among them wins only if it comes before three wrong ones."""
    browser = begun(town, round_, "all")
    number = int(approve(town.phone, browser))
    given = [f"{(number + step) % 10_000:04d}" for step in range(MANY)]
    seen = browser.look()
    outcomes = Counter(at_once(lambda thread: outcome(lambda: _type(town, seen, given[thread]))))
    assert outcomes[NumberWrong.code] + outcomes[NumbersSpent.code] <= 3
    assert outcomes["confirmed"] == (browser.look().state == "confirmed")


def test_the_right_number_many_times_at_once_confirms_once_and_refuses_nobody(town, round_):
    browser = begun(town, round_, "right")
    number = approve(town.phone, browser)
    seen = browser.look()
    assert Counter(at_once(lambda _: outcome(lambda: _type(town, seen, number)))) == {"confirmed": MANY}


def test_a_confirmed_login_is_used_once(town, round_):
    browser = begun(town, round_, "use").log_in(town.phone)
    seen = browser.look()

    def use(_: int) -> str:
        with town.service.database.transaction() as connection:
            return outcome(lambda: logins.use_login(town.desk, connection, seen))

    assert Counter(at_once(use)) == {"done": 1, LoginOver.code: MANY - 1}


def test_a_login_for_a_client_is_agreed_to_once(town, round_):
    browser = town.browser().begin_for(town.relying_party()).log_in(town.phone)
    with town.service.database.transaction() as connection:
        asked = browser._asked(connection)
    seen = browser.look()

    def agree(_: int) -> str:
        with town.service.database.transaction() as connection:
            return outcome(lambda: approval_of(town.desk, connection, seen, asked, ("openid",)))

    assert Counter(at_once(agree)) == {"done": 1, LoginOver.code: MANY - 1}


def test_a_browser_that_loads_many_times_at_once_begins_one_login(town, round_):
    browsers = [town.browser(f"load {round_}") for _ in range(MANY)]
    assert len(set(at_once(lambda number: browsers[number].begin().id))) == 1


def _type(town: Town, seen: Any, given: str) -> Any:
    with town.service.database.transaction() as connection:
        return logins.confirm_number(town.desk, connection, seen, given)
