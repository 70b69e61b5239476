"""What a login does not let happen: other browsers, other phones, late answers, replays, cards that stand badly."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from auth.login import logins
from auth.login.codes import make_number
from auth.login.errors import (
    CardNotGood,
    LoginNotApproved,
    LoginNotConfirmed,
    LoginOver,
    NumbersSpent,
    NumberWrong,
)
from auth.login.models import logins as table
from core.audit import audit_entries
from ecard.errors import PasswordNotSet, PasswordWrong
from ecard.standing import lift_loss, report_loss
from tests.login.browser import Town, approve
from tests.oauth.clients_of_tests import answer_of


def code_of(answer) -> str:
    return answer.json()["code"]


def lose(town: Town, act=report_loss) -> None:
    ground = town.service.runtime.ground
    with ground.database.transaction() as connection:
        chip = connection.execute(sa.text("SELECT chip_card FROM electronic_cards")).scalars().first()
        act(ground, connection, chip, actor="centre")


def wrong(number: str) -> str:
    return f"{(int(number) + 1) % 10_000:04d}"


# ── Browsers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_another_browser_sees_nothing_of_a_login(town):
    mine, other = town.browser().begin(), town.browser("another")
    other.id = mine.id
    for given in (mine.id, mine.id.upper(), "lgn_" + "0" * 26, "", "int_" + "0" * 26, mine.id + "\n", "数字"):
        other.id = given
        with pytest.raises(LoginOver):
            other.look()


def test_a_browser_without_a_cookie_has_no_login(town):
    mine, nobody = town.browser().begin(), town.browser("")
    nobody.id = mine.id
    with pytest.raises(LoginOver):
        nobody.look()


def test_each_browser_has_a_login_and_a_code_of_its_own(town):
    first, second = town.browser("1").begin(), town.browser("2").begin()
    assert first.id != second.id
    assert first.code != second.code


def test_the_link_on_the_phone_is_worth_nothing_in_a_browser_that_did_not_begin(town):
    """Whoever sends somebody the address of his own login page gets the number into the wrong browser."""
    attacker, victim = town.browser("attacker").begin(), town.browser("victim")
    approve(town.phone, attacker)
    victim.id = attacker.id
    with pytest.raises(LoginOver):
        victim.look()
    assert attacker.look().state == "approved"


def test_a_login_that_was_denied_can_be_begun_again_by_its_browser(town):
    browser = town.browser().begin()
    town.phone.scan_login(browser.code)
    assert town.phone.deny_login(browser.id).json() == {"id": browser.id, "state": "denied"}
    assert browser.look().state == "denied"
    denied = browser.id
    assert browser.begin().id != denied


def test_a_login_is_for_what_somebody_can_describe(town):
    with pytest.raises(ValueError, match="nobody describes"):
        town.browser().begin(purpose="anything")


# ── Phones ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_phone_that_sees_a_login_keeps_it(town):
    browser, other = town.browser().begin(), town.other_phone()
    assert town.phone.scan_login(browser.code).status_code == 200
    for answer in (other.scan_login(browser.code), other.approve_login(browser.id), other.deny_login(browser.id)):
        assert (answer.status_code, code_of(answer)) == (410, "login_over")
    assert town.phone.scan_login(browser.code).json()["state"] == "seen"


def test_a_phone_cannot_approve_what_it_has_not_seen(town):
    browser = town.browser().begin()
    for answer in (town.phone.approve_login(browser.id), town.phone.deny_login(browser.id)):
        assert code_of(answer) == "login_over"
    for unknown in ("lgn_" + "0" * 26, "x", "lgn_"):
        assert code_of(town.phone.approve_login(unknown)) == "login_over"
        assert code_of(town.phone.deny_login(unknown)) == "login_over"


def test_an_approval_that_is_sent_again_gives_the_same_number_until_that_was_typed_in(town):
    browser = town.browser().begin()
    number = approve(town.phone, browser)
    assert town.phone.approve_login(browser.id).json()["number"] == number
    browser.type(number)
    assert code_of(town.phone.approve_login(browser.id)) == "login_over"


@pytest.mark.parametrize("reached", ["seen", "approved", "confirmed"])
def test_the_holder_can_say_no_at_any_time_before_the_login_was_used(town, reached):
    browser = town.browser().begin()
    town.phone.scan_login(browser.code)
    number = "0000" if reached == "seen" else town.phone.approve_login(browser.id).json()["number"]
    if reached == "confirmed":
        browser.type(number)
    assert town.phone.deny_login(browser.id).status_code == 200
    assert town.phone.deny_login(browser.id).status_code == 200  # the answer may have been lost
    assert code_of(town.phone.approve_login(browser.id)) == "login_over"
    for act in (lambda: browser.type(number), browser.proven, lambda: browser.do(logins.raise_by_chip)):
        with pytest.raises(LoginOver):
            act()


def test_a_login_that_was_used_can_be_denied_no_more(town):
    browser = town.browser().begin().log_in(town.phone)
    used = browser.look()
    browser.do(logins.use_login)
    assert code_of(town.phone.deny_login(browser.id)) == "login_over"
    with town.service.database.transaction() as connection, pytest.raises(LoginOver):
        logins.use_login(town.desk, connection, used)


def test_the_page_s_code_is_read_as_people_write_it(town):
    browser = town.browser().begin()
    code = browser.code
    for written in (code, code.lower(), code.replace("-", ""), code.replace("-", " "), f" {code} "):
        assert town.phone.scan_login(written).status_code == 200


@pytest.mark.parametrize("given", ["BCDF-GHJK", "AEIO-UAEI", "--------", "BCDFGHJKL", "bcdf ghjk"])
def test_a_code_that_is_nobody_s_is_over(town, given):
    assert code_of(town.phone.scan_login(given)) == "login_over"


@pytest.mark.parametrize(
    "given",
    ["", "BCDF", "B" * 21, "BCDF-GHJ1", "BCDF-GHJK\n", "ＢＣＤＦ-GHJK", "数字数字数字数字", 7, None, ["BCDF-GHJK"]],
)
def test_what_cannot_be_a_code_is_refused_before_anything_is_looked_up(town, given):
    answer = town.phone.call("POST", "/v1/login-requests", {"code": given})
    assert (answer.status_code, code_of(answer)) == (400, "malformed_request")


# ── The number ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_third_wrong_number_ends_the_login(both):
    browser = both.browser().begin()
    number = approve(both.phone, browser)
    for left in (2, 1):
        with pytest.raises(NumberWrong) as refused:
            browser.type(wrong(number))
        assert refused.value.extra == {"tries_left": left}
    with pytest.raises(NumbersSpent):
        browser.type(wrong(number))
    assert (browser.look().state, browser.look().wrong_numbers) == ("denied", 3)
    with pytest.raises(LoginOver):
        browser.type(number)
    assert code_of(both.phone.approve_login(browser.id)) == "login_over"


def test_the_right_number_after_two_wrong_ones_is_right(town):
    browser = town.browser().begin()
    number = approve(town.phone, browser)
    for _ in range(2):
        with pytest.raises(NumberWrong):
            browser.type(wrong(number))
    assert browser.type(number).state == "confirmed"
    assert browser.type(wrong(number)).state == "confirmed"  # it was right once; there is nothing to guess any more


@pytest.mark.parametrize("given", ["", "123", "12345", "12a4", "-123", "1.23", "一二三四", "½½", "0x12", "1" * 100_000])
def test_what_is_no_number_is_no_try(town, given):
    browser = town.browser().begin()
    approve(town.phone, browser)
    with pytest.raises(NumberWrong) as refused:
        browser.type(given)
    assert refused.value.extra == {"tries_left": 3}
    assert browser.look().wrong_numbers == 0


def test_a_number_is_read_as_people_type_it(town):
    spaced, wide = town.browser("spaced").begin(), town.browser("wide").begin()
    number = approve(town.phone, spaced)
    assert spaced.type(f" {number[:2]} {number[2:]} ").state == "confirmed"
    number = approve(town.phone, wide)
    assert wide.type("".join(chr(ord(digit) + 0xFEE0) for digit in number)).state == "confirmed"


def test_numbers_of_many_logins_are_spread(town):
    login = town.browser().begin().look()
    made = {make_number(town.desk.stored, replace(login, id=f"lgn_{other}")) for other in range(200)}
    assert len(made) > 150


def test_no_number_helps_before_the_phone_has_approved(town):
    browser = town.browser().begin()
    for _ in range(2):
        with pytest.raises(LoginNotApproved):
            browser.type("0000")
        town.phone.scan_login(browser.code)
    assert browser.look().wrong_numbers == 0


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "alive"), [(599.999, True), (600, False), (601, False)])
def test_a_login_lives_for_ten_minutes_and_not_a_moment_longer(both, seconds, alive):
    browser = both.browser().begin()
    both.phone.scan_login(browser.code)
    both.clock.step(seconds)
    both.phone.sign_in()
    assert both.phone.approve_login(browser.id).status_code == (200 if alive else 410)
    if alive:
        assert browser.look().state == "approved"
    else:
        with pytest.raises(LoginOver):
            browser.look()


def test_nothing_goes_on_after_the_end(town):
    waiting, seen, approved, confirmed = (town.browser(str(number)).begin() for number in range(4))
    town.phone.scan_login(seen.code)
    number, code = approve(town.phone, approved), waiting.code
    confirmed.log_in(town.phone)
    kept = [browser.look() for browser in (approved, confirmed)]
    town.clock.step(600)
    town.phone.sign_in()
    assert code_of(town.phone.scan_login(code)) == "login_over"
    assert code_of(town.phone.approve_login(seen.id)) == "login_over"
    with town.service.database.transaction() as connection:
        for act, login, *more in (
            (logins.confirm_number, kept[0], number),
            (logins.confirm_number, kept[1], number),
            (logins.proven, kept[1]),
            (logins.raise_by_chip, kept[1]),
            (logins.raise_by_password, kept[1], "secret"),
            (logins.use_login, kept[1]),
        ):
            with pytest.raises(LoginOver):
                act(town.desk, connection, login, *more)


def test_a_page_that_is_loaded_after_the_end_begins_anew(town):
    browser = town.browser().begin()
    first = browser.id
    town.clock.step(600)
    assert browser.begin().id != first


@pytest.mark.parametrize(("seconds", "fresh"), [(599.999, True), (600, False)])
def test_the_chip_counts_for_ten_minutes(town, seconds, fresh):
    town.clock.step(seconds)
    browser = town.browser().begin().log_in(town.phone)
    assert browser.do(logins.raise_by_chip) is fresh
    assert browser.proven().acr == ("L3" if fresh else "L2")


def test_what_the_chip_adds_is_as_old_as_the_chip_s_proof(town):
    enrolled = town.clock()
    town.clock.step(300)
    browser = town.browser().begin().log_in(town.phone)
    assert browser.proven().authenticated_at == town.clock()
    browser.do(logins.raise_by_chip)
    assert browser.proven().authenticated_at == enrolled
    browser.do(logins.raise_by_chip)
    assert browser.proven().amr == ("hwk", "sc")


def test_a_login_is_as_old_as_its_approval(town):
    browser = town.browser().begin()
    number, approved = approve(town.phone, browser), town.clock()
    town.clock.step(60)
    browser.type(number)
    assert browser.proven().authenticated_at == approved


# ── Cards and phones that stand badly ────────────────────────────────────────────────────────────────────────────


def test_a_card_that_is_suspended_before_anything_cannot_log_in(town):
    browser = town.browser().begin()
    lose(town)
    assert code_of(town.phone.scan_login(browser.code)) == "card_not_good_for_login"
    assert browser.look().state == "waiting"


def test_a_card_that_is_suspended_between_approval_and_number_ends_the_login(both):
    browser = both.browser().begin()
    number = approve(both.phone, browser)
    lose(both)
    assert code_of(both.phone.approve_login(browser.id)) == "card_not_good_for_login"
    with pytest.raises(CardNotGood):
        browser.type(number)
    lose(both, lift_loss)
    assert browser.look().ended_because == "card_not_good_for_login"
    with pytest.raises(LoginOver):
        browser.type(number)


def test_a_card_that_is_suspended_after_the_number_proves_nothing(town):
    client = town.relying_party()
    browser = town.browser().begin_for(client).log_in(town.phone)
    lose(town)
    with pytest.raises(CardNotGood):
        browser.agree()
    lose(town, lift_loss)
    with pytest.raises(LoginOver):
        browser.agree()


def test_a_phone_that_has_ended_ends_its_logins(both):
    seen, approved, confirmed = (both.browser(str(number)).begin() for number in range(3))
    both.phone.scan_login(seen.code)
    number = approve(both.phone, approved)
    confirmed.log_in(both.phone)
    both.service.enroll(card=both.card)  # another phone: the first one ends
    for answer in (both.phone.scan_login(seen.code), both.phone.approve_login(seen.id)):
        assert (answer.status_code, code_of(answer)) == (403, "device_ended")
    assert {browser.look().ended_because for browser in (seen, approved, confirmed)} == {"device_ended"}
    for act in (lambda: approved.type(number), confirmed.proven):
        with pytest.raises(LoginOver):
            act()


# ── What is asked too early, or twice ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("act", [logins.proven, logins.raise_by_chip])
def test_nothing_is_proven_by_an_approval_alone(town, act):
    browser = town.browser().begin()
    approve(town.phone, browser)
    with pytest.raises(LoginNotConfirmed):
        browser.do(act)
    with pytest.raises(LoginNotConfirmed):
        browser.do(logins.raise_by_password, "secret")


def test_the_card_s_password_raises_a_login_to_the_card_s_own_level(both):
    set_password(both, "274958")
    both.clock.step(600)
    both.phone.sign_in()
    browser = both.browser().begin().log_in(both.phone)
    browser.do(logins.raise_by_password, "274958")
    assert (browser.proven().acr, browser.proven().amr) == ("L3", ("hwk", "pin"))


def test_a_wrong_password_raises_nothing_and_its_try_is_kept(both):
    browser = both.browser().begin().log_in(both.phone)
    with pytest.raises(PasswordNotSet):
        browser.do(logins.raise_by_password, "274958")
    set_password(both, "274958")
    for left in (4, 3):
        with pytest.raises(PasswordWrong) as refused:
            browser.do(logins.raise_by_password, "618305")
        assert refused.value.extra == {"tries_left": left}
    assert (browser.proven().acr, browser.proven().amr) == ("L2", ("hwk",))


def set_password(town: Town, password: str) -> None:
    answer = town.phone.call("PUT", f"/v1/cards/{town.phone.card}/password", {"password": password})
    assert answer.is_success, answer.text


def test_a_login_for_one_request_completes_no_other(town):
    client = town.relying_party()
    first = town.browser().begin_for(client).log_in(town.phone)
    second = town.browser().begin_for(client)
    first.interaction = second.interaction
    with pytest.raises(LoginOver):
        first.agree()


def test_a_login_is_used_once(town):
    client = town.relying_party()
    browser = town.browser().begin_for(client).log_in(town.phone)
    assert "code" in answer_of(browser.agree())
    with pytest.raises(LoginOver):
        browser.look()


# ── What is written down ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_audit_trail_tells_what_became_of_a_login(town):
    browser = town.browser().begin().log_in(town.phone)
    browser.do(logins.raise_by_chip)
    town.phone.deny_login(browser.id)
    with town.service.database.transaction() as connection:
        told = sa.select(audit_entries.c.act).where(audit_entries.c.subject == browser.id)
        acts = connection.execute(told.order_by(audit_entries.c.number)).scalars().all()
    assert acts == ["login.confirmed", "login.raised", "login.denied"]


def test_neither_code_nor_number_is_kept(town):
    browser = town.browser().begin()
    number = approve(town.phone, browser)
    with town.service.database.transaction() as connection:
        row = connection.execute(sa.select(table).where(table.c.id == browser.id)).mappings().one()
    kept = {name: value for name, value in row.items() if not name.endswith("_at")}
    assert browser.code.replace("-", "") not in str(kept)
    assert number not in {str(value) for value in kept.values()}
