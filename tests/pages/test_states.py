"""What each page shows and where its forms lead, as a browser without scripts sees it."""

import json
from html import unescape
from urllib.parse import urlencode, urlsplit

import pytest

from tests.oauth.clients_of_tests import answer_of
from tests.pages.visitors import Browser, Visitors, request_of
from tests.service import ISSUER

HOSTILE_NAME = "<script>alert(1)</script>\"'&{{7*7}}"


def left_for(browser: Browser) -> dict[str, str]:
    """Read what the client is told at the end."""
    return answer_of(browser.page.onward or browser.answer.headers["Location"])


def wrong(number: str) -> str:
    return "0000" if number != "0000" else "1111"


# ── The code ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_page_says_who_asks_and_shows_the_code_three_ways(visitors):
    browser = visitors.browser().come_from(visitors.relying_party())
    assert browser.answer.status_code == 200
    for shown in ("示范银行", "partner.example", "<svg", 'id="code"', "10 分钟"):
        assert shown in browser.answer.text
    address = f"{ISSUER}/app/login/{browser.page.code}"
    assert address in browser.page.links
    assert browser.page.form("/deny")


def test_the_page_is_loaded_again_by_itself_without_a_script(visitors):
    browser = visitors.browser().come_from(visitors.relying_party())
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in browser.answer.text


def test_a_page_that_is_loaded_again_shows_the_same_login(visitors):
    client = visitors.relying_party()
    address = request_of(client)
    browser = visitors.browser().open(address)
    login, code = browser.login, browser.page.code
    assert (browser.open(address).login, browser.page.code) == (login, code)


def test_another_browser_with_the_same_request_gets_a_login_of_its_own(visitors):
    address = request_of(visitors.relying_party())
    first, second = visitors.browser().open(address), visitors.browser().open(address)
    assert first.login != second.login
    assert first.page.code != second.page.code


def test_once_a_phone_has_scanned_the_page_shows_no_code_any_more(visitors):
    browser = visitors.browser().come_from(visitors.relying_party())
    visitors.phone.sign_in()
    visitors.phone.scan_login(browser.page.code)
    browser.open(browser.path)
    assert "请在手机上继续" in browser.answer.text
    assert browser.page.code == ""
    assert "<svg" not in browser.answer.text


def test_the_state_is_told_to_its_own_browser_and_nothing_else(visitors):
    browser = visitors.browser().come_from(visitors.relying_party())
    told = [browser.http.get(f"{browser.path}/state").text]
    number = browser.scan()
    told.append(browser.http.get(f"{browser.path}/state").text)
    browser.open(browser.path).send("/number", number=number)
    told.append(browser.http.get(f"{browser.path}/state").text)
    assert [json.loads(said) for said in told] == [{"state": "waiting"}, {"state": "approved"}, {"state": "confirmed"}]
    assert visitors.browser().http.get(f"{browser.path}/state").json() == {"state": "over"}


@pytest.mark.parametrize("login", ["lgn_" + "0" * 26, "lgn_x", "int_" + "0" * 26, "x" * 2000, "%20", "<b>"])
def test_a_login_that_never_was_looks_like_one_that_is_over(visitors, login):
    browser = visitors.browser()
    assert browser.http.get(f"/login/{login}/state").json() == {"state": "over"}
    assert browser.open(f"/login/{login}").answer.status_code == 410


def test_a_page_that_asks_too_often_is_told_to_wait(visitors):
    browser = visitors.browser().come_from(visitors.relying_party())
    answers = [browser.http.get(f"{browser.path}/state") for _ in range(61)]
    assert {answer.status_code for answer in answers[:60]} == {200}
    assert (answers[60].status_code, answers[60].headers["Retry-After"]) == (429, "10")


# ── The number ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_number_is_asked_for_in_a_field_that_phones_understand(visitors):
    browser = visitors.browser().come_from(visitors.relying_party())
    browser.scan()
    text = browser.open(browser.path).answer.text
    for mark in ('inputmode="numeric"', 'autocomplete="one-time-code"', 'maxlength="4"', '<label for="number">'):
        assert mark in text
    assert "还可以尝试" not in text


