"""Two partners with everything that a partner can have: carriages, uses, issuances, news, a log of requests."""

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx

from auth.channel_requests import Channel
from auth.guard import CALLERS
from core.ids import new_id
from tests.channels.carriers import SCOPES, AppWithLink, CarryingApp, make_carrying, new_number
from tests.channels.partners import PartnerApp, make_partner
from tests.issuance.banks import Bank, Core, make_customer
from tests.oauth.holder import Holder, make_holder
from tests.service import Service
from tests.web.test_openapi import UNKNOWN_CODE
from web.worker import Worker

FILLED: dict[str, dict[str, Any]] = {
    "POST /v1/terminals": {"public_key": "00" * 64, "proof": "00" * 64},
    "POST /v1/bank-issuances": {
        "name": "测试甲",
        "phone": "19900000001",
        "social_security_number": "",
        "out_request_no": "",
    },
    "POST /v1/channel/signature-examinations": {"method": "GET", "target": "/v1/channel", "header_fields": {}},
    "POST /v1/sandbox/news": {"kind": "card.issued"},
    "PUT /v1/sandbox/switches": {"answers": None, "news": None},
    "POST /v1/h5-entries": {"act": "sign", "state": "st", "code_challenge": "x" * 43, "dpop_jkt": "x" * 43},
    "POST /v1/sandbox/cards": {"level": "L3"},
    "PUT /v1/sandbox/clock": {"offset_seconds": 0},
    "POST /v1/sandbox/cards/{made_up_card}/acts": {"act": "reset_password"},
    "POST /v1/sandbox/cards/{made_up_card}/logins": {"code": "BCDF-GHJK"},
    "POST /v1/sandbox/redemptions": {"code": UNKNOWN_CODE},
    "POST /v1/carriage/codes": {"class": "medical"},
    "POST /v1/carriage/loss-reports": {"out_request_no": ""},
    "POST /v1/carriage/end": {"out_request_no": ""},
    "POST /v1/carriages": {"out_request_no": ""},
    "POST /v1/carriages/{carriage}/suspend": {"reason": "risk"},
    "POST /v1/carriages/{carriage}/end": {"out_request_no": ""},
}
"""A body that each operation takes; what is empty is filled anew each time."""
_ID = re.compile(r"\b[a-z]{2,4}_[0-9a-hjkmnp-tv-z]{26}\b")


@dataclass
class House:
    """A channel with its client, its link to one holder, and an app that is still in the sandbox."""

    app: CarryingApp
    link: AppWithLink
    trying: PartnerApp
    own: dict[str, list[str]] = field(default_factory=dict)
    """What it has, by kind."""
    yesterday: dict[str, list[str]] = field(default_factory=dict)
    """The day of its statement, and the use that stands in it."""

    @property
    def service(self) -> Service:
        return self.app.service

    @property
    def bank(self) -> Bank:
        return Bank(self.app.partner, self.app.client, Core())

    def call(self, operation: dict[str, Any], label: str, **sent: Any) -> httpx.Response:
        """Call an operation as whom it is for; ``sent`` has what stands in path, query, body and header."""
        method, _, path = label.partition(" ")
        for name in re.findall(r"{(\w+)}", path):
            path = path.replace(f"{{{name}}}", sent.get("path", {}).get(name) or self.own[name][0])
        query = "&".join(f"{name}={value}" for name, value in sent.get("query", {}).items())
        target = f"{path}?{query}" if query else path
        body = self._body(label, sent.get("body", {}))
        headers = sent.get("header", {})
        content = b"" if body is None else json.dumps(body).encode()
        if content:
            headers = {**headers, "Content-Type": "application/json"}
        if operation["x-caller"] == CALLERS[Channel]:
            partner = self.trying if " /v1/sandbox" in label else self.app.partner
            headers = {**headers, "Authorization": partner.sign(method, target, content)}
        else:
            headers = {**headers, **self.app.client.call_headers(self.link.token, path, method)}
        return self.service.http.request(method, target, content=content, headers=headers)

    def _body(self, label: str, changes: dict[str, Any]) -> dict[str, Any] | None:
        if label not in FILLED:
            assert not changes, label
            return None
        body = FILLED[label] | changes
        if body.get("out_request_no") == "":
            body["out_request_no"] = new_number()
        if body.get("social_security_number") == "":
            body["social_security_number"] = make_customer(self.service).social_security_number
        return body


