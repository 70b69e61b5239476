"""Fifty persons go through everything, and nothing of them is found where it does not belong (A3, C8, Q4)."""

import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
import structlog

from channels.models import notices
from cli.phone import GRANT, Phone
from core.audit import audit_entries
from core.ephemeral import ephemeral
from core.outbox import outbox
from ecard.holders import mask_name
from physical.chip.errors import ChipError
from tests.persons import Person, make_person
from tests.service import ISSUER, Service, running_service
from tests.web.recording import Recording
from web.logs import configure_logs
from web.worker import Worker

pytestmark = pytest.mark.xdist_group("test_canaries")  # what is costly to set up is set up once

PERSONS = 50


@dataclass
class Told:
    """Everything that was written or said while the canaries were about."""

    logs: str = ""
    problems: str = ""
    rows: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, set[str]] = field(default_factory=dict)


@dataclass
class Canary:
    person: Person
    pin: str
    secrets: set[str] = field(default_factory=set)


class Flight:
    """Sends canaries through the service and gathers what is said about them."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.recording = Recording(service.app)
        service.app = self.recording
        service.http = httpx.Client(transport=httpx.WSGITransport(app=self.recording), base_url=ISSUER)
        scopes = ("enroll", "redeem", "full_number")
        self.till = service.add_till(service.add_institution("hospital", scopes=scopes))

    def send(self, number: int) -> Canary:
        person = make_person(number)
        canary = Canary(person, str(700_000 + 37 * number))
        phone = self.enroll(canary, number)
        self.use(canary, phone)
        self.err(canary, phone)
        return canary

    def enroll(self, canary: Canary, number: int) -> Phone:
        card = self.service.make_card(number, pin=canary.pin.encode())
        phone = self.service.phone()
        begun: dict[str, Any] = {}
        wrong = self.service.agent(self.till, card, pin=b"000000", on_show=phone.begin)
        with pytest.raises(ChipError):
            wrong.enroll()
        agent = self.service.agent(
            self.till, card, pin=canary.pin.encode(), on_show=lambda text: begun.update(phone.begin(text).json())
        )
        agent.enroll()
        shown = phone.look(begun["id"]).json()
        assert shown["holder_name"] == mask_name(canary.person.name)
        confirmed = phone.confirm(begun["id"], shown["chip_card"]).json()
        assert phone.sign_in().status_code == 200
        canary.secrets |= {phone.token, confirmed["credential"], phone.assertion()}
        return phone

    def use(self, canary: Canary, phone: Phone) -> None:
        for kind in ("signed", "counter"):
            code = phone.code("medical", kind).json()["code"]
            canary.secrets.add(code)
            taken = self.till.redeem(code, "medical")
            assert taken.json()["entitlement"]["social_security_number"] == canary.person.social_security_number
            canary.secrets.add(taken.json()["visit_token"])
            self.till.redeem(code, "medical")
            self.till.redeem(code[:-1] + str((int(code[-1]) + 1) % 10), "medical")
        for path in ("", "/uses", "/credential"):
            phone.call("GET", f"/v1/cards/{phone.card}{path}")

    def err(self, canary: Canary, phone: Phone) -> None:
        """Put the person where persons do not belong: addresses, members, bodies, headers."""
        name, number = canary.person.name, canary.person.social_security_number
        http = self.service.http
        for path in (f"/v1/cards/{number}", f"/v1/{name}", f"/nowhere?number={number}&name={name}", f"/{number}/x"):
            http.get(path)
            phone.call("GET", path)
        for body in ({"class": name}, {"class": "medical", number: name}, {name: number}, {"kind": number}):
            phone.call("POST", f"/v1/cards/{phone.card}/codes", body)
        for body in ({"code": number, "purpose": name}, {"code": name, "purpose": "medical"}, [number], name):
            self.till.send("POST", "/v1/redemptions", body, {"Idempotency-Key": f"key-{number}"})
            self.till.send("POST", "/v1/offline-acceptances", {"items": [body]})
        assertion = {"DPoP": phone.assertion()}
        http.post("/oauth/token", data={"grant_type": name, "assertion": number, number: name})
        http.post("/oauth/token", data={"grant_type": GRANT, "assertion": f"{number}.{name}"}, headers=assertion)
        proof = {"DPoP": f"{number}.{canary.pin}.x", "Accept-Language": number, "Authorization": number}
        http.get("/v1/notices", headers=proof)
        phone.send("GET", f"/v1/notices?after={number}")


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Iterator[Told]:
    stream, before, found = io.StringIO(), structlog.get_config(), Told()
    handler, root, level = logging.StreamHandler(stream), logging.getLogger(), logging.getLogger().level
    home = tmp_path_factory.mktemp("canaries")
    handler.addFilter(lambda line: not line.name.startswith("http"))  # httpx is the caller's, not the service's
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    configure_logs(as_json=True, stream=stream)
    try:
        limits = {"enrollments_per_terminal_day": 1000, "pin_failures_per_terminal_day": 1000}
        with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **limits) as service:
            flight = Flight(service)
            canaries = [flight.send(number) for number in range(1, PERSONS + 1)]
            _explode(flight, canaries[0])
            _work(service)
            found.rows = _rows(service)
            found.problems = "\n".join(
                answer.body.decode() for answer in flight.recording.answers if answer.status >= 400
            )
            service.http.close()
    finally:
        structlog.configure(**before)
        root.removeHandler(handler)
        root.setLevel(level)
    found.logs = stream.getvalue()
    found.secrets = _needles(canaries)
    yield found


def _explode(flight: Flight, canary: Canary) -> None:
    """Have faults whose texts hold a person: one of ours, one of the database's."""
    service = flight.service
    name, number = canary.person.name, canary.person.social_security_number

    def fault(**_path: str) -> None:
        with service.database.transaction() as connection:
            for _ in range(2):
                connection.execute(ephemeral.insert().values(key=number, value=name.encode(), expires_at=0))

    view = "enrollments.get_session"
    flight.recording.app.view_functions[view] = fault
    assert service.http.get("/v1/terminal-sessions/x").status_code == 500
    flight.recording.app.view_functions[view] = lambda **_path: {}[f"{name} {number}"]
    assert service.http.get("/v1/terminal-sessions/x").status_code == 500


