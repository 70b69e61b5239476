"""The whole service in one process, with a phone, a reader with a chip card, and a till around it."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from auth.parties import register_institution, register_terminal
from cli.phone import Phone
from cli.till import Till
from core.clock import SteppingClock
from core.settings import Settings
from ecard.holders import number_index
from physical.chip.agent import Desk, EnrollmentAgent
from physical.chip.files import read_ef05
from physical.chip.in_process_reader import InProcessReader
from physical.chip.profiles import CONTACT_3_0, CardProfile
from physical.chip.terminal_client import Surroundings, TerminalClient, TerminalIdentity, open_http
from physical.chip.virtual_card import VirtualCard
from physical.chip.virtual_card_maker import personalise
from physical.register import register_chip_card
from physical.soft_hsm import create_root_keys, development_root_keys
from sm import city_keys
from sm.certificates import CARD_PURPOSE
from sm.certificates.hierarchy import development_subjects
from sm.certificates.issuing import Subject
from sm.keystore import MemoryKeyStore
from sm.providers import open_provider
from sm.sm2 import random_private_key
from tests.persons import REGION, Person, make_person
from web.app import create_app
from web.runtime import Runtime, wire
from web.schema import migrate

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ISSUER = "https://card.example"
PROVIDER = open_provider("openssl")
ROOM = {
    "client_requests_per_minute": 1_000_000,
    "client_failures_per_minute": 1_000_000,
    "holder_tokens_per_minute": 1_000_000,
    "holder_grants_per_minute": 1_000_000,
    "examinations_per_minute": 1_000_000,
}
"""Tests have few holders and clients, and clocks that stand still: their limits are out of the way unless asked for."""


class FixedPin:
    def __init__(self, pin: bytes) -> None:
        self.pin = pin

    def read_pin(self) -> bytearray:
        return bytearray(self.pin)


@dataclass
class Service:
    """A running service and the register of what was made for it."""

    runtime: Runtime
    app: Any
    clock: SteppingClock
    http: httpx.Client
    institution: str = ""

    @property
    def database(self) -> Any:
        return self.runtime.ground.database

    @property
    def issuer(self) -> str:
        issuer: str = self.runtime.ground.settings.issuer
        return issuer

    def phone(self) -> Phone:
        return Phone(self.http, self.issuer, self.clock)

    def add_institution(self, kind: str = "pharmacy", **more: Any) -> str:
        with self.database.transaction() as connection:
            return register_institution(
                connection,
                name=f"示范{kind}",
                kind=kind,
                region=REGION,
                at=self.clock(),
                **{"scopes": ("enroll", "redeem"), **more},
            )

    def add_till(self, institution: str = "", purposes: tuple[str, ...] = ("medical", "merchant", "test")) -> Till:
        signer = PROVIDER.signer(random_private_key())
        with self.database.transaction() as connection:
            terminal, serial = register_terminal(
                connection,
                name="1 号窗口",
                site="示范路 1 号",
                institution=institution or self.institution,
                purposes=purposes,
                public_key=signer.public_key,
                at=self.clock(),
            )
        return Till(self.http, terminal, serial, signer, self.clock)

    def make_card(
        self, number: int = 1, profile: CardProfile = CONTACT_3_0, *, pin: bytes = b"271828", register: bool = True
    ) -> VirtualCard:
        """Produce a chip card for a synthetic person and enter it into the register."""
        person = make_person(number)
        store = self.runtime.store

        def certify(public_key: bytes, issuer_data: Any) -> bytes:
            return city_keys.issue_leaf(
                store,
                PROVIDER,
                subject=Subject(common_name=issuer_data.card_identification_code),
                public_key=public_key,
                purpose=CARD_PURPOSE,
                not_before=self.clock(),
                not_after=self.clock().replace(year=self.clock().year + 5),
            ).der

        card = personalise(
            person.holder_data(),
            profile,
            region=REGION,
            root_keys=development_root_keys(store),
            issue_certificate=certify,
            clock=self.clock,
            randomness=_random,
            provider=PROVIDER,
            pin=pin,
        )
        if register:
            self.register(card, person)
        return card

    def register(self, card: VirtualCard, person: Person) -> str:
        data = read_ef05(card.contents.issuer_records)
        with self.database.transaction() as connection:
            return register_chip_card(
                connection,
                card_identification_code=data.card_identification_code,
                generation=data.version[:3],
                region=data.region,
                issued_on=data.issued_on,
                expires_on=data.expires_on,
                holder_index=number_index(self.runtime.ground, person.social_security_number),
                historical_bytes=card.contents.historical_bytes.hex(),
                at=self.clock(),
            )

    def agent(self, till: Till, card: VirtualCard, *, pin: bytes = b"271828", on_show: Any = None) -> EnrollmentAgent:
        surroundings = Surroundings(
            now=self.clock,
            ticks=lambda: 0.0,
            random_text=lambda: _random(16).hex(),
            random_share=lambda: 0.5,
            pause=self.clock.step,
        )
        transport = httpx.WSGITransport(app=self.app)
        client = TerminalClient(
            TerminalIdentity(till.terminal, till.serial, till.signer),
            open_http(self.issuer, transport=transport),
            surroundings,
        )
        desk = Desk(operator="op-1", show=on_show or (lambda _text: None), tell=lambda *_a, **_k: None)
        return EnrollmentAgent(client, InProcessReader(card), FixedPin(pin), desk, surroundings)

    def enroll(self, till: Till | None = None, card: VirtualCard | None = None, phone: Phone | None = None) -> Phone:
        """Play a whole enrollment and return the phone with its card, signed in."""
        phone = phone or self.phone()
        begun: dict[str, Any] = {}

        def scan(display: str) -> None:
            answer = phone.begin(display)
            assert answer.status_code == 201, answer.text
            begun.update(answer.json())

        self.agent(till or self.add_till(), card or self.make_card(), on_show=scan).enroll()
        shown = phone.look(begun["id"]).json()
        confirmed = phone.confirm(begun["id"], shown["chip_card"])
        assert confirmed.status_code == 201, confirmed.text
        assert phone.sign_in().status_code == 200
        return phone


def _random(count: int) -> bytes:
    return secrets.token_bytes(count)


def test_store(now: datetime = START) -> MemoryKeyStore:
    store = MemoryKeyStore("development")
    city_keys.create_city_keys(store, PROVIDER, now, development_subjects(REGION))
    create_root_keys(store)
    return store


test_store.__test__ = False  # type: ignore[attr-defined]


@contextlib.contextmanager
def running_service(
    database_url: str, home: Path, *, redis_url: str | None = None, hsm: Any = None, **settings: Any
) -> Iterator[Service]:
    """Wire a service on an empty database and give it one institution."""
    settings = ROOM | settings
    place = {"home": home, "database_url": database_url, "redis_url": redis_url}
    chosen = Settings(_env_file=None, issuer=ISSUER, region=REGION, **place, **settings)
    clock = SteppingClock(START)
    store = test_store()
    runtime = wire(chosen, store, PROVIDER, clock=clock, hsm=hsm)
    migrate(runtime.ground.database)
    app = create_app(runtime)
    http = httpx.Client(transport=httpx.WSGITransport(app=app), base_url=ISSUER)
    service = Service(runtime, app, clock, http)
    service.institution = service.add_institution()
    try:
        yield service
    finally:
        http.close()
        runtime.news.hang_up()
        runtime.ground.database.close()
