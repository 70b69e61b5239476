"""Partner apps that carry the card: a channel with its OAuth client, and a holder who links it."""

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from tests.channels.partners import PartnerApp, change, make_partner
from tests.exchange.returning import Link, make_link
from tests.oauth.clients_of_tests import OAuthClient
from tests.oauth.clients_of_tests import make_partner as make_client
from tests.oauth.holder import Holder
from tests.service import Service
from web.worker import Worker

SCOPES = [
    "openid",
    "offline_access",
    "card.read",
    "card.present",
    "card.uses",
    "card.report_loss",
    "card.unlink",
    "card.pay",
]
LINKED = "openid offline_access card.read card.present card.uses"


@dataclass
class AppWithLink:
    """A partner's app after its customer has linked the card."""

    app: "CarryingApp"
    link: Link

    @property
    def token(self) -> str:
        return str(self.link.tokens["access_token"])

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> httpx.Response:
        return self.app.call(token or self.token, method, path, body)

    def sign(self, number: str | None = None, **more: Any) -> httpx.Response:
        body = {"out_request_no": number or new_number(), **more}
        return self.call("POST", "/v1/carriages", body)

    def show(self, kind: str = "signed", use: str = "medical", token: str | None = None) -> httpx.Response:
        return self.call("POST", "/v1/carriage/codes", {"class": use, "kind": kind}, token=token)


@dataclass
class CarryingApp:
    """A channel and its OAuth client."""

    service: Service
    partner: PartnerApp
    client: OAuthClient

    @property
    def channel(self) -> str:
        return self.partner.channel

    def call(self, token: str, method: str, path: str, body: Any = None) -> httpx.Response:
        bare = path.partition("?")[0]
        headers = self.client.call_headers(token, bare, method)
        return self.service.http.request(method, path, json=body, headers=headers)

    def link(self, holder: Holder, scope: str = LINKED, **approval: Any) -> AppWithLink:
        self.service.clock.step(1)  # what happened before is not told to whoever comes after
        return AppWithLink(self, make_link(holder, self.client, {"scope": scope}, **approval))

    def news(self) -> list[tuple[str, dict[str, Any]]]:
        """Let the worker tell what happened, and read the channel's feed."""
        Worker(self.service.runtime).tell()
        items = self.partner.send("GET", "/v1/news").json()["items"]
        return [(item["type"], item["data"]) for item in items]


def new_number() -> str:
    return f"T-{secrets.token_hex(8)}"


def make_carrying(service: Service, standing: str = "live", **application: Any) -> CarryingApp:
    """Make a channel whose client may ask for all that is about the carriage."""
    given = {"scopes": ("carriage", "news"), "requests_per_minute": 60_000, **application}
    partner = make_partner(service, standing, **given)
    host = f"https://{secrets.token_hex(4)}.example"  # whose pairwise sector it is
    client = make_client(service, scopes=SCOPES, redirect_uris=[f"{host}/cb"])
    change(service, partner.channel, "terms", {"from": {"client": None}, "to": {"client": client.id}})
    return CarryingApp(service, partner, client)
