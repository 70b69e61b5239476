"""Forms that no page of ours has sent, or that somebody has changed: refused, with nothing done."""

from collections.abc import Callable
from urllib.parse import urlencode

import httpx
import pytest
import sqlalchemy as sa

from auth.login.models import logins
from tests.pages.visitors import Browser, Visitors
from tests.service import ISSUER

FORMS = ("number", "password", "chip", "consent", "deny")
CROSS_SITE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "rubbish"},
    {"Sec-Fetch-Site": ""},
    {"Origin": "https://partner.example"},
    {"Origin": "null"},
    {"Origin": "http://card.example"},
    {"Origin": "https://card.example.partner.example"},
    {"Origin": "https://card.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://partner.example", "Sec-Fetch-Site": "same-origin"},
]
BODIES: dict[str, Callable[[str], tuple[str, bytes]]] = {
    "nothing": lambda _token: ("application/x-www-form-urlencoded", b""),
    "no type": lambda token: ("", f"form_token={token}".encode()),
    "JSON": lambda token: ("application/json", f'{{"form_token": "{token}"}}'.encode()),
    "multipart": lambda token: ("multipart/form-data; boundary=x", f"--x\r\n\r\nform_token={token}".encode()),
    "text": lambda token: ("text/plain", f"form_token={token}".encode()),
    "token twice": lambda token: (
        "application/x-www-form-urlencoded",
        f"form_token={token}&form_token={token}".encode(),
    ),
    "number twice": lambda token: (
        "application/x-www-form-urlencoded",
        f"form_token={token}&number=0000&number=1111".encode(),
    ),
    "broken escape": lambda token: ("application/x-www-form-urlencoded", f"form_token={token}&number=%zz".encode()),
    "no UTF-8": lambda token: ("application/x-www-form-urlencoded", f"form_token={token}&number=%ff".encode()),
    "many fields": lambda token: (
        "application/x-www-form-urlencoded",
        f"form_token={token}&".encode() + b"&".join(b"f%d=1" % number for number in range(100)),
    ),
    "long field": lambda token: (
        "application/x-www-form-urlencoded",
        f"form_token={token}&number=".encode() + b"1" * 40_000,
    ),
    "huge": lambda token: (
        "application/x-www-form-urlencoded",
        f"form_token={token}&number=".encode() + b"1" * 2_000_000,
    ),
}
TOKENS = ["", "x", "0" * 43, "=" * 43, "é" * 43, "\x00", "A" * 10_000]


