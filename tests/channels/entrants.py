"""A partner whose server asks for page addresses as it does today, and whose app opens them in a web view."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from cli.phone import Phone, encode_base64url
from tests.channels.carriers import AppWithLink, CarryingApp, make_carrying
from tests.channels.forms_of_partners import Form, as_an_h5_entry, compact
from tests.exchange.returning import Link, claims_of
from tests.login.robot import RobotHolder
from tests.oauth.clients_of_tests import answer_of
from tests.service import ISSUER, Service

ENTRIES = "/v1/h5-entries"


@dataclass
class EnteringApp:
    """A channel that signs in the H5 form alone; it draws verifier and state for each entry."""

    carrying: CarryingApp
    form: Form = as_an_h5_entry
    drawn: dict[str, str] = field(default_factory=dict)

    def said(self, act: str, **changes: Any) -> dict[str, Any]:
        """Give the content of an entry; a change of None leaves a member out."""
        client = self.carrying.client
        client.verifier, self.drawn["state"] = secrets.token_urlsafe(48), f"st {secrets.token_hex(8)}&=%"
        assert client.dpop is not None
        said = {
            "act": act,
            "state": self.drawn["state"],
            "code_challenge": encode_base64url(hashlib.sha256(client.verifier.encode()).digest()),
            "dpop_jkt": client.dpop.thumbprint,
        }
        return {name: value for name, value in (said | changes).items() if value is not None}

    def ask(self, act: str, **changes: Any) -> httpx.Response:
        content = compact(self.said(act, **changes)).encode()
        return self.form(self.carrying.partner, "POST", ENTRIES, content).send(self.carrying.partner)

    def enter(self, act: str, **changes: Any) -> str:
        answer = self.ask(act, **changes)
        assert answer.status_code == 201, answer.text
        assert answer.json().keys() == {"url", "expires_in"}
        url: str = answer.json()["url"]
        return url

    def open(self, phone: Phone, url: str, *, allow: bool = True) -> dict[str, str]:
        """Open an address in a web view of its own, up to the partner's redirect address; give what came back."""
        service = self.carrying.service
        with httpx.Client(transport=httpx.WSGITransport(app=service.app), base_url=ISSUER) as view:
            back = RobotHolder(service, phone).log_in(view, url, allow=allow)
        to = urlsplit(back.headers["Location"])
        assert to._replace(query="").geturl() == self.carrying.client.redirect_uri
        return answer_of(back.headers["Location"])

    def come_back(self, phone: Phone, act: str, **changes: Any) -> AppWithLink:
        """Go the whole way: address, pages, code, token."""
        came = self.open(phone, self.enter(act, **changes))
        assert (came["state"], came["iss"]) == (self.drawn["state"], ISSUER)
        answer = self.carrying.client.redeem(came["code"])
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        return AppWithLink(self.carrying, Link(self.carrying.client, claims_of(tokens["access_token"])["sub"], tokens))


def make_entering(service: Service, **application: Any) -> EnteringApp:
    return EnteringApp(make_carrying(service, **{"algorithms": ["H5-SM2-SM3"], **application}))


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
