"""The story's act at a public service: the browser shows a code, the phone approves, a number goes the other way."""

from collections.abc import Callable
from typing import Any

import httpx

from cli import Failed
from cli.browser import Browser, Page, PageForm
from cli.phone import Phone
from cli.public_service import BegunLogin, LoginRefused, PublicService
from cli.story.city import RegisteredService
from cli.story.play import Play

Tell = Callable[[str, dict[str, Any], str], None]
"""Told the code of the page, what the phone saw, and the number for the browser."""


def log_in(play: Play, registered: RegisteredService) -> None:
    """Log in to a public service that learns a pseudonym and how surely it was proven, and nothing else."""
    teller, phone = play.teller, play.phone
    with httpx.Client(base_url=play.address, timeout=10, trust_env=False) as cookies:
        service = PublicService(play.http, registered.client, registered.secret, registered.redirect_uri)
        browser = Browser(cookies, play.address)
        teller.step("公共服务登录", "a public service lets citizens log in with the card: its page shows a code")
        begun = service.begin()
        back = approve_in_browser(phone, browser, begun.address, _teller_of(play))
        _tell(play, service, begun, back)


def approve_in_browser(phone: Phone, browser: Browser, address: str, tell: Tell | None = None) -> str:
    """Go through the pages of a login with the phone beside the browser; return where the browser goes on to."""
    waiting = Page(browser.open(address))
    asked = _good(phone.scan_login(waiting.code))
    number = _good(phone.approve_login(asked["id"]))["number"]
    if tell is not None:
        tell(waiting.code, asked, number)
    consent = Page(browser.send(form_of(Page(browser.open(waiting.address)), "/number"), number=number))
    left = browser.send(form_of(consent, "/consent"))
    return left.headers["Location"] if left.is_redirect else Page(left).onward


def _teller_of(play: Play) -> Tell:
    def tell(code: str, asked: dict[str, Any], number: str) -> None:
        shown = {"who": asked["client"]["name_zh"], "what": [scope["name"] for scope in asked["scopes"]]}
        play.teller.answered("service", f"code {code}, scanned by the phone", shown)
        play.teller.answered("service", "approved; the phone shows a number for that browser", number)

    return tell


def _tell(play: Play, service: PublicService, begun: BegunLogin, came_back_to: str) -> None:
    try:
        claims = service.finish(begun, came_back_to)
    except LoginRefused as refused:
        raise Failed(f"the login at the public service: {refused}") from refused
    play.teller.answered("service", "ID token", {name: claims[name] for name in ("sub", "acr", "amr")})
    play.teller.checked("signature, issuer, audience, nonce: the public service knows a pseudonym of its own, no name")


def form_of(page: Page, ending: str) -> PageForm:
    """Find the form of a page that leads there; raises ``Failed``."""
    form = page.form(ending)
    if form is None:
        raise Failed(f"the page {page.address} has no form for {ending}")
    return form


def _good(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise Failed(f"{answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
    given: dict[str, Any] = answer.json()
    return given
