"""Services that a whole test run shares: every test brings its own phones, readers and cards."""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from physical.soft_hsm import SoftCardHsm
from tests.enrollment.attempt import Attempt
from tests.enrollment.faulty_hsm import FaultyHsm
from tests.servers import PostgresServer
from tests.service import Service, running_service
from web.logs import configure_logs


@pytest.fixture(autouse=True)
def service_log() -> Iterator[io.StringIO]:
    """What the service logs, as it does in production: lines of JSON."""
    before = structlog.get_config()
    stream = io.StringIO()
    configure_logs(as_json=True, stream=stream)
    yield stream
    structlog.configure(**before)


@contextlib.contextmanager
def running_city(url: str, home: Path, **settings: Any) -> Iterator[Service]:
    """Run a service whose HSM can be told to fail."""
    hsm = FaultyHsm()
    with running_service(url, home, hsm=hsm, **settings) as running:
        hsm.inner = SoftCardHsm(running.runtime.store, "development")
        yield running


@pytest.fixture(scope="session")
def postgres_city(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    name = postgres_server.create_database()
    with running_city(postgres_server.url(name), tmp_path_factory.mktemp("postgres-city")) as running:
        yield running
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def sqlite_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("sqlite-city")
    with running_city(f"sqlite:///{home / 'ecard.sqlite3'}", home) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def city(request: pytest.FixtureRequest) -> Service:
    """A service that other tests have used before, once on SQLite and once on PostgreSQL."""
    running: Service = request.getfixturevalue({"sqlite": "sqlite_city", "postgresql": "postgres_city"}[request.param])
    return running


@pytest.fixture
def city_with(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Make a service of one's own, with other settings, on SQLite."""
    with contextlib.ExitStack() as stack:

        def make(**settings: Any) -> Service:
            return stack.enter_context(running_city(f"sqlite:///{tmp_path / 'ecard.sqlite3'}", tmp_path, **settings))

        yield make


@pytest.fixture
def attempt(city: Service) -> Attempt:
    """An enrollment that has not begun, on both databases."""
    return Attempt(city)


@pytest.fixture
def light_attempt(sqlite_city: Service) -> Attempt:
    """An enrollment that has not begun, for what no database has a say in."""
    return Attempt(sqlite_city)
