from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.issuance.models import bank_issuances, bank_ports
from tests.issuance.banks import Bank, make_bank
from tests.service import START, Service, running_service

MANY_A_MINUTE = {"phone_requests_per_minute": 6000, "address_requests_per_minute": 1_000_000}


@pytest.fixture(scope="module")
def shared_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    home = tmp_path_factory.mktemp("issuance")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **MANY_A_MINUTE) as running:
        yield make_bank(running)


@pytest.fixture
def bank(shared_bank: Bank) -> Iterator[Bank]:
    """A bank on SQLite; tests of a file share it. Its core vouches for everybody, and its clock is put back."""
    service, core = shared_bank.service, shared_bank.core
    service.clock.now = START
    core.__init__()  # type: ignore[misc]
    yield shared_bank
    service.clock.now = START
    with service.database.transaction() as connection:  # what a test has left is not the next one's
        connection.execute(bank_issuances.update().values(state="refused"))
        connection.execute(bank_ports.update().values(failures=0, paused_until=0))


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service of this test alone, once on each database, with threads enough for races."""
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    with running_service(url, tmp_path, threads=32, **MANY_A_MINUTE) as running:
        yield running
