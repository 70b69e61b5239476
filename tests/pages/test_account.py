"""The holder's own page: log in, see, end, sign out; and who may not."""

import pytest

from auth.devices import active_devices
from auth.oauth.grants import list_links
from tests.oauth.clients_of_tests import answer_of
from tests.pages.visitors import Browser, Visitors
from tests.service import ISSUER


def inside(visitors: Visitors, **headers: str) -> Browser:
    """Log in at the account page."""
    browser = visitors.browser(**headers).open("/account").send("/sign-in").confirm()
    assert (browser.path, browser.answer.status_code) == ("/account", 200)
    assert browser.page.form("/sign-out")
    return browser


def is_inside(browser: Browser) -> bool:
    return browser.open("/account").page.form("/sign-out") is not None


def linked(visitors: Visitors, **more):
    """Let a partner have lasting access, and give the client and its tokens."""
    client = visitors.partner(**more)
    page = visitors.browser().come_from(client).agreeing().send("/consent").page
    return client, client.redeem(answer_of(page.onward)["code"]).json()


def grant_of(visitors: Visitors, client) -> str:
    with visitors.service.database.transaction() as connection:
        links, _ = list_links(connection, visitors.phone.card, visitors.service.clock())
    return next(held.grant.id for held in links if held.grant.client == client.id)


def test_whoever_is_not_logged_in_sees_how_to_and_nothing_else(visitors):
    browser = visitors.browser().open("/account")
    assert [form.action for form in browser.page.forms] == [f"{ISSUER}/account/sign-in"]
    assert visitors.phone.device not in browser.answer.text


def test_the_holder_sees_phones_links_and_consents(visitors):
    linked(visitors, name_zh="示范钱包")
    party = visitors.relying_party(name_zh="示范政务网")
    visitors.browser().come_from(party).confirm().send("/consent")
    browser = inside(visitors)
    for shown in (
        "手机（app）",
        "您用它登录了本页",
        "示范钱包",
        "示范政务网",
        "自 2026 年 3 月 2 日，至 2026 年 8 月 29 日",
    ):
        assert shown in browser.answer.text
    for hidden in (visitors.phone.card, "lgn_"):
        assert hidden not in browser.answer.text


def test_a_link_ends_after_a_second_question_and_at_once(visitors):
    client, tokens = linked(visitors)
    browser = inside(visitors)
    path = f"/account/links/{grant_of(visitors, client)}/end"
    browser.send(path)
    assert "确定吗" in browser.answer.text
    assert client.call(tokens["access_token"]).status_code == 200
    browser.send("/end")
    assert browser.answer.status_code == 200
    assert "已解除" in browser.answer.text
    assert path not in browser.answer.text
    assert client.call(tokens["access_token"]).status_code == 401
    assert client.refresh(tokens["refresh_token"]).status_code == 400


def test_what_is_kept_after_all_stays(visitors):
    client, tokens = linked(visitors)
    browser = inside(visitors)
    browser.send(f"/links/{grant_of(visitors, client)}/end")
    assert f"{ISSUER}/account" in browser.page.links
    assert is_inside(browser)
    assert client.call(tokens["access_token"]).status_code == 200


def test_a_consent_is_forgotten_without_a_second_question(visitors):
    client = visitors.relying_party()
    visitors.browser().come_from(client).confirm().send("/consent")
    browser = inside(visitors).send(f"/consents/{client.id}/end")
    assert "已解除" in browser.answer.text
    assert client.id not in browser.answer.text
    assert visitors.browser().come_from(client).confirm().page.form("/consent")


def test_ending_the_phone_that_logged_in_signs_out_as_well(both):
    browser = inside(both).send(f"/devices/{both.phone.device}/end")
    assert "本页也会退出" in browser.answer.text
    assert is_inside(browser)
    inside_page = browser.open("/account").send(f"/devices/{both.phone.device}/end")
    inside_page.send("/end")
    assert [form.action for form in browser.page.forms] == [f"{ISSUER}/account/sign-in"]
    assert "已解除" in browser.answer.text
    with both.service.database.transaction() as connection:
        assert active_devices(connection, both.phone.card) == []


