from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.redemption.counter import Counter
from tests.redemption.processes import City, Town, make_city, run_town
from tests.servers import PostgresServer, run_redis
from tests.service import running_service

MANY_A_MINUTE = {"codes_per_minute": 600, "phone_requests_per_minute": 6000}
"""Tests share one phone; its limits have tests of their own."""


@contextmanager
def open_counter(database_url: str, home: Path, **settings: object) -> Iterator[Counter]:
    with running_service(database_url, home, **{**MANY_A_MINUTE, **settings}) as service:
        yield Counter(service, service.enroll())


@pytest.fixture(scope="session")
def sqlite_counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    """A counter on SQLite, for what no database has a say in."""
    home = tmp_path_factory.mktemp("counter")
    with open_counter(f"sqlite:///{home / 'ecard.sqlite3'}", home) as counter:
        yield counter


@pytest.fixture(scope="session")
def postgres_counter(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    """A counter on PostgreSQL."""
    name = postgres_server.create_database()
    with open_counter(postgres_server.url(name), tmp_path_factory.mktemp("counter")) as counter:
        yield counter
    postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def counter(request: pytest.FixtureRequest) -> Counter:
    """One counter on each database. Tests share it: its clock only goes on, and each test shows codes of its own."""
    name = {"sqlite": "sqlite_counter", "postgresql": "postgres_counter"}[request.param]
    shared: Counter = request.getfixturevalue(name)
    return shared


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    """A key store on disk."""
    return make_city(tmp_path_factory.mktemp("city"))


GROUNDS = ("sqlite", "sqlite+redis", "postgresql", "postgresql+redis")


@pytest.fixture(scope="session", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in GROUNDS])
def town(request: pytest.FixtureRequest, city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Worker processes on each database, with and without a Redis of their own (tests may kill it)."""
    folder = tmp_path_factory.mktemp("town")
    with ExitStack() as stack:
        redis_server = stack.enter_context(run_redis()) if "redis" in request.param else None
        url = f"sqlite:///{folder / 'ecard.sqlite3'}"
        if "postgresql" in request.param:
            server: PostgresServer = request.getfixturevalue("postgres_server")
            name = server.create_database()
            stack.callback(server.drop_database, name)
            url = server.url(name)
        yield stack.enter_context(run_town(city, folder, url, redis_server))
