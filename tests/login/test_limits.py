"""Guessing and flooding end at limits that are counted in the database."""

import sqlalchemy as sa

from core.ephemeral import ephemeral
from tests.login.browser import Town, approve
from tests.oauth.conftest import MANY_A_MINUTE
from tests.service import running_service

GUESS = "BCDF-GHJK"


def test_a_phone_that_guesses_is_refused_after_twenty_wrong_codes(both):
    for _ in range(20):
        assert both.phone.scan_login(GUESS).status_code == 410
    browser = both.browser().begin()
    refused = both.phone.scan_login(browser.code)  # a right one now tells it nothing either
    assert (refused.status_code, refused.json()["code"]) == (429, "wrong_login_codes")
    assert refused.headers["Retry-After"] == "3600"
    assert both.other_phone().scan_login(browser.code).status_code == 200


def test_the_limit_of_guesses_ends_with_its_hour(town):
    for _ in range(20):
        town.phone.scan_login(GUESS)
    town.clock.step(3599)
    town.phone.sign_in()
    assert town.phone.scan_login(GUESS).status_code == 429
    town.clock.step(1)
    assert town.phone.scan_login(GUESS).status_code == 410


def test_the_codes_of_others_count_as_guesses_and_one_s_own_do_not(town):
    browser, other = town.browser().begin(), town.other_phone()
    for _ in range(30):
        assert town.phone.scan_login(browser.code).status_code == 200
    for _ in range(20):
        assert other.scan_login(browser.code).status_code == 410
    assert other.scan_login(browser.code).status_code == 429


def test_many_phones_behind_one_address_have_a_limit_together(sqlite_url, tmp_path):
    limits = {**MANY_A_MINUTE, "wrong_login_codes_per_address_hour": 3}
    with running_service(sqlite_url, tmp_path, **limits) as service:
        town = Town(service)
        other = town.other_phone()
        for phone in (town.phone, other, town.phone):
            assert phone.scan_login(GUESS).status_code == 410
        assert other.scan_login(GUESS).json()["code"] == "wrong_login_codes"


def test_the_address_is_not_kept(town):
    town.phone.scan_login(GUESS)
    with town.service.database.transaction() as connection:
        keys = (
            connection.execute(sa.select(ephemeral.c.key).where(ephemeral.c.key.contains("wrong-codes")))
            .scalars()
            .all()
        )
    assert len(keys) == 2
    assert not any("127.0.0.1" in key for key in keys)


def test_a_holder_approves_twenty_logins_an_hour_with_all_phones_together(sqlite_url, tmp_path):
    with running_service(sqlite_url, tmp_path, max_devices=2, **MANY_A_MINUTE) as service:
        town = Town(service)
        second = service.enroll(card=town.card)
        for number in range(20):
            approve((town.phone, second)[number % 2], town.browser(str(number)).begin())
        browser = town.browser("one more").begin()
        second.scan_login(browser.code)
        refused = second.approve_login(browser.id)
        assert (refused.status_code, refused.json()["code"]) == (429, "login_limit")
        assert browser.look().state == "seen"
        other = town.other_phone(5)
        approve(other, town.browser("of another holder").begin())
        town.clock.step(300)
        assert second.sign_in().status_code == 200
        assert second.approve_login(browser.id).status_code == 429


def test_an_approval_that_is_sent_again_is_not_counted_again(town):
    browser = town.browser().begin()
    approve(town.phone, browser)
    for _ in range(25):
        assert town.phone.approve_login(browser.id).status_code == 200


def test_a_loss_of_short_memory_forgets_no_count(postgres_url, redis_url, redis_server, tmp_path):
    with running_service(postgres_url, tmp_path, redis_url=redis_url, **MANY_A_MINUTE) as service:
        town = Town(service)
        for _ in range(20):
            town.phone.scan_login(GUESS)
        redis_server.flush()
        assert town.phone.scan_login(GUESS).json()["code"] == "wrong_login_codes"
