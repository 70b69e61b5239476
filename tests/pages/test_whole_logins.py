"""Whole logins through the pages, without a script, for each kind of client and on both databases."""

from tests.oauth.clients_of_tests import answer_of
from tests.pages.visitors import request_of


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
