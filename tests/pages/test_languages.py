"""In which language a page speaks: its address decides, then the client's wish, then the browser's."""

import pytest

from tests.pages.visitors import request_of


def language_of(browser) -> str:
    return browser.answer.headers["Content-Language"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "zh-CN"),
        ("", "zh-CN"),
        ("*", "zh-CN"),
        ("zh", "zh-CN"),
        ("zh-Hans-CN", "zh-CN"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("en", "en"),
        ("en-GB,en;q=0.9,zh;q=0.5", "en"),
        ("de,en;q=0.5", "en"),
        ("de,fr;q=0.5", "zh-CN"),
        (";;;,q=", "zh-CN"),
        ("x" * 5000, "zh-CN"),
    ],
)
def test_the_browser_s_preference_counts_and_chinese_otherwise(visitors, header, language):
    headers = {} if header is None else {"Accept-Language": header}
    assert language_of(visitors.browser(**headers).open("/account")) == language


@pytest.mark.parametrize(
    ("locales", "language"),
    [("en", "en"), ("en-US zh-CN", "en"), ("fr en", "en"), ("zh-CN en", "zh-CN"), ("fr", "zh-CN"), ("<b>", "zh-CN")],
)
def test_the_client_s_wish_counts_before_the_browser_s(visitors, locales, language):
    address = request_of(visitors.relying_party(), ui_locales=locales)
    assert language_of(visitors.browser(**{"Accept-Language": "zh"}).open(address)) == language


def test_the_address_counts_before_both_and_stays_on_the_way(visitors):
    address = request_of(visitors.partner(), ui_locales="zh-CN")
    browser = visitors.browser(**{"Accept-Language": "zh"}).open(address)
    browser.open(browser.path + "?lang=en")
    assert language_of(browser) == "en"
    number = browser.scan()
    browser.open(browser.path + "?lang=en").send("/number", number="no")
    assert (browser.answer.status_code, language_of(browser)) == (403, "en")
    assert "This is not the number" in browser.answer.text
    browser.send("/number", number=number)
    assert language_of(browser) == "en"
    if browser.page.form("/chip"):
        browser.send("/chip")
    assert language_of(browser.send("/consent")) == "en"


@pytest.mark.parametrize("given", ["", "de", "zh-CN", "en,zh", "<script>", "EN"])
def test_a_language_that_there_is_not_is_passed_over(visitors, given):
    assert language_of(visitors.browser().open(f"/account?lang={given}")) == "zh-CN"


def test_client_and_scopes_are_named_in_the_page_s_language(visitors):
    browser = visitors.browser(**{"Accept-Language": "en"}).come_from(visitors.partner()).agreeing()
    for shown in ("Example Bank", "See how your electronic card stands", "180 days"):
        assert shown in browser.answer.text
