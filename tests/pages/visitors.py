"""Browsers without scripts at the holder's pages, and the phone of a holder beside them."""

from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from cli.browser import Page, PageForm
from cli.phone import Phone
from tests.login.robot import RobotHolder
from tests.oauth.clients_of_tests import OAuthClient, make_native, make_partner, make_relying_party
from tests.service import ISSUER, Service


class Browser:
    """One browser; ``page`` is what it shows, ``answer`` how it was answered."""

    def __init__(self, service: Service, robot: RobotHolder, **headers: str) -> None:
        transport = httpx.WSGITransport(app=service.app)
        self.service = service
        self.robot = robot
        self.http = httpx.Client(transport=transport, base_url=ISSUER, headers=headers)
        self.answer = httpx.Response(204)

    @property
    def page(self) -> Page:
        return Page(self.answer)

    @property
    def path(self) -> str:
        return urlsplit(str(self.answer.url)).path

    @property
    def login(self) -> str:
        """The id of the login in the page's address."""
        return self.path.split("/")[2]

    def open(self, address: str) -> "Browser":
        """Open an address and follow redirects as long as they stay here."""
        return self.follow(self.robot.get(self.http, address))

    def come_from(self, client: OAuthClient, **changes: Any) -> "Browser":
        """Be sent here by a client, up to the page with the code."""
        return self.open(request_of(client, **changes))

    def send(self, ending: str, **fields: str) -> "Browser":
        """Send the form of the page whose address ends so."""
        return self.follow(self.robot.submit(self.http, self.form(ending), **fields))

    def form(self, ending: str) -> PageForm:
        form = self.page.form(ending)
        assert form is not None, (ending, self.answer.text)
        return form

    def scan(self, *, allow: bool = True) -> str:
        """Have the phone scan the page's code and answer; give the number."""
        return self.robot.answer_on_phone(self.page.code, allow=allow)

    def confirm(self) -> "Browser":
        """Go from the code to behind the number."""
        number = self.scan()
        return self.open(self.path).send("/number", number=number)

    def agreeing(self) -> "Browser":
        """Go from the code to the consent page; the chip card was read just now."""
        self.confirm()
        return self.send("/chip") if self.page.form("/chip") else self

    def follow(self, answer: httpx.Response) -> "Browser":
        while answer.is_redirect and not answer.headers["Location"].startswith("http"):
            answer = self.robot.get(self.http, answer.headers["Location"])
        self.answer = answer
        return self


class Visitors:
    """A service, a holder with a phone, and whoever comes along."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.card = service.make_card(1)
        self.phone: Phone = service.enroll(card=self.card)
        self.robot = RobotHolder(service, self.phone)

    def browser(self, **headers: str) -> Browser:
        return Browser(self.service, self.robot, **headers)

    def relying_party(self, **more: Any) -> OAuthClient:
        return make_relying_party(self.service, **more)

    def partner(self, **more: Any) -> OAuthClient:
        return make_partner(self.service, **more)

    def native(self, **more: Any) -> OAuthClient:
        return make_native(self.service, **more)


def request_of(client: OAuthClient, **changes: Any) -> str:
    """Push an authorization request and write the address to which the client sends the browser."""
    pushed = client.push(**changes)
    assert pushed.status_code == 201, pushed.text
    return "/oauth/authorize?" + urlencode({"client_id": client.id, "request_uri": pushed.json()["request_uri"]})
