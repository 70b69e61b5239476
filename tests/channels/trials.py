"""A partner's app in its sandbox: its made-up cards, and the pages through which their holders go."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
import sqlalchemy as sa

from cli.browser import Browser, Page
from cli.story.login import form_of
from tests.channels.carriers import LINKED, AppWithLink, CarryingApp, make_carrying
from tests.exchange.returning import Link, claims_of
from tests.oauth.clients_of_tests import answer_of
from tests.service import ISSUER, Service

CARDS, TILL, SANDBOX = "/v1/sandbox/cards", "/v1/sandbox/redemptions", "/v1/sandbox"
CLOCK = "/v1/sandbox/clock"


@dataclass
class Trial:
    """A channel in the sandbox with its client."""

    app: CarryingApp
    pages: Any
    """The application whose pages the browser opens."""

    @property
    def service(self) -> Service:
        return self.app.service

    def ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        return self.app.partner.send(method, path, json.dumps(body).encode() if body else b"")

    def make_card(self, level: str = "L3") -> dict[str, Any]:
        answer = self.ask("POST", CARDS, level=level)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def act(self, card: dict[str, Any], act: str) -> httpx.Response:
        return self.ask("POST", f"{CARDS}/{card['card']}/acts", act=act)

    def answer(self, card: dict[str, Any], code: str, **more: str) -> httpx.Response:
        return self.ask("POST", f"{CARDS}/{card['card']}/logins", code=code, **more)

    def link(self, card: dict[str, Any] | None = None, scope: str = LINKED) -> AppWithLink:
        """Go the whole way of a holder: the pages in a browser, the number from the phone that there is not."""
        self.service.clock.step(1)
        back = self.come_back(card or self.make_card(), scope)
        answer = self.app.client.redeem(answer_of(back)["code"])
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        return AppWithLink(self.app, Link(self.app.client, claims_of(tokens["access_token"])["sub"], tokens))

    def come_back(self, card: dict[str, Any], scope: str = LINKED) -> str:
        """Give the address to which the browser goes at last."""
        browser, page = self.to_number(card, scope)
        return self.finish(browser, page)

    def to_number(self, card: dict[str, Any], scope: str = LINKED) -> tuple[Browser, Page]:
        """Go to behind the number: the page that asks for more, or for the consent."""
        browser = self.open_browser()
        waiting = Page(browser.open(self.begin(scope)))
        number = self.answer(card, waiting.code).json()["number"]
        return browser, Page(browser.send(form_of(Page(browser.open(waiting.address)), "/number"), number=number))

    def open_browser(self) -> Browser:
        return Browser(httpx.Client(transport=httpx.WSGITransport(app=self.pages), base_url=ISSUER), ISSUER)

    def begin(self, scope: str = LINKED) -> str:
        """Push a request and give the address for the browser."""
        pushed = self.app.client.push(scope=scope).json()["request_uri"]
        return f"{ISSUER}/oauth/authorize?client_id={self.app.client.id}&request_uri={pushed}"

    def finish(self, browser: Browser, page: Page) -> str:
        left = browser.send(form_of(page, "/consent"))
        return left.headers["Location"] if left.is_redirect else Page(left).onward

    def take(self, shown: httpx.Response) -> httpx.Response:
        assert shown.status_code == 201, shown.text
        return self.ask("POST", TILL, code=shown.json()["code"])


def make_trial(service: Service, *, pages: Any = None, **application: Any) -> Trial:
    return Trial(make_carrying(service, "sandbox", **application), pages or service.app)


def rows(service: Service, table: sa.Table, *columns: str) -> list[Any]:
    """Look at what stands in a table."""
    with service.database.transaction() as connection:
        return list(connection.execute(sa.select(*(table.c[name] for name in columns))))
