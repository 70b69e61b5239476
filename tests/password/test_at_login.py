"""The password where it is asked for: at the pages of a login, in whichever browser."""

import httpx
import pytest

from tests.exchange.returning import claims_of
from tests.oauth.clients_of_tests import OAuthClient, answer_of, make_partner
from tests.pages.visitors import Browser, Visitors, request_of
from tests.password.conftest import GOOD, OTHER, WRONG
from tests.service import ISSUER, Service


@pytest.fixture
def visitors(service: Service) -> Visitors:
    """A holder with a password whose chip was shown long ago, once on each database."""
    made = Visitors(service)
    assert put(made, GOOD).status_code == 200
    service.clock.step(601)
    return made


def put(visitors: Visitors, password: str, **more: str) -> httpx.Response:
    phone = visitors.phone
    assert phone.sign_in().status_code == 200
    return phone.call("PUT", f"/v1/cards/{phone.card}/password", {"password": password, **more})


def at_the_question(visitors: Visitors, client: OAuthClient) -> Browser:
    """Bring a new browser to the page that asks for the password."""
    return visitors.browser().come_from(client).confirm()


def test_the_right_password_raises_a_login_to_the_level_of_the_card(visitors):
    client = make_partner(visitors.service)
    browser = at_the_question(visitors, client).send("/password", password=GOOD).send("/consent")
    tokens = client.redeem(answer_of(browser.page.onward or browser.answer.headers["Location"])["code"])
    claims = claims_of(tokens.json()["access_token"])
    assert (claims["acr"], claims["amr"]) == ("L3", ["hwk", "pin"])
    assert "card.present" in claims["scope"].split()


def test_a_robot_with_the_password_logs_in_and_one_without_it_does_not(visitors):
    client = make_partner(visitors.service)
    for password, is_let_in in ((GOOD, True), (None, False)):
        with httpx.Client(transport=httpx.WSGITransport(app=visitors.service.app), base_url=ISSUER) as http:
            if is_let_in:
                answer = visitors.robot.log_in(http, request_of(client), password=password)
                assert "code" in answer_of(answer.headers["Location"])
            else:
                with pytest.raises(AssertionError, match="does not end"):
                    visitors.robot.log_in(http, request_of(client))


def test_wrong_tries_count_in_all_browsers_and_in_the_app_together(visitors):
    client = make_partner(visitors.service)
    for left in (4, 3):
        browser = at_the_question(visitors, client).send("/password", password=WRONG)
        assert browser.answer.status_code == 403
        assert 'role="alert"' in browser.answer.text
        assert WRONG not in browser.answer.text
        assert look(visitors)["tries_left"] == left
    assert put(visitors, OTHER, current=WRONG).json()["tries_left"] == 2
    browser.send("/password", password=WRONG).send("/password", password=WRONG)
    assert look(visitors)["locked"] is True
    assert browser.send("/password", password=GOOD).answer.status_code == 403
    assert browser.page.form("/consent") is None
    assert browser.page.form("/chip") is not None


def test_a_reset_in_the_app_counts_in_a_browser_that_is_asked_already(visitors):
    client = make_partner(visitors.service)
    browser = at_the_question(visitors, client)
    for _ in range(5):
        browser.send("/password", password=WRONG)
    visitors.service.enroll(card=visitors.card, phone=visitors.phone)
    assert put(visitors, OTHER).status_code == 200
    assert browser.send("/password", password=GOOD).answer.status_code == 403
    assert browser.send("/password", password=OTHER).page.form("/consent") is not None


def look(visitors: Visitors) -> dict[str, object]:
    phone = visitors.phone
    assert phone.sign_in().status_code == 200
    return phone.call("GET", f"/v1/cards/{phone.card}/password").json()
