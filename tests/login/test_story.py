"""A holder logs in by the phone, from the page's code to the client's tokens."""

import re

import pytest

from auth.login import logins
from auth.login.errors import LoginNotApproved, LoginNotConfirmed, LoginOver
from auth.login.finish import Step
from auth.oauth.errors import UnmetAuthenticationError
from physical.chip.profiles import CONTACT_2_0
from tests.login.browser import approve
from tests.oauth.clients_of_tests import answer_of, make_partner
from tests.service import ISSUER


def test_a_holder_logs_in_at_a_relying_party(both):
    client = both.relying_party()
    browser = both.browser().begin_for(client)
    assert browser.step() is Step.CODE
    number = approve(both.phone, browser)
    assert browser.step() is Step.NUMBER
    browser.type(number)
    assert browser.step() is Step.AGREE
    tokens = client.redeem(answer_of(browser.agree())["code"])
    assert tokens.status_code == 200, tokens.text
    with pytest.raises(LoginOver):
        browser.look()


def test_a_login_has_a_code_that_people_can_read_and_an_address_that_the_app_claims(town):
    browser = town.browser().begin()
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", browser.code)
    assert logins.app_address(town.desk, browser.look()) == f"{ISSUER}/app/login/{browser.code}"
    again = town.browser().begin()
    assert (again.id, again.code) == (browser.id, browser.code)


def test_the_phone_is_told_who_asks_for_what(town):
    client = town.relying_party()
    browser = town.browser().begin_for(client)
    said = town.phone.scan_login(f"{ISSUER}/app/login/{browser.code}").json()
    assert said["id"] == browser.id
    assert (said["purpose"], said["state"], said["needed_level"]) == ("oauth", "seen", "L1")
    assert said["client"]["host"] == "partner.example"
    assert [scope["name"] for scope in said["scopes"]] == ["openid"]
    assert said["begun_at"] < said["expires_at"]


def test_the_phone_gives_the_number_and_an_address_for_a_browser_beside_it(town):
    browser = town.browser().begin()
    town.phone.scan_login(browser.code)
    said = town.phone.approve_login(browser.id).json()
    assert re.fullmatch(r"[0-9]{4}", said["number"])
    assert said["return_to"] == f"{ISSUER}/login/{browser.id}#{said['number']}"
    assert town.phone.approve_login(browser.id).json() == said


def test_the_phone_alone_proves_level_two(town):
    known = town.browser().begin().log_in(town.phone).proven()
    assert (known.card, known.device) == (town.phone.card, town.phone.device)
    assert (known.acr, known.amr) == ("L2", ("hwk",))


def test_nothing_is_proven_before_the_number_was_typed_in(town):
    browser = town.browser().begin()
    with pytest.raises(LoginNotApproved):
        browser.type("0000")
    approve(town.phone, browser)
    with pytest.raises(LoginNotConfirmed):
        browser.proven()


def test_a_scope_of_level_three_needs_chip_or_password(town):
    partner = make_partner(town.service, scopes=("openid", "card.pay"))
    town.clock.step(600)
    browser = town.browser().begin_for(partner, scope="openid card.pay").log_in(town.phone)
    assert browser.step() is Step.RAISE
    assert browser.do(logins.raise_by_chip) is False
    town.service.enroll(card=town.card, phone=town.phone)
    assert browser.do(logins.raise_by_chip) is True
    assert (browser.proven().acr, browser.proven().amr) == ("L3", ("hwk", "sc"))
    assert browser.step() is Step.AGREE
    assert partner.redeem(answer_of(browser.agree())["code"]).status_code == 200


def test_more_than_the_card_stands_for_cannot_be_met(town):
    client = town.relying_party()
    phone = town.service.enroll(card=town.service.make_card(3, CONTACT_2_0))
    browser = town.browser().begin_for(client, acr_values="L3").log_in(phone)
    assert browser.step() is Step.UNMET
    answer = answer_of(browser.refuse(UnmetAuthenticationError()))
    assert answer["error"] == "unmet_authentication_requirements"
