"""Whole logins through the pages, without a script, for each kind of client and on both databases."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import sqlalchemy as sa

from auth.login.models import account_sessions
from tests.login.robot import Page
from tests.oauth.clients_of_tests import answer_of
from tests.pages.visitors import Browser, request_of
from tests.service import ISSUER
from web.worker import Worker

AT_ONCE = 8


def send_at_once(browser: Browser, ending: str, **fields: str) -> list[httpx.Response]:
    """Send one form from many windows of the same browser."""
    form = browser.form(ending)

    def send(_number: int) -> httpx.Response:
        transport = httpx.WSGITransport(app=browser.service.app)
        with httpx.Client(transport=transport, base_url=ISSUER, cookies=browser.http.cookies) as http:
            return browser.robot.submit(http, form, **fields)

    with ThreadPoolExecutor(AT_ONCE) as windows:
        return list(windows.map(send, range(AT_ONCE)))


def test_a_holder_logs_in_at_a_relying_party(both):
    client, browser = both.relying_party(), both.browser()
    answer = both.robot.log_in(browser.http, request_of(client))
    assert answer.status_code == 303
    assert client.redeem(answer_of(answer.headers["Location"])["code"]).status_code == 200


def test_a_holder_allows_a_partner_everything_after_the_chip_was_read(both):
    client, browser = both.partner(), both.browser()
    answer = both.robot.log_in(browser.http, request_of(client))
    tokens = client.redeem(answer_of(answer.headers["Location"])["code"]).json()
    assert tokens["scope"] == client.scope


def test_a_holder_refuses_on_the_phone(both):
    client, browser = both.partner(), both.browser()
    answer = both.robot.log_in(browser.http, request_of(client), allow=False)
    assert answer_of(answer.headers["Location"])["error"] == "access_denied"


def test_a_holder_logs_in_at_the_account_page(both):
    browser = both.browser().open("/account").send("/sign-in")
    answer = both.robot.log_in(browser.http, browser.path)
    assert answer.status_code == 200
    assert browser.open("/account").page.form("/sign-out")


def test_of_many_windows_that_agree_at_once_one_goes_on(both):
    client = both.partner()
    browser = both.browser().come_from(client).agreeing()
    answers = send_at_once(browser, "/consent")
    assert sorted(answer.status_code for answer in answers) == [200] + [410] * (AT_ONCE - 1)
    (code,) = [answer_of(Page(answer).onward)["code"] for answer in answers if answer.status_code == 200]
    assert client.redeem(code).status_code == 200


def test_of_many_wrong_numbers_at_once_three_are_judged(both):
    browser = both.browser().come_from(both.relying_party())
    number = browser.scan()
    browser.open(browser.path)
    answers = send_at_once(browser, "/number", number="0000" if number != "0000" else "1111")
    assert sorted(answer.status_code for answer in answers) == [403] * 2 + [410] * (AT_ONCE - 2)
    assert browser.open(browser.path).answer.status_code == 410


def test_a_right_number_from_many_windows_opens_one_session(both):
    browser = both.browser().open("/account").send("/sign-in")
    number = browser.scan()
    browser.open(browser.path)
    answers = send_at_once(browser, "/number", number=number)
    opened = [answer for answer in answers if "__Host-essc_account" in answer.headers.get("Set-Cookie", "")]
    assert len(opened) == 1
    assert sessions_of(both) == 1


def test_the_worker_forgets_sessions_that_are_over(both):
    browser = both.browser().open("/account").send("/sign-in").confirm()
    assert browser.page.form("/sign-out")
    worker = Worker(both.service.runtime)
    both.service.clock.step(599)
    worker.clean()
    assert sessions_of(both) == 1
    both.service.clock.step(1)
    worker.clean()
    assert sessions_of(both) == 0


def sessions_of(visitors) -> int:
    with visitors.service.database.transaction() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(account_sessions)).scalar_one()
