"""Every page that a holder can come to, as an answer of the service, for rules that hold on all of them."""

from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpx

from tests.device_flow.terminals_of_tests import settle
from tests.pages.visitors import Browser, Visitors


@dataclass
class Album:
    """Answers by what they show."""

    visitors: Visitors
    language: str
    pages: dict[str, httpx.Response] = field(default_factory=dict)

    def keep(self, name: str, browser: Browser) -> Browser:
        self.pages[name] = browser.answer
        return browser

    def browser(self) -> Browser:
        return self.visitors.browser(**{"Accept-Language": self.language})


def gather(visitors: Visitors, language: str) -> dict[str, httpx.Response]:
    """Go through all pages in a language and keep each."""
    album = Album(visitors, language)
    _gather_login(album)
    _gather_ends(album)
    _gather_account(album)
    _gather_device(album)
    return album.pages


def _gather_login(album: Album) -> None:
    visitors = album.visitors
    visitors.service.clock.step(601)
    browser = album.keep("waiting", album.browser().come_from(visitors.partner()))
    code = browser.page.code
    visitors.phone.sign_in()
    login = visitors.phone.scan_login(code).json()["id"]
    album.keep("seen", browser.open(browser.path))
    number = visitors.phone.approve_login(login).json()["number"]
    album.keep("number", browser.open(browser.path))
    album.keep("wrong number", browser.send("/number", number="0000" if number != "0000" else "1111"))
    album.keep("raise", browser.send("/number", number=number))
    album.keep("chip not read", browser.send("/chip"))
    visitors.service.enroll(card=visitors.card, phone=visitors.phone)
    album.keep("consent", browser.send("/chip"))
    album.keep("onward", browser.send("/consent"))


def _gather_ends(album: Album) -> None:
    visitors = album.visitors
    browser = album.browser().come_from(visitors.relying_party())
    browser.scan(allow=False)
    album.keep("ended", browser.open(browser.path))
    album.keep("over", browser.open("/login/lgn_" + "0" * 26))
    album.keep("no request", browser.open("/login/for/int_" + "0" * 26))
    album.keep("bad request", browser.open("/oauth/authorize?client_id=nobody"))
    album.keep("no code", browser.open("/app/login/x"))
    album.keep("app", browser.open("/app/login/BCDF-GHJK"))
    app = visitors.native()
    asking = album.browser().open("/oauth/authorize?" + urlencode(app.parameters()))
    album.keep("waiting for an app", asking)
    answer = asking.http.post(f"{asking.path}/deny", data={"form_token": "forged"})
    album.keep("forged form", asking.follow(answer))


def _gather_account(album: Album) -> None:
    browser = album.keep("account start", album.browser().open("/account"))
    album.keep("account waiting", browser.send("/sign-in"))
    album.keep("account", browser.confirm())
    form = browser.form("/sign-out")
    album.keep("account sure", browser.send(f"/devices/{album.visitors.phone.device}/end"))
    album.keep("account done", browser.open("/account?done=yes"))
    album.visitors.service.clock.step(600)
    album.keep("account over", browser.follow(album.visitors.robot.submit(browser.http, form)))


def _gather_device(album: Album) -> None:
    software = settle(album.visitors.service, album.visitors.phone).software()
    assert software.ask().status_code == 200
    browser = album.keep("device start", album.browser().open("/device"))
    album.keep("device waiting", browser.send("/sign-in"))
    album.keep("device code", browser.confirm())
    album.keep("device wrong code", browser.send("/code", user_code="BCDF-GHJK"))
    album.keep("device asking", browser.send("/code", user_code=software.asked["user_code"]))
    details = {"name": "till 3", "site": "1 Example Road", "purpose.medical": "yes", "compared": "yes"}
    album.keep("device allowed", browser.send("/allow", **details))