def test_a_session_ends_after_ten_minutes(visitors):
    browser = inside(visitors)
    form = browser.form("/sign-out")
    visitors.service.clock.step(599)
    assert is_inside(browser)
    visitors.service.clock.step(1)
    assert not is_inside(browser)
    late = visitors.robot.submit(browser.http, form)
    assert late.status_code == 410
    assert "已超过十分钟" in late.text


def test_a_session_ends_by_signing_out_for_whoever_has_its_cookie(visitors):
    browser = inside(visitors)
    copied = visitors.browser()
    copied.http.cookies.update(browser.http.cookies)
    assert is_inside(copied)
    browser.open("/account").send("/sign-out")
    assert "__Host-essc_account" not in browser.http.cookies
    assert not is_inside(browser)
    assert not is_inside(copied)


def test_a_session_is_of_the_one_who_logged_in(visitors):
    other = visitors.service.enroll(card=visitors.service.make_card(7))
    browser = inside(visitors)
    assert other.device not in browser.answer.text
    token = browser.form("/sign-out").fields["form_token"]
    for sure in ("", "yes"):
        data = {"form_token": token, "sure": sure}
        assert browser.http.post(f"/account/devices/{other.device}/end", data=data).status_code == 404
    with visitors.service.database.transaction() as connection:
        assert len(active_devices(connection, other.card)) == 1


@pytest.mark.parametrize("kind", ["devices", "links", "consents"])
@pytest.mark.parametrize("thing", ["dev_" + "0" * 26, "grt_x", "%27", "x" * 3000, "<b>"])
def test_what_never_was_is_missing(visitors, kind, thing):
    browser = inside(visitors)
    token = browser.form("/sign-out").fields["form_token"]
    for sure in ("no", "yes"):
        data = {"form_token": token, "sure": sure}
        answer = browser.http.post(f"/account/{kind}/{thing}/end", data=data)
        assert answer.status_code == 404
        assert "<b>" not in answer.text


def test_the_forms_inside_need_their_token_and_their_session(visitors):
    browser = inside(visitors)
    paths = [form.action for form in browser.page.forms]
    stranger = visitors.browser().open("/account")
    for path in paths:
        token = browser.page.forms[0].fields["form_token"]
        assert browser.http.post(path, data={"form_token": "forged", "sure": "yes"}).status_code == 403
        outside = {"Origin": "https://partner.example"}
        data = {"form_token": token, "sure": "yes"}
        assert browser.http.post(path, data=data, headers=outside).status_code == 403
        assert stranger.http.post(path, data=data).status_code == 410
        assert browser.http.post(path, content=f"form_token={token}&sure=yes&sure=yes").status_code == 403
    assert is_inside(browser)
    assert visitors.browser().http.post("/account/sign-in", data={"form_token": "x"}).status_code == 403


@pytest.mark.parametrize("cookie", ["", "x", "x" * 3000, "\"'<b>"])
def test_a_made_up_session_is_nobody_s(visitors, cookie):
    browser = visitors.browser()
    browser.http.headers["Cookie"] = f"__Host-essc_account={cookie}"
    assert not is_inside(browser)


def test_the_session_s_cookie_is_for_this_host_and_no_script(visitors):
    browser = visitors.browser().open("/account").send("/sign-in")
    number = browser.scan()
    browser.open(browser.path)
    answer = visitors.robot.submit(browser.http, browser.form("/number"), number=number)
    cookie = answer.headers["Set-Cookie"]
    expected = ("__Host-essc_account=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600")
    assert [part for part in expected if part not in cookie] == []
    assert answer.headers["Location"] == "/account"


def test_the_addresses_of_forms_lead_back(visitors):
    browser = visitors.browser()
    for path in ("sign-in", "sign-out", "devices/x/end", "links/x/end", "consents/x/end"):
        assert browser.open(f"/account/{path}?lang=en").path == "/account"


def test_giving_up_the_login_leads_back_to_the_account_page(visitors):
    browser = visitors.browser().open("/account").send("/sign-in").send("/deny")
    assert (browser.path, browser.answer.status_code) == ("/account", 200)
    browser.send("/sign-in").scan(allow=False)
    login = browser.path
    assert browser.open(login).answer.status_code == 410
    assert f"{ISSUER}/account" in browser.page.links
    assert browser.send("/deny").path == "/account"