def test_a_wrong_number_is_told_with_the_tries_left_and_the_third_ends_the_login(visitors):
    client = visitors.relying_party()
    browser = visitors.browser().come_from(client)
    number = browser.scan()
    browser.open(browser.path)
    for left in (2, 1):
        browser.send("/number", number=wrong(number))
        assert browser.answer.status_code == 403
        assert f"还可以尝试 {left} 次" in browser.answer.text
        assert 'role="alert"' in browser.answer.text
    browser.send("/number", number=wrong(number))
    assert browser.answer.status_code == 410
    assert "连续三次" in browser.answer.text
    again = browser.page.links
    assert left_for(browser.send("/deny"))["error"] == "access_denied"
    assert any("/login/for/int_" in link for link in again)


def test_what_is_no_number_costs_no_try(visitors):
    browser = visitors.browser().come_from(visitors.relying_party())
    number = browser.scan()
    browser.open(browser.path)
    for typed in ("", "12", "abcd", "12345", "１２３"):
        assert browser.send("/number", number=typed).answer.status_code == 403
    assert browser.send("/number", number=f"{number[:2]} {number[2:]}").page.form("/consent")


def test_the_number_before_the_phone_has_said_yes_leads_nowhere(visitors):
    browser = visitors.browser().come_from(visitors.relying_party())
    token = browser.form("/deny").fields["form_token"]
    answer = browser.http.post(f"{browser.path}/number", data={"form_token": token, "number": "1234"})
    assert answer.status_code == 409
    assert "手机尚未确认" in answer.text
    assert browser.page.code in answer.text


def test_after_a_login_has_ended_a_new_one_begins_for_the_same_request(visitors):
    client = visitors.relying_party()
    browser = visitors.browser().come_from(client)
    first = browser.login
    browser.scan(allow=False)
    again = next(link for link in browser.open(browser.path).page.links if "/login/for/" in link)
    browser.open(again)
    assert browser.login != first
    assert client.redeem(left_for(browser.confirm().send("/consent"))["code"]).status_code == 200


# ── A higher level ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_level_that_the_phone_does_not_reach_asks_for_password_or_chip(visitors):
    visitors.service.clock.step(601)
    client = visitors.partner()
    browser = visitors.browser().come_from(client).confirm()
    assert browser.answer.status_code == 200
    assert {urlsplit(form.action).path.rpartition("/")[2] for form in browser.page.forms} == {
        "password",
        "chip",
        "deny",
    }
    assert browser.send("/chip").answer.status_code == 409
    assert "10 分钟内没有" in browser.answer.text
    visitors.service.enroll(card=visitors.card, phone=visitors.phone)
    assert browser.send("/chip").page.form("/consent")
    assert client.redeem(left_for(browser.send("/consent"))["code"]).status_code == 200


def test_a_password_that_is_not_set_is_said_on_the_page(visitors):
    visitors.service.clock.step(601)
    browser = visitors.browser().come_from(visitors.partner()).confirm()
    browser.send("/password", password="a guess that is long enough")
    assert 400 <= browser.answer.status_code < 500
    assert 'role="alert"' in browser.answer.text
    assert browser.page.form("/chip")
    assert "a guess" not in browser.answer.text


def test_a_wrong_password_is_told_with_the_tries_left_and_a_lock_with_its_end(both):
    phone = both.phone
    phone.sign_in()
    assert phone.call("PUT", f"/v1/cards/{phone.card}/password", {"password": "739154"}).status_code == 200
    both.service.clock.step(601)
    browser = both.browser().come_from(both.partner()).confirm()
    assert 'inputmode="numeric"' in browser.answer.text
    assert browser.send("/password", password="").answer.status_code == 200
    for left in (4, 3, 2, 1, 0):
        browser.send("/password", password="739155")
        assert browser.answer.status_code == 403
        assert f"还可以尝试 {left} 次" in browser.answer.text
    assert "密码锁定至 2026 年 3 月 3 日 16:10。" in browser.send("/password", password="739154").answer.text


