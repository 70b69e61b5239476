"""The partner bank as the tests make it: its folder, its customers, its parts in this process."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bank.authorization import Authorization
from bank.back import BackRoom, make_back
from bank.calls import Calling
from bank.card_service import CardService
from bank.clerk import Clerk
from bank.customers import keep_customers, read_customers
from bank.database import Database
from bank.desk import Desk
from bank.house import make_front
from bank.keys import load_client_key, make_keys
from bank.place import Home, read_partner
from bank.proofs import ChannelProofs, make_signing_key, open_proofs
from bank.switches import Switches
from flask.testing import FlaskClient

from sm.der import write_pem
from sm.signed_request import sign_request
from tests.persons import make_person
from tests.service import ISSUER, Service

TOLD = {
    "environment": "development",
    "issuer": ISSUER,
    "channel": "chn_0h3k2m5q8r1t4v7w9x2z5b8d1f",
    "serial": "5f1c0a9be27d4e63",
    "client": "cli_0h3k2m5q8r1t4v7w9x2z5b8d1f",
    "kid": "key_0h3k2m5q8r1t4v7w9x2z5b8d1f",
}
ISSUANCE = "iss_0h3k2m5q8r1t4v7w9x2z5b8d1f"
PORT = "/ecard/port"
NEWS = "/ecard/news"
TOKEN = "the-control-token-of-the-tests"


def customer_row(number: int, **changes: Any) -> dict[str, Any]:
    person = make_person(number)
    row = {
        "number": f"6200000{number}",
        "name": person.name,
        "social_security_number": person.social_security_number,
        "phone": f"1000000000{number}",
        "financial_function": "active",
        "balance_fen": 12_345,
    }
    return row | changes


def make_home(folder: Path, rows: list[dict[str, Any]] | None = None, **told: str) -> Home:
    """Write what a bank needs to start, but for the ministry's certificate."""
    home = Home(folder)
    home.write(home.partner, json.dumps(TOLD | told).encode())
    home.write(home.customers, json.dumps(rows or [customer_row(1)], ensure_ascii=False).encode())
    make_signing_key(home)
    make_keys(home)
    return home


def ministry_of(service: Service) -> bytes:
    """Give the certificate that a partner pins."""
    return write_pem("CERTIFICATE", service.runtime.channels.authorities()[-1].der).encode()


@dataclass
class QuietBank:
    """The bank's parts beside an in-process service, by its clock; nothing runs by itself."""

    service: Service
    home: Home
    desk: Desk
    proofs: ChannelProofs
    clerk: Clerk
    switches: Switches
    front: FlaskClient
    back: FlaskClient

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.desk.database.transaction() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def question(self, **changes: Any) -> dict[str, Any]:
        row = customer_row(1)
        asked = {name: row[name] for name in ("social_security_number", "name", "phone")}
        return {"issuance": ISSUANCE, "out_request_no": "issue-1", **asked, **changes}

    def sign(self, body: bytes, *, seconds: float = 0, target: str = PORT, nonce: str | None = None) -> str:
        """Sign a question as the card service does."""
        serial, signer = self.service.runtime.channels.answer_keys().require_signer()
        return sign_request(
            signer,
            app_id="card",
            serial_no=serial,
            method="POST",
            target=target,
            body=body,
            timestamp=int(self.service.clock().timestamp() + seconds),
            nonce=nonce or secrets.token_hex(16),
        )

    def ask(self, body: bytes, authorization: str) -> Any:
        return self.back.post(PORT, data=body, headers={"Authorization": authorization})

    def tell(self, message: dict[str, Any], **changes: str) -> Any:
        """Post a piece of news as the card service does."""
        body = json.dumps(message).encode()
        headers = self.service.runtime.news.keys().sign(message["id"], self.service.clock(), body)
        return self.back.post(NEWS, data=body, headers=headers | changes)

    def control(self, method: str, path: str = "/control", body: Any = None, **headers: str) -> Any:
        given = {"Control-Token": TOKEN, **headers}
        return self.back.open(path, method=method, json=body, headers=given, base_url="http://127.0.0.1:8472")


@contextmanager
def quiet_bank(service: Service, folder: Path, rows: list[dict[str, Any]] | None = None) -> Iterator[QuietBank]:
    """Wire a bank whose requests go to the service in this process."""
    home = make_home(folder, rows)
    home.write(home.ministry, ministry_of(service))
    partner, calling = read_partner(home, {}), Calling(service.http, pause=lambda _seconds: None)
    database = Database(home.database)
    with database.transaction() as connection:
        keep_customers(connection, read_customers(home))

    def now() -> float:
        return service.clock().timestamp()

    proofs = open_proofs(home, partner, calling, now)
    authorization = Authorization(
        calling, partner, load_client_key(home, partner.kid), "https://bank.example/back", now
    )
    desk = Desk(database, CardService(authorization, proofs), now)
    clerk, switches = Clerk(desk), Switches(slow_seconds=0.01)
    back = make_back(BackRoom(desk, clerk, proofs, switches, TOKEN))
    yield QuietBank(service, home, desk, proofs, clerk, switches, make_front(desk).test_client(), back.test_client())


def news_message(sequence: int, kind: str = "card.loss_reported", **data: str) -> dict[str, Any]:
    """Write a piece of news; its position is its place among a card's alone here."""
    return {
        "id": f"evt_{sequence:026}",
        "type": kind,
        "timestamp": "2026-03-02T08:00:00.000Z",
        "channel": TOLD["channel"],
        "position": sequence,
        "card": "subject-1",
        "sequence": sequence,
        "data": data,
    }
