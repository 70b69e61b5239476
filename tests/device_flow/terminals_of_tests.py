"""A scanner's software as its maker would write it, and the operator of a pharmacy beside it."""

from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from auth.institution_operators import appoint_operator
from auth.oauth.device_approval import (
    AskingTerminal,
    NewTerminal,
    Operator,
    allow_terminal,
    refuse_terminal,
    take_request,
)
from auth.oauth.device_authorization import typed_handle
from auth.parties import set_purposes
from cli.phone import Phone
from cli.till import Till
from core.ids import new_id
from sm.sm2 import Signer, random_private_key
from tests.oauth.clients_of_tests import OAuthClient, make_client
from tests.service import ISSUER, PROVIDER, Service

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "terminals.enrol"
ADDRESS = "192.0.2.7"


def new_key() -> Signer:
    return PROVIDER.signer(random_private_key())


@dataclass
class Software:
    """One scanner that was just unpacked: its maker's client, and a DPoP key and an SM2 key of its own."""

    client: OAuthClient
    signer: Signer = field(default_factory=new_key)
    asked: dict[str, Any] = field(default_factory=dict)
    granted: dict[str, Any] = field(default_factory=dict)

    @property
    def service(self) -> Service:
        return self.client.service

    def ask(self, **changes: Any) -> httpx.Response:
        form = {"scope": SCOPE, **changes}
        sent = {name: value for name, value in form.items() if value is not None}
        answer = self.client.post("/oauth/device_authorization", sent, proven=True)
        if answer.status_code == 200:
            self.asked = answer.json()
        return answer

    def poll(self, **changes: Any) -> httpx.Response:
        form = {"grant_type": DEVICE, "device_code": self.asked.get("device_code"), **changes}
        sent = {name: value for name, value in form.items() if value is not None}
        answer = self.client.post("/oauth/token", sent, proven=True)
        if answer.status_code == 200:
            self.granted = answer.json()
        return answer

    def stated(self, **changes: str) -> bytes:
        assert self.client.dpop is not None
        lines = {
            "label": "ESSC-TERMINAL-KEY-1",
            "issuer": ISSUER,
            "client": self.client.id,
            "grant": self.granted.get("grant_id", ""),
            "thumbprint": self.client.dpop.thumbprint,
            "key": self.signer.public_key.hex(),
        }
        return "\n".join((lines | changes).values()).encode()

    def register(self, signer: Signer | None = None, **changes: Any) -> httpx.Response:
        if signer is not None:
            return replace(self, signer=signer).register(**changes)
        key, proof = self.signer.public_key.hex(), self.signer.sign(self.stated()).hex()
        return self.send("/v1/terminals", {"public_key": key, "proof": proof, **changes})

    def send(self, path: str, body: Any) -> httpx.Response:
        """Call the API with the token and a proof for it."""
        proven = self.client.call_headers(self.granted["access_token"], path, "POST")
        return self.client.http.post(path, json=body, headers=proven)

    def till(self, registered: dict[str, Any]) -> Till:
        return Till(self.client.http, registered["terminal"], registered["serial"], self.signer, self.service.clock)


@dataclass
class Rotating:
    """A registered terminal and its next keys."""

    till: Till

    def add(self, signer: Signer, **changes: str) -> httpx.Response:
        """Ask for a key of its own to be added, stated as it has to be."""
        lines = {
            "label": "ESSC-NEXT-KEY-1",
            "issuer": ISSUER,
            "terminal": self.till.terminal,
            "serial": self.till.serial,
            "key": signer.public_key.hex(),
        }
        proof = signer.sign("\n".join((lines | changes).values()).encode()).hex()
        return self.till.send("POST", "/v1/terminals/keys", {"public_key": signer.public_key.hex(), "proof": proof})

    def works(self) -> bool:
        return self.till.redeem("1" * 20, "medical").status_code != 401


@dataclass
class Town:
    """A pharmacy whose operator has an electronic card."""

    service: Service
    phone: Phone
    institution: str

    def software(self, authentication: str = "none", **more: Any) -> Software:
        given = {"name_zh": "示范收银软件", "name_en": "Example Till", "redirect_uris": [], "scopes": [SCOPE], **more}
        return Software(make_client(self.service, "terminal", authentication, **given))

    def operator(self, **changes: Any) -> Operator:
        """Give the operator after a login of his own."""
        login = {"login": new_id("lgn"), "acr": "L2", "amr": ("hwk",), "authenticated_at": self.service.clock()}
        return Operator(**{"card": self.phone.card, "device": self.phone.device, **login, **changes})

    def appoint(self, card: str, institution: str | None = None, until: Any = None) -> None:
        with self.service.database.transaction() as connection:
            place, now = institution or self.institution, self.service.clock()
            appoint_operator(connection, card=card, institution=place, at=now, until=until)

    def type_code(self, operator: Operator, typed: str, address: str = ADDRESS) -> AskingTerminal:
        desk = self.service.runtime.oauth.desk
        with self.service.database.transaction() as connection:
            return take_request(desk, connection, operator, typed_handle(desk, typed), address)

    def allow(self, operator: Operator, **changes: Any) -> None:
        said = {"institution": self.institution, "name": "3 号收银台", "site": "示范路 1 号", "purposes": ("medical",)}
        with self.service.database.transaction() as connection:
            allow_terminal(self.service.runtime.oauth.desk, connection, operator, NewTerminal(**{**said, **changes}))

    def refuse(self, operator: Operator) -> None:
        with self.service.database.transaction() as connection:
            refuse_terminal(self.service.runtime.oauth.desk, connection, operator)

    def let_in(self, software: Software, **changes: Any) -> Software:
        """Go the whole way to the token."""
        assert software.ask().status_code == 200
        operator = self.operator()
        self.type_code(operator, software.asked["user_code"])
        self.allow(operator, **changes)
        answer = software.poll()
        assert answer.status_code == 200, answer.text
        return software


def make_town(service: Service) -> Town:
    """Enroll a holder and have the card centre appoint her for the service's own institution."""
    return settle(service, service.enroll())


def settle(service: Service, phone: Phone) -> Town:
    """Have a holder appointed for the service's own institution, whose terminals may take two kinds of codes."""
    town = Town(service, phone, service.institution)
    with service.database.transaction() as connection:
        set_purposes(connection, town.institution, ["medical", "merchant"])
    town.appoint(phone.card)
    return town