# ── Consent ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_consent_page_says_who_gets_what_for_how_long_and_at_which_level(visitors):
    browser = visitors.browser().come_from(visitors.partner()).agreeing()
    text = browser.answer.text
    for shown in (
        "示范银行",
        "partner.example",
        "查看您的电子社保卡状态",
        "在其应用内展示您的电子社保卡二维码",
        "180 天",
        "card.example/account",
    ):
        assert shown in text
    assert [button.get("formaction", "") for button in browser.form("/consent").buttons] == ["", f"{browser.path}/deny"]


def test_a_login_alone_is_for_once_and_remembered(visitors):
    browser = visitors.browser().come_from(visitors.relying_party()).confirm()
    assert "您的同意将记住 90 天" in browser.answer.text


def test_what_is_unticked_is_not_granted_and_openid_cannot_be_unticked(visitors):
    client = visitors.partner()
    browser = visitors.browser().come_from(client).agreeing()
    form = browser.form("/consent")
    assert set(form.fields) == {
        "form_token",
        "scope.offline_access",
        "scope.card.read",
        "scope.card.present",
        "scope.card.pay",
    }
    for name in ("scope.offline_access", "scope.card.present", "scope.card.pay"):
        del form.fields[name]
    answer = visitors.robot.submit(browser.http, form)
    tokens = client.redeem(left_for(browser.follow(answer))["code"]).json()
    assert tokens["scope"] == "openid card.read"
    assert "refresh_token" not in tokens


def test_nothing_more_than_asked_can_be_ticked(visitors):
    client = visitors.partner()
    browser = visitors.browser().come_from(client, scope="openid").agreeing()
    browser.send("/consent", **{"scope.card.present": "yes", "scope.openid": "no", "scope.nonsense": "yes"})
    assert client.redeem(left_for(browser)["code"]).json()["scope"] == "openid"


def test_everything_unticked_without_openid_is_a_refusal(visitors):
    client = visitors.partner()
    browser = visitors.browser().come_from(client, scope="card.read").agreeing()
    form = browser.form("/consent")
    del form.fields["scope.card.read"]
    assert left_for(browser.follow(visitors.robot.submit(browser.http, form)))["error"] == "access_denied"


def test_refusing_on_the_consent_page_goes_back_with_access_denied(visitors):
    browser = visitors.browser().come_from(visitors.partner()).agreeing()
    browser.follow(visitors.robot.submit(browser.http, browser.form("/consent"), f"{browser.path}/deny"))
    assert left_for(browser) | {"error_description": ""} == {
        "error": "access_denied",
        "error_description": "",
        "state": "st-1",
        "iss": ISSUER,
    }


def test_a_remembered_consent_is_not_asked_for_again(visitors):
    client = visitors.relying_party()
    visitors.browser().come_from(client).confirm().send("/consent")
    browser = visitors.browser().come_from(client).confirm()
    assert client.redeem(left_for(browser)["code"]).status_code == 200
    assert visitors.browser().come_from(client, prompt="consent").confirm().page.form("/consent")


def test_a_name_with_markup_in_it_is_shown_as_it_is(visitors):
    client = visitors.partner(name_zh=HOSTILE_NAME, name_en=HOSTILE_NAME)
    browser = visitors.browser().come_from(client)
    pages = [browser.answer.text, browser.confirm().answer.text]
    for text in pages:
        assert HOSTILE_NAME in unescape(text)
        assert "<script>alert" not in text
        assert "49" not in text.partition("alert(1)")[2][:60]


