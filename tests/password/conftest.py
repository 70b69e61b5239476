from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from cli.phone import Phone
from core.audit import audit_entries
from core.outbox import outbox
from ecard.models import card_passwords, electronic_cards
from ecard.password import check_password
from physical.chip.virtual_card import VirtualCard
from tests.persons import Person, make_person
from tests.servers import PostgresServer
from tests.service import START, Service, running_service

GOOD, OTHER, WRONG = "274958", "830472", "618305"
MANY_A_MINUTE = {"phone_requests_per_minute": 6000, "address_requests_per_minute": 1_000_000}
NUMBERS = count(1)


@dataclass
class Owner:
    """A person with a chip card and a phone that carries the electronic one."""

    service: Service
    number: int
    card: VirtualCard
    phone: Phone
    more: list[Phone] = field(default_factory=list)

    @property
    def person(self) -> Person:
        return make_person(self.number)

    def put(self, password: Any, current: Any = None, phone: Phone | None = None) -> httpx.Response:
        caller = phone or self.phone
        body = {"password": password} | ({} if current is None else {"current": current})
        return self.signed_in(caller).call("PUT", f"/v1/cards/{caller.card}/password", body)

    def look(self, phone: Phone | None = None) -> dict[str, Any]:
        caller = phone or self.phone
        answer = self.signed_in(caller).call("GET", f"/v1/cards/{caller.card}/password")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def signed_in(self, phone: Phone) -> Phone:
        assert phone.sign_in().status_code == 200
        return phone

    def show_chip(self) -> None:
        """Hold chip card and phone before a reader again."""
        self.service.enroll(card=self.card, phone=self.phone)

    def check(self, given: str, card: str = "") -> None:
        """Ask as a login page does: a transaction of its own, which keeps what a refusal has written."""
        with self.service.database.transaction() as connection:
            check_password(self.service.runtime.passwords, connection, card or self.phone.card, given)

    def second_card(self) -> Phone:
        """Get another chip card of the same person onto another phone."""
        return self.service.enroll(card=self.service.make_card(self.number))

    def row(self) -> Any:
        mine = sa.select(electronic_cards.c.holder).where(electronic_cards.c.id == self.phone.card)
        found = sa.select(card_passwords).where(card_passwords.c.holder == mine.scalar_subquery())
        with self.service.database.transaction() as connection:
            return connection.execute(found).mappings().one()

    def entries(self) -> list[tuple[str, str]]:
        with self.service.database.transaction() as connection:
            found = sa.select(audit_entries.c.act, audit_entries.c.detail).order_by(audit_entries.c.number)
            return [tuple(row) for row in connection.execute(found) if row.act.startswith("password.")]

    def events(self) -> list[tuple[str, str, dict[str, Any]]]:
        with self.service.database.transaction() as connection:
            found = sa.select(outbox.c.kind, outbox.c.card, outbox.c.content).order_by(outbox.c.number)
            return [tuple(row) for row in connection.execute(found) if row.kind.startswith("card.password_")]


def make_owner(service: Service, password: str | None = None) -> Owner:
    number = next(NUMBERS)
    card = service.make_card(number)
    owner = Owner(service, number, card, service.enroll(card=card))
    if password is not None:
        assert owner.put(password).status_code == 200
    return owner


@pytest.fixture
def owner(service: Service) -> Owner:
    """Somebody without a password, once on each database."""
    return make_owner(service)


@pytest.fixture(scope="module")
def shared_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("password")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **MANY_A_MINUTE) as running:
        yield running


@pytest.fixture
def town(shared_town: Service) -> Iterator[Service]:
    """A service on SQLite that the tests of a file share; its clock is put back after each."""
    shared_town.clock.now = START
    yield shared_town
    shared_town.clock.now = START


@pytest.fixture
def citizen(town: Service) -> Owner:
    """Somebody new on that service, with the password GOOD."""
    return make_owner(town, GOOD)


@pytest.fixture
def alone(sqlite_url: str, tmp_path: Path) -> Iterator[Owner]:
    """Somebody with the password GOOD, on a service of this test alone."""
    with running_service(sqlite_url, tmp_path, **MANY_A_MINUTE) as running:
        yield make_owner(running, GOOD)


@pytest.fixture(scope="module")
def race_town(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    name, home = postgres_server.create_database(), tmp_path_factory.mktemp("race")
    with running_service(postgres_server.url(name), home, threads=32, **MANY_A_MINUTE) as running:
        yield running
    postgres_server.drop_database(name)
