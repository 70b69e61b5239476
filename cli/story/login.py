"""The story's act at a public service: the browser shows a code, the phone approves, a number goes the other way."""

from typing import Any

import httpx

from cli import Failed
from cli.browser import Browser, Page, PageForm
from cli.public_service import BegunLogin, LoginRefused, PublicService
from cli.story.city import RegisteredService
from cli.story.play import Play


def log_in(play: Play, registered: RegisteredService) -> None:
    """Log in to a public service that learns a pseudonym and how surely it was proven, and nothing else."""
    teller, phone = play.teller, play.phone
    with httpx.Client(base_url=play.address, timeout=10, trust_env=False) as cookies:
        service = PublicService(play.http, registered.client, registered.secret, registered.redirect_uri)
        browser = Browser(cookies, play.address)
        teller.step("公共服务登录", "a public service lets citizens log in with the card: its page shows a code")
        begun = service.begin()
        waiting = Page(browser.open(begun.address))
        asked = _good(phone.scan_login(waiting.code))
        shown = {"who": asked["client"]["name_zh"], "what": [scope["name"] for scope in asked["scopes"]]}
        teller.answered("service", f"code {waiting.code}, scanned by the phone", shown)
        number = _good(phone.approve_login(asked["id"]))["number"]
        teller.answered("service", "approved; the phone shows a number for that browser", number)
        consent = Page(browser.send(_form(Page(browser.open(waiting.address)), "/number"), number=number))
        back = Page(browser.send(_form(consent, "/consent")))
        _tell(play, service, begun, back.onward)


def _tell(play: Play, service: PublicService, begun: BegunLogin, came_back_to: str) -> None:
    try:
        claims = service.finish(begun, came_back_to)
    except LoginRefused as refused:
        raise Failed(f"the login at the public service: {refused}") from refused
    play.teller.answered("service", "ID token", {name: claims[name] for name in ("sub", "acr", "amr")})
    play.teller.checked("signature, issuer, audience, nonce: the public service knows a pseudonym of its own, no name")


def _form(page: Page, ending: str) -> PageForm:
    form = page.form(ending)
    if form is None:
        raise Failed(f"the page {page.address} has no form for {ending}")
    return form


def _good(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise Failed(f"{answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
    given: dict[str, Any] = answer.json()
    return given
