"""What a client asks of a login: consent, levels, age."""

import pytest

from auth.login import logins
from auth.login.errors import LoginTooOld
from auth.login.finish import Step
from core.errors import Malformed
from tests.login.browser import Browser, Town
from tests.oauth.clients_of_tests import OAuthClient, answer_of, make_native, make_partner
from tests.oauth.test_flow import claims_of


def logged_in(town: Town, client: OAuthClient, **asked: str) -> Browser:
    town.phone.sign_in()
    return town.browser().begin_for(client, **asked).log_in(town.phone)


def test_a_relying_party_is_agreed_to_once(both):
    client = both.relying_party()
    first = logged_in(both, client)
    assert first.step() is Step.AGREE
    first.agree()
    second = logged_in(both, client)
    assert second.step() is Step.FINISH
    assert client.redeem(answer_of(second.agree())["code"]).status_code == 200


@pytest.mark.parametrize("prompt", ["consent", "login", "login consent"])
def test_a_client_can_have_the_holder_asked_again(town, prompt):
    client = town.relying_party()
    logged_in(town, client).agree()
    assert logged_in(town, client, prompt=prompt).step() is Step.AGREE


def test_more_than_before_is_asked_for(town):
    client = town.relying_party(scopes=("openid", "card.read"))
    logged_in(town, client, scope="openid").agree()
    assert logged_in(town, client, scope="openid card.read").step() is Step.AGREE
    logged_in(town, client, scope="openid card.read").agree()
    assert logged_in(town, client, scope="openid").step() is Step.FINISH
    assert logged_in(town, client, scope="openid card.read").step() is Step.FINISH


def test_what_was_left_out_is_asked_for_again(town):
    client = town.relying_party(scopes=("openid", "card.read"))
    logged_in(town, client, scope="openid card.read").agree("openid")
    assert logged_in(town, client, scope="openid card.read").step() is Step.AGREE


@pytest.mark.parametrize(("days", "step"), [(89.99, Step.FINISH), (90, Step.AGREE)])
def test_a_consent_is_remembered_for_ninety_days(town, days, step):
    client = town.relying_party()
    logged_in(town, client).agree()
    town.clock.step(days * 86_400)
    assert logged_in(town, client).step() is step


@pytest.mark.parametrize("make", [make_partner, make_native])
def test_partners_and_apps_are_agreed_to_each_time(town, make):
    client = make(town.service, scopes=("openid",))
    logged_in(town, client).agree()
    assert logged_in(town, client).step() is Step.AGREE


def test_another_holder_and_another_client_are_asked(town):
    client = town.relying_party()
    logged_in(town, client).agree()
    assert logged_in(town, town.relying_party()).step() is Step.AGREE
    other = town.other_phone()
    assert town.browser().begin_for(client).log_in(other).step() is Step.AGREE


def test_nobody_allows_what_was_not_asked_for(town):
    client = town.relying_party(scopes=("openid", "card.read"))
    browser = logged_in(town, client, scope="openid")
    with pytest.raises(Malformed):
        browser.agree("openid", "card.read")
    assert browser.look().state == "confirmed"


def test_a_level_that_was_asked_for_has_to_be_reached(town):
    town.clock.step(600)
    client = town.relying_party()
    assert logged_in(town, client, acr_values="L2").step() is Step.AGREE
    browser = logged_in(town, client, acr_values="L3")
    assert browser.step() is Step.RAISE
    assert answer_of(browser.agree())["error"] == "unmet_authentication_requirements"


def test_a_client_learns_level_and_means(town):
    client = town.relying_party()
    browser = logged_in(town, client, acr_values="L3")
    assert browser.do(logins.raise_by_chip) is True
    claims = claims_of(client.redeem(answer_of(browser.agree())["code"]).json()["id_token"])
    assert (claims["acr"], claims["amr"]) == ("L3", ["hwk", "sc"])


@pytest.mark.parametrize(("seconds", "fresh"), [(120, True), (120.001, False)])
def test_a_proof_that_is_older_than_max_age_is_too_old(town, seconds, fresh):
    client = town.relying_party()
    browser = logged_in(town, client, max_age="120")
    town.clock.step(seconds)
    if fresh:
        assert "code" in answer_of(browser.agree())
        return
    with pytest.raises(LoginTooOld):
        browser.agree()
    assert browser.look().state == "denied"
    again = town.browser()
    again.handle, again.interaction = browser.handle, browser.interaction
    again.begin("oauth", browser.interaction)
    again.log_in(town.phone)
    assert "code" in answer_of(again.agree())


def test_a_client_that_names_no_age_takes_a_login_to_its_end(town):
    browser = logged_in(town, town.relying_party())
    town.clock.step(599)
    assert "code" in answer_of(browser.agree())


def test_max_age_nought_asks_for_a_new_login_and_every_login_is_new(town):
    client = town.relying_party()
    browser = logged_in(town, client, max_age="0")
    town.clock.step(60)
    claims = claims_of(client.redeem(answer_of(browser.agree())["code"]).json()["id_token"])
    assert claims["auth_time"] == int(town.clock().timestamp()) - 60


def test_a_minute_is_the_shortest_age_that_is_held_against_a_login(town):
    browser = logged_in(town, town.relying_party(), max_age="0")
    town.clock.step(60.001)
    with pytest.raises(LoginTooOld):
        browser.agree()
