"""Partner apps as the tests use them: entered and moved by two operators, signing with keys of their own."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from channels.changes import Change, approve_change, draft_change, propose_change
from channels.registry import Application, apply_for_channel, get_channel
from channels.standing import TRANSITIONS
from sm.signed_request import sign_request
from sm.sm2 import Signer, random_private_key
from tests.service import PROVIDER, Service

LI, WANG = "li", "wang"
CONTACTS = ({"role": "security", "name": "值班安全岗", "reach": "security@bank.example"},)
WAY_UP = {
    "applied": (),
    "sandbox": ("sandbox",),
    "reviewed": ("sandbox", "reviewed"),
    "live": ("sandbox", "reviewed", "live"),
    "suspended": ("sandbox", "reviewed", "live", "suspended"),
    "closed": ("closed",),
}


@dataclass
class PartnerApp:
    """A channel and one of its keys."""

    service: Service
    channel: str
    serial: str = ""
    signer: Signer = field(default_factory=lambda: PROVIDER.signer(random_private_key()))

    def sign(self, method: str, target: str, body: bytes = b"", **changes: Any) -> str:
        given: dict[str, Any] = {
            "app_id": self.channel,
            "serial_no": self.serial,
            "timestamp": int(self.service.clock().timestamp()),
            "nonce": secrets.token_hex(16),
            **changes,
        }
        signer = given.pop("signer", self.signer)
        return sign_request(signer, method=method, target=target, body=body, **given)

    def send(self, method: str, target: str, body: bytes = b"", **changes: Any) -> httpx.Response:
        headers = {"Authorization": self.sign(method, target, body, **changes)}
        if body:
            headers["Content-Type"] = "application/json"
        return self.service.http.request(method, target, content=body, headers=headers)

    def with_new_key(self) -> "PartnerApp":
        """Give the channel one more certificate, and give back the partner who signs with it."""
        other = PartnerApp(self.service, self.channel)
        other.serial = add_certificate(self.service, other)
        return other


def apply(service: Service, **changes: Any) -> str:
    """Enter an application and return the channel's id."""
    given = {"name_zh": f"示范渠道{secrets.token_hex(4)}", "name_en": "Example", "channel_class": "bank"}
    with service.database.transaction() as connection:
        application = Application(**{**given, "contacts": CONTACTS, **changes})
        return apply_for_channel(service.runtime.ground, connection, application)


def propose(service: Service, channel: str, kind: str, detail: Mapping[str, Any], by: str = LI) -> Change:
    desk = service.runtime.channels
    with service.database.transaction() as connection:
        draft = draft_change(desk, channel=channel, kind=kind, detail=detail, operator=by)
        return propose_change(desk, connection, draft)


def approve(service: Service, change: str, by: str = WANG) -> Change:
    with service.database.transaction() as connection:
        return approve_change(service.runtime.channels, connection, change, by)


def change(service: Service, channel: str, kind: str, detail: Mapping[str, Any]) -> Change:
    """Let one operator propose and, where that is not enough, another one approve."""
    proposed = propose(service, channel, kind, detail)
    return proposed if proposed.state == "applied" else approve(service, proposed.id)


def standing_of(service: Service, channel: str) -> str:
    with service.database.transaction() as connection:
        return get_channel(connection, channel).standing


def move(service: Service, channel: str, to: str) -> Change:
    with service.database.transaction() as connection:
        before = get_channel(connection, channel).own_standing
    assert to in TRANSITIONS[before]
    return change(service, channel, "standing", {"from": before, "to": to})


def add_certificate(service: Service, partner: PartnerApp, days: int = 180) -> str:
    detail = {"public_key": partner.signer.public_key.hex(), "days": days}
    outcome = change(service, partner.channel, "certificate", detail).outcome
    assert outcome is not None
    return str(outcome["serial"])


def make_partner(service: Service, standing: str = "live", **application: Any) -> PartnerApp:
    """Make a channel with one certificate that stands as wanted."""
    partner = PartnerApp(service, apply(service, **application))
    partner.serial = add_certificate(service, partner)
    for step in WAY_UP[standing]:
        move(service, partner.channel, step)
    return partner


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