def _work(service: Service) -> None:
    worker = Worker(service.runtime)
    while worker.tell() + worker.seal():
        pass


def _rows(service: Service) -> dict[str, str]:
    with service.database.transaction() as connection:
        return {
            table.name: "\n".join(str(tuple(row)) for row in connection.execute(sa.select(table)))
            for table in (outbox, notices, audit_entries, ephemeral)
        }


def _needles(canaries: list[Canary]) -> dict[str, set[str]]:
    names = {canary.person.name for canary in canaries}
    numbers = {canary.person.social_security_number for canary in canaries}
    return {
        "names": names,
        "names in bytes": {name.encode(coding).hex() for name in names for coding in ("utf-8", "gb18030")},
        "names escaped": {json.dumps(name)[1:-1] for name in names} | {quote(name) for name in names},
        "numbers": numbers,
        "parts of numbers": {number[6:17] for number in numbers},
        "numbers in bytes": {number.encode().hex() for number in numbers},
        "PINs": {canary.pin for canary in canaries},
        "codes and tokens": {secret for canary in canaries for secret in canary.secrets},
    }


NEEDLES = [
    "names",
    "names in bytes",
    "names escaped",
    "numbers",
    "parts of numbers",
    "numbers in bytes",
    "PINs",
    "codes and tokens",
]


def found_in(text: str, needles: set[str]) -> list[str]:
    assert len(needles) >= PERSONS
    return [needle for needle in sorted(needles) if needle in text and _stands_alone(needle, text)]


def _stands_alone(needle: str, text: str) -> bool:
    """Six digits are found inside of hashes and of times; a PIN is one that stands between other characters."""
    return len(needle) > 6 or re.search(rf"(?<![0-9a-z.]){needle}(?![0-9a-z])", text) is not None


def test_the_canaries_were_there(told):
    assert set(told.secrets) == set(NEEDLES)
    assert told.logs.count('"event": "request"') > 40 * PERSONS
    assert told.logs.count('"event": "fault"') == 2
    assert told.problems.count('"code"') > 20 * PERSONS
    for kind, acts in (("outbox", "code.redeemed"), ("notices", "card.issued"), ("audit_entries", "card.issued")):
        assert told.rows[kind].count(acts) >= PERSONS
    assert told.rows["ephemeral"]


@pytest.mark.parametrize("needles", NEEDLES)
def test_no_log_line_holds_anything_of_a_person(told, needles):
    assert found_in(told.logs, told.secrets[needles]) == []


@pytest.mark.parametrize("needles", NEEDLES)
def test_no_problem_repeats_anything_of_a_person(told, needles):
    assert found_in(told.problems, told.secrets[needles]) == []


@pytest.mark.parametrize("needles", NEEDLES)
@pytest.mark.parametrize("table", ["outbox", "notices", "audit_entries", "ephemeral"])
def test_no_event_notice_entry_or_short_memory_holds_anything_of_a_person(told, table, needles):
    assert found_in(told.rows[table], told.secrets[needles]) == []


def test_no_code_holds_anything_of_a_person(told):
    codes = {secret for secret in told.secrets["codes and tokens"] if secret.isdigit()}
    assert len(codes) == 2 * PERSONS
    for number in told.secrets["numbers"]:
        assert not any(number[:17] in code for code in codes)
