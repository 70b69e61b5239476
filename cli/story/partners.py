"""The story's act in a partner's app: the card linked, shown and taken there, and one issued on the bank's word."""

import re
import ssl
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from cli import Failed
from cli.browser import Browser, Page
from cli.story.login import approve_in_browser, form_of
from cli.story.partner_bank import BankCustomer, BankPlace
from cli.story.play import Play
from qr.scanning import scan_picture

_PICTURE = re.compile(r'id="picture"[^>]*src="data:image/png;base64,([^"]+)"')
_RESULT = re.compile(r'id="result">([^<]+)<')
_STATE = re.compile(r'id="card" data-state="([a-z]+)" data-standing="([a-z]*)"')
_NEWS = re.compile(r'data-kind="([a-z_.]+)"')
_WAIT_SECONDS = 20.0


@dataclass(frozen=True)
class BankApp:
    """The bank's app in a customer's browser."""

    browser: Browser
    address: str

    def card(self) -> str:
        """Open the page of the card."""
        return self._good(self.browser.open("/card"))

    def press(self, page: str, ending: str, **fields: str) -> httpx.Response:
        """Send the form of a page that leads there; its answer may lead out of the app."""
        shown = Page(httpx.Response(200, text=page, request=httpx.Request("GET", f"{self.address}/card")))
        return self.browser.send(form_of(shown, ending), **fields)

    def wait_for(self, found: re.Pattern[str], wanted: str) -> str:
        """Look at the page of the card until it shows something."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            page = self.card()
            if wanted in found.findall(page):
                return page
            time.sleep(0.2)
        raise Failed(f"the bank's app does not show {wanted}")

    def _good(self, answer: httpx.Response) -> str:
        if not answer.is_success:
            raise Failed(f"the bank's app: {answer.status_code} {answer.url.path}")
        return answer.text


@contextmanager
def signed_in_app(place: BankPlace, customer: BankCustomer) -> Iterator[BankApp]:
    """Open the bank's app as a customer."""
    trusted = ssl.create_default_context(cafile=str(place.certificate))
    with httpx.Client(base_url=place.front, verify=trusted, timeout=30, trust_env=False) as http:
        browser = Browser(http, place.front)
        page = Page(browser.open("/sign-in"))
        chosen = next(form for form in page.forms if form.fields["customer"] == customer.number)
        browser.send(chosen)
        yield BankApp(browser, place.front)


def play_in_bank(play: Play, place: BankPlace, holder: BankCustomer, other: BankCustomer) -> None:
    """Link, show, redeem and hear of it in the bank's app; then a card for somebody else on the bank's word."""
    with signed_in_app(place, holder) as app:
        _link(play, app)
        _show_and_redeem(play, app)
    with signed_in_app(place, other) as app:
        _issue(play, app)


def _link(play: Play, app: BankApp) -> None:
    teller = play.teller
    teller.step("银行应用关联", "a partner bank's app links the holder's card: redirect, login by the phone, consent")
    leaving = app.press(app.card(), "/card/sign")
    with httpx.Client(base_url=play.address, timeout=10, trust_env=False) as cookies:
        back = approve_in_browser(play.phone, Browser(cookies, play.address), leaving.headers["Location"])
    page = app.browser.open(back).text
    told = _RESULT.search(page)
    if told is None:
        raise Failed("the bank's app says no result of linking")
    teller.answered("bank", "POST /v1/carriages", told[1])
    teller.checked("tokens bound to a key of the customer's app; the bank knows a pseudonym, and no refresh token")


def _show_and_redeem(play: Play, app: BankApp) -> None:
    teller = play.teller
    teller.step("银行应用展码", "the bank returns silently (token exchange) and shows the code that it drew itself")
    shown = app.press(app.card(), "/card/code").text
    drawn = _PICTURE.search(shown)
    if drawn is None:
        raise Failed("the bank's app shows no code")
    (scanned,) = scan_picture(b64decode(drawn[1]))
    teller.answered("bank", f"a QR code, read from its picture: {len(scanned)} digits", scanned)
    accepted = play.till.redeem(scanned, "medical")
    if not accepted.is_success:
        raise Failed(f"the till: {accepted.status_code} {accepted.text[:200]}")
    teller.answered("service", "accepted at the till", accepted.json()["entitlement"])
    app.wait_for(_NEWS, "code.redeemed")
    teller.checked("the news of it has reached the bank, signed; where and what for stays with the holder")


def _issue(play: Play, app: BankApp) -> None:
    teller = play.teller
    teller.step("银行核验签发", "another customer, no redirect: the service asks the bank's own core, both sides sign")
    app.press(app.card(), "/card/issue")
    page = app.wait_for(re.compile(r'id="card" data-state="([a-z]+)"'), "active")
    state = _STATE.search(page)
    teller.answered("bank", "electronic card at level L2", {"state": state[1] if state else ""})
    teller.checked("financial function active here, phone number agrees; answered signed, within the same request")