@pytest.fixture(params=FORMS)
def form(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def browser(shared_visitors: Visitors) -> Browser:
    """A browser whose login the phone has approved: the number would be taken. Nothing here moves it on."""
    opened = shared_visitors.browser().come_from(shared_visitors.relying_party())
    opened.scan()
    return opened.open(opened.path)


def token_of(browser: Browser) -> str:
    return browser.form("/deny").fields["form_token"]


def states(visitors: Visitors, browser: Browser) -> tuple[str, int]:
    with visitors.service.database.transaction() as connection:
        row = connection.execute(sa.select(logins).where(logins.c.id == browser.login)).one()
        return row.state, row.wrong_numbers


def assert_nothing_done(visitors: Visitors, browser: Browser, answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Location" not in answer.headers
    assert states(visitors, browser) == ("approved", 0)


@pytest.mark.parametrize("token", TOKENS, ids=range(len(TOKENS)))
def test_a_form_without_its_token_is_refused(visitors, browser, form, token):
    answer = browser.http.post(f"{browser.path}/{form}", data={"form_token": token, "number": "1234"})
    assert_nothing_done(visitors, browser, answer, 403)


@pytest.mark.parametrize("headers", CROSS_SITE, ids=range(len(CROSS_SITE)))
def test_what_the_browser_says_comes_from_elsewhere_is_refused(visitors, browser, form, headers):
    answer = browser.http.post(f"{browser.path}/{form}", data={"form_token": token_of(browser)}, headers=headers)
    assert_nothing_done(visitors, browser, answer, 403)


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_can_be_read_in_two_ways_is_read_in_none(visitors, browser, form, body):
    kind, content = BODIES[body](token_of(browser))
    headers = {"Content-Type": kind} if kind else {}
    answer = browser.http.post(f"{browser.path}/{form}", content=content, headers=headers)
    assert_nothing_done(visitors, browser, answer, 403, 413)


def test_the_token_of_another_login_is_refused(visitors, browser, form):
    other = visitors.browser()
    other.http.cookies = browser.http.cookies
    other.come_from(visitors.relying_party())
    assert other.login != browser.login
    answer = browser.http.post(f"{browser.path}/{form}", data={"form_token": token_of(other)})
    assert_nothing_done(visitors, browser, answer, 403)


def test_another_browser_cannot_send_the_form_with_its_token(visitors, browser, form):
    for stranger in (visitors.browser(), visitors.browser().open("/account")):
        answer = stranger.http.post(f"{browser.path}/{form}", data={"form_token": token_of(browser)})
        assert_nothing_done(visitors, browser, answer, 403)


@pytest.mark.parametrize("cookie", ["", "x", "x" * 4000, "a=b; c", '"'])
def test_a_made_up_cookie_is_nobody(visitors, browser, form, cookie):
    headers = {"Cookie": f"__Host-essc_browser={cookie}"}
    with httpx.Client(transport=httpx.WSGITransport(app=visitors.service.app), base_url=ISSUER) as http:
        answer = http.post(f"{browser.path}/{form}", data={"form_token": token_of(browser)}, headers=headers)
    assert_nothing_done(visitors, browser, answer, 403)


def test_parameters_in_the_address_count_for_nothing(visitors, browser):
    given = {"form_token": token_of(browser), "number": "1234"}
    answer = browser.http.post(f"{browser.path}/number?{urlencode(given)}", data={})
    assert_nothing_done(visitors, browser, answer, 403)


@pytest.mark.parametrize("login", ["lgn_" + "0" * 26, "lgn_x", "x", "%00", "<b>"])
def test_forms_of_logins_that_never_were_are_refused(visitors, browser, form, login):
    answer = browser.http.post(f"/login/{login}/{form}", data={"form_token": token_of(browser)})
    assert answer.status_code in {400, 403}
    assert "<b>" not in answer.text


@pytest.mark.parametrize("path", ["/login/{}", "/login/{}/number", "/device/{}/code", "/login/for/{}", "/app/login/{}"])
@pytest.mark.parametrize("odd", ["%0d%0aX: y", "%0a", "x%09", "%1f", "a%5cb", "%2e%2e", "%7f", "%25", "a%3fb%23c"])
def test_odd_addresses_are_no_fault_and_lead_nowhere_else(visitors, path, odd):
    answer = visitors.browser().http.get(path.format(odd))
    assert answer.status_code < 500
    assert "X" not in answer.headers
    assert answer.headers.get("Location", "/login/").startswith(("/login/", "/device/"))


@pytest.mark.parametrize(
    "number", ["<b>", "'; DROP TABLE logins; --", "\u202e1234", "12\n34", "१२३४", "-123", "1e3", "0x1F"]
)
def test_rubbish_for_a_number_is_no_try(visitors, browser, number):
    answer = visitors.robot.submit(browser.http, browser.form("/number"), number=number)
    assert_nothing_done(visitors, browser, answer, 403)
    assert number not in answer.text


def test_steps_cannot_be_jumped(visitors, browser):
    token = token_of(browser)
    for form in ("consent", "chip", "password"):
        answer = browser.http.post(f"{browser.path}/{form}", data={"form_token": token, "password": "x" * 12})
        assert answer.status_code in {303, 409}
        assert answer.headers.get("Location", browser.path) == browser.path
        assert states(visitors, browser) == ("approved", 0)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_not_taken(visitors, browser, form, method):
    answer = browser.http.request(method, f"{browser.path}/{form}")
    assert answer.status_code == 405
    assert states(visitors, browser) == ("approved", 0)


def test_a_form_of_our_own_is_taken_with_and_without_what_browsers_say(visitors):
    client = visitors.relying_party()
    for headers in ({}, {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}, {"Sec-Fetch-Site": "none"}):
        browser = visitors.browser().come_from(client)
        answer = browser.http.post(f"{browser.path}/deny", data={"form_token": token_of(browser)}, headers=headers)
        assert answer.status_code == 200


def test_the_browser_s_cookie_alone_opens_no_login_of_another(visitors, browser):
    """A login is of the browser that began it; to know its id, its code or its number is not enough."""
    other = visitors.browser().come_from(visitors.relying_party())
    other.open(browser.path)
    assert other.answer.status_code == 410
    assert other.http.get(f"{browser.path}/state").json() == {"state": "over"}