# ── The way back ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_site_is_gone_back_to_by_a_page_and_an_app_by_a_redirect(visitors):
    browser = visitors.browser().come_from(visitors.relying_party()).agreeing().send("/consent")
    assert browser.answer.status_code == 200
    assert f'content="0; url={browser.page.onward.replace("&", "&amp;")}"' in browser.answer.text
    assert browser.page.onward.startswith("https://partner.example/cb?code=")
    app = visitors.native()
    browser = visitors.browser().open("/oauth/authorize?" + urlencode(app.parameters())).agreeing().send("/consent")
    assert browser.answer.status_code == 303
    assert browser.answer.headers["Location"].startswith("http://127.0.0.1/cb?code=")


def test_cancelling_ends_the_login_for_the_phone_too(visitors):
    browser = visitors.browser().come_from(visitors.relying_party())
    code = browser.page.code
    assert left_for(browser.send("/deny"))["error"] == "access_denied"
    visitors.phone.sign_in()
    assert visitors.phone.scan_login(code).status_code == 410


def test_a_form_that_is_sent_twice_counts_once(visitors):
    client = visitors.relying_party()
    browser = visitors.browser().come_from(client).agreeing()
    form = browser.form("/consent")
    first, second = (visitors.robot.submit(browser.http, form) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 410)
    assert client.redeem(left_for(browser.follow(first))["code"]).status_code == 200


def test_a_login_is_over_after_ten_minutes_wherever_it_stood(visitors):
    waiting = visitors.browser().come_from(visitors.relying_party())
    agreeing = visitors.browser().come_from(visitors.relying_party()).confirm()
    form = agreeing.form("/consent")
    visitors.service.clock.step(599)
    assert waiting.open(waiting.path).answer.status_code == 200
    visitors.service.clock.step(1)
    assert waiting.open(waiting.path).answer.status_code == 410
    assert visitors.robot.submit(agreeing.http, form).status_code == 410


def test_the_address_of_a_form_leads_back_to_its_login(visitors):
    browser = visitors.browser().come_from(visitors.relying_party())
    path = browser.path
    for step in ("number", "password", "chip", "consent", "deny"):
        assert browser.open(f"{path}/{step}").path == path


# ── The app's address ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_app_s_address_explains_itself_and_asks_nobody(visitors):
    answer = visitors.browser().open("/app/login/BCDF-GHJK").answer
    assert answer.status_code == 200
    for shown in ("BCDF-GHJK", "别人发给您"):
        assert shown in answer.text


@pytest.mark.parametrize(
    "code", ["bcdf-ghjk", "AAAA-AAAA", "BCDF-GHJ", "BCDFGHJK", "BCDF-GHJK-", "<b>", "%0a", "x" * 99]
)
def test_what_is_no_code_is_nothing(visitors, code):
    assert visitors.browser().open(f"/app/login/{code}").answer.status_code == 404


# ── Requests that are not right ──────────────────────────────────────────────────────────────────────────────────


def test_a_browser_is_told_of_a_bad_request_on_a_page_and_a_program_in_oauth_s_form(visitors):
    address = "/oauth/authorize?client_id=cli_" + "0" * 26
    shown = visitors.browser().open(address).answer
    assert (shown.status_code, shown.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "invalid_request" in shown.text
    assert "req_" in shown.text
    for accept in ("*/*", "application/json", "text/plain"):
        told = visitors.service.http.get(address, headers={"Accept": accept})
        assert (told.status_code, told.json()["error"]) == (400, "invalid_request")


def test_the_switch_of_languages_on_such_a_page_keeps_the_request(visitors):
    browser = visitors.browser().open("/oauth/authorize?client_id=nobody&state=a%26b&lang=zh")
    (switch,) = [link for link in browser.page.links if "lang=en" in link]
    assert switch.endswith("/oauth/authorize?client_id=nobody&state=a%26b&lang=en")
    assert 'lang="en"' in browser.open(switch).answer.text


def test_a_login_for_a_request_of_another_browser_is_over(visitors: Visitors):
    browser = visitors.browser().come_from(visitors.relying_party())
    other = visitors.browser().open(browser.path)
    assert other.answer.status_code == 410
    assert "本次登录已结束" in other.answer.text
    assert "示范银行" not in other.answer.text
