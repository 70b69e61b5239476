"""Banks as the tests of issuance use them: a channel with an OAuth client and a port, and the core behind it."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from channels.bank_port import BankAnswer, BankQuestion, NoAnswer
from channels.issuance.desk import IssuanceDesk
from channels.issuance.finishing import finish_one
from channels.issuance.models import bank_issuances
from ecard.cards import ElectronicCard, get_card
from tests.channels.partners import PartnerApp, change, make_partner
from tests.exchange.returning import Link
from tests.oauth.clients_of_tests import OAuthClient
from tests.oauth.clients_of_tests import make_partner as make_client
from tests.persons import Person, make_person
from tests.service import Service

URL = "https://core.bank.example/essc"
SCOPES = ("openid", "offline_access", "card.read", "card.present", "card.uses")
PHONE = "19900000001"
EVIDENCE = {"serial": "5f", "base_sm3": "00" * 32, "signature": "00" * 64, "signed_at": 1}
_numbers = itertools.count(1)


@dataclass
class Core:
    """The core of a bank without the network: it vouches for all whom it is not told otherwise about."""

    function: str = "active"
    phone_agrees: bool = True
    silent: str | None = None
    asked: list[tuple[str, BankQuestion]] = field(default_factory=list)
    before: Callable[[], object] = lambda: None

    def ask(self, channel: str, url: str, question: BankQuestion) -> BankAnswer:
        assert url == URL
        self.asked.append((channel, question))
        self.before()
        if self.silent is not None:
            raise NoAnswer(self.silent)
        return BankAnswer(self.function, self.phone_agrees, EVIDENCE)


@dataclass
class Bank:
    """A bank's channel, its client and its core."""

    app: PartnerApp
    client: OAuthClient
    core: Core

    @property
    def service(self) -> Service:
        return self.app.service

    @property
    def desk(self) -> IssuanceDesk:
        return replace(self.service.runtime.issuance, port=self.core, share=lambda: 0.5)

    def send(self, person: Person, **changes: Any) -> httpx.Response:
        """Ask for a customer's card as the bank's app does; a change of None leaves a member out."""
        asked: dict[str, Any] = {
            "out_request_no": f"B-{next(_numbers)}",
            "social_security_number": person.social_security_number,
            "name": person.name,
            "phone": PHONE,
            **changes,
        }
        body = json.dumps({name: value for name, value in asked.items() if value is not None}).encode()
        return self.app.send("POST", "/v1/bank-issuances", body)

    def ask(self, person: Person, **changes: Any) -> str:
        answer = self.send(person, **changes)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def work(self) -> int:
        """Finish what is due."""
        done = 0
        while finish_one(self.desk):
            done += 1
        return done

    def look(self, issuance: str) -> dict[str, Any]:
        answer = self.app.send("GET", f"/v1/bank-issuances/{issuance}")
        assert answer.status_code == 200, answer.text
        read: dict[str, Any] = answer.json()
        return read

    def issue(self, person: Person, **changes: Any) -> dict[str, Any]:
        """Ask, let the worker work, and tell what came of it."""
        issuance = self.ask(person, **changes)
        self.work()
        return self.look(issuance)

    def link(self, issued: dict[str, Any]) -> Link:
        """Give the link that the bank's app returns to, knowing nothing but what it was told."""
        return Link(self.client, issued["subject"], {})

    def card_of(self, issued: dict[str, Any]) -> ElectronicCard:
        with self.service.database.transaction() as connection:
            return get_card(connection, row_of(self.service, issued["id"]).card)

    def set_port(self, url: str = URL) -> None:
        change(self.service, self.app.channel, "bank-port", {"url": url})


def make_bank(service: Service, core: Core | None = None, *, url: str = URL, **application: Any) -> Bank:
    given = {"scopes": ("carriage", "news", "issue"), "requests_per_minute": 60_000, **application}
    app = make_partner(service, **given)
    redirect = f"https://{app.channel.replace('_', '-')}.example/cb"  # its host is the sector of its names for holders
    client = make_client(service, scopes=list(SCOPES), redirect_uris=[redirect])
    change(service, app.channel, "terms", {"from": {"client": None}, "to": {"client": client.id}})
    bank = Bank(app, client, core or Core())
    bank.set_port(url)
    return bank


_persons = itertools.count(1)


def make_customer(service: Service) -> Person:
    """Make a person with a chip card in the register, another one each time."""
    number = next(_persons)
    service.make_card(number)
    return make_person(number)


def row_of(service: Service, issuance: str) -> Any:
    with service.database.transaction() as connection:
        return connection.execute(bank_issuances.select().where(bank_issuances.c.id == issuance)).one()
