"""A service behind a proxy, so that a test can call it from any address."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from tests.oauth.clients_of_tests import OAuthClient
from tests.oauth.holder import Holder, make_holder
from tests.service import ISSUER, Service, running_service

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.7"
MANY = {"phone_requests_per_minute": 6000, "address_requests_per_minute": 1_000_000}
PER_REQUEST = {"date", "x-request-id"}


@dataclass
class Town:
    """A service and somebody with a card on it."""

    service: Service
    holder: Holder

    def at(self, address: str) -> httpx.Client:
        """Call from an address, as the one trusted proxy tells it."""
        transport = httpx.WSGITransport(app=self.service.app)
        return httpx.Client(transport=transport, base_url=ISSUER, headers={"ClientAddress": address})

    def moved(self, client: OAuthClient, address: str) -> OAuthClient:
        """Give the same client another address."""
        return replace(client, service=replace(self.service, http=self.at(address)))


@contextlib.contextmanager
def open_town(database_url: str, home: Path, **settings: Any) -> Iterator[Town]:
    """Run a service whose proxy is trusted, with one holder."""
    with running_service(database_url, home, trusted_proxy="127.0.0.1", **{**MANY, **settings}) as service:
        yield Town(service, make_holder(service))


def look(answer: httpx.Response, but: Mapping[str, str] | None = None) -> tuple[int, str, dict[str, str]]:
    """Take from an answer all that somebody who guesses could compare; ``but`` what differs because he asked so."""
    text, headers = answer.text, dict(answer.headers)
    for asked, instead in {answer.headers["X-Request-Id"]: "…", **(but or {})}.items():
        text = text.replace(asked, instead)
        headers = {name: value.replace(asked, instead) for name, value in headers.items()}
    return answer.status_code, text, {name: value for name, value in headers.items() if name not in PER_REQUEST}