def make_house(service: Service) -> House:
    app = make_carrying(service, scopes=("carriage", "news", "issue", "statements"))
    Bank(app.partner, app.client, Core()).set_port()
    trying = make_partner(service, "sandbox", scopes=("carriage", "news"), requests_per_minute=60_000)
    return House(app, None, trying)  # type: ignore[arg-type] # nobody has linked a card yet


def live_a_day(service: Service, *houses: House) -> None:
    """Let each carry somebody's card for a day, have a code of it taken, and let the worker make the day's files."""
    day = service.clock().date().isoformat()
    for number, house in enumerate(houses):
        linked = house.app.link(make_holder(service, 90 + number))
        carriage = linked.sign().json()["id"]
        taken = service.add_till().redeem(linked.show().json()["code"], "medical")
        assert taken.json()["result"] == "accepted", taken.text
        act = json.dumps({"out_request_no": new_number()}).encode()
        assert house.app.partner.send("POST", f"/v1/carriages/{carriage}/end", act).status_code == 200
        house.yesterday = {"day": [day], "taken": [taken.json()["id"]]}
    service.clock.step(86_400)
    worker = Worker(service.runtime)
    while worker.tell() + worker.make_statement():
        pass


def link(house: House, holder: Holder) -> House:
    """Let a holder link the card with all that may be agreed to, without signing it yet."""
    house.link = house.app.link(holder, " ".join(SCOPES))
    house.own = {"subject": [house.link.link.subject], **house.yesterday}
    return house


def sign(house: House) -> House:
    number = new_number()
    answer = house.link.sign(number)
    assert answer.status_code == 201, answer.text
    made = [house.trying.send("POST", "/v1/sandbox/cards", b'{"level":"L3"}').json()["card"] for _ in range(2)]
    house.own |= {"carriage": [answer.json()["id"]], "number": [number], "made_up_card": made}
    return house


def furnish(house: House, *others: Holder) -> House:
    """Give a house that has signed one card all else: cards of others that are carried no more, issuances, uses."""
    for _ in range(2):
        code = house.link.show().json()["code"]
        assert house.service.add_till().redeem(code, "medical").json()["result"] == "accepted"
    for other in others:
        _carry_for_a_while(house, other)
    asked = [new_number() for _ in range(2)]
    house.own["issuance"] = [house.bank.ask(make_customer(house.service), out_request_no=number) for number in asked]
    for _ in range(3):
        told = house.trying.send("POST", "/v1/sandbox/news", b'{"kind":"card.issued","card":"sandbox-a"}')
        assert told.status_code == 201, told.text
    house.own["number"].append(asked[0])
    house.own |= {"asked": asked, "card": ["sandbox-a"]}
    Worker(house.service.runtime).tell()
    _read_lists(house)
    return house


def _carry_for_a_while(house: House, holder: Holder) -> None:
    gone, ended = house.app.link(holder).sign().json(), new_number()
    act = json.dumps({"out_request_no": ended}).encode()
    assert house.app.partner.send("POST", f"/v1/carriages/{gone['id']}/end", act).status_code == 200
    house.own["carriage"].append(gone["id"])
    house.own["number"] = [house.own["number"][0], gone["out_request_no"], ended]


def _read_lists(house: House) -> None:
    uses = house.link.call("GET", "/v1/carriage/uses").json()["items"]
    requests = house.app.partner.send("GET", "/v1/channel/requests").json()["items"]
    news = house.app.partner.send("GET", "/v1/news").json()
    house.own["use"] = [use["id"] for use in uses]
    house.own["request"] = [one["id"] for one in requests][:3]
    house.own["event"] = [one["id"] for one in news["items"]]
    house.own["position"] = [str(news["next"])]
    header = house.app.partner.sign("GET", "/v1/channel")
    house.own["signed header"] = [header]


def never_existed(kind: str, known: str) -> str:
    """Make what looks like something known, but never was."""
    if kind == "position":
        return str(int(known) + 1000)
    if kind == "number":
        return new_number()
    if kind == "signed header":
        serial = re.compile(r'serial_no="[^"]*"')
        return serial.sub(f'serial_no="{secrets.token_hex(8)}"', _ID.sub(new_id("chn"), known))
    return new_id(known.partition("_")[0])


def ids_in(text: str) -> set[str]:
    return {found.group() for found in _ID.finditer(text)}


def without_ids(text: str) -> str:
    return _ID.sub("<id>", text)
