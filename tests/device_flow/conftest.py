from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.device_flow.terminals_of_tests import Software, Town, make_town
from tests.servers import PostgresServer
from tests.service import START, running_service

MANY_A_MINUTE = {
    "address_requests_per_minute": 1_000_000,
    "device_authorizations_per_minute": 6000,
    "logins_per_holder_hour": 1000,
    "phone_requests_per_minute": 6000,
    "terminals_per_institution_day": 10_000,
}


@pytest.fixture(scope="module")
def shared_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    home = tmp_path_factory.mktemp("terminals")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **MANY_A_MINUTE) as running:
        yield make_town(running)


@pytest.fixture
def town(shared_town: Town) -> Iterator[Town]:
    """A pharmacy with an operator, on SQLite; tests of a file share it, and its clock is put back after each."""
    shared_town.service.clock.now = START
    yield shared_town
    shared_town.service.clock.now = START


@pytest.fixture
def fresh(sqlite_url: str, tmp_path: Path) -> Iterator[Town]:
    """A pharmacy of this test alone."""
    with running_service(sqlite_url, tmp_path, **MANY_A_MINUTE) as running:
        yield make_town(running)


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """A pharmacy of this test alone, once on each database."""
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    with running_service(url, tmp_path, **MANY_A_MINUTE) as running:
        yield make_town(running)


@pytest.fixture(scope="module")
def shared_race(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    name, home = postgres_server.create_database(), tmp_path_factory.mktemp("race")
    with running_service(postgres_server.url(name), home, threads=32, **MANY_A_MINUTE) as running:
        yield make_town(running)
    postgres_server.drop_database(name)


@pytest.fixture
def race(shared_race: Town) -> Town:
    """A pharmacy on PostgreSQL with a connection for each of many threads."""
    shared_race.service.clock.now = START
    return shared_race


@pytest.fixture
def software(town: Town) -> Software:
    return town.software()
