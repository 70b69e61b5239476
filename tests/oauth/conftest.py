from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oauth.clients_of_tests import OAuthClient, make_native, make_partner, make_relying_party
from tests.oauth.holder import Holder, make_holder
from tests.servers import PostgresServer
from tests.service import START, Service, running_service

MANY_A_MINUTE = {"phone_requests_per_minute": 6000, "address_requests_per_minute": 1_000_000}


@pytest.fixture(scope="module")
def shared_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Holder]]:
    home = tmp_path_factory.mktemp("oauth")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **MANY_A_MINUTE) as running:
        yield running, make_holder(running)


@pytest.fixture
def server(shared_town: tuple[Service, Holder]) -> Iterator[Service]:
    """A service on SQLite; tests of a file share it, and its clock is put back after each."""
    running = shared_town[0]
    running.clock.now = START
    running.http.cookies.clear()
    yield running
    running.clock.now = START


@pytest.fixture
def holder(server: Service, shared_town: tuple[Service, Holder]) -> Holder:
    """Somebody with a card on that service."""
    return shared_town[1]


@pytest.fixture
def fresh(sqlite_url: str, tmp_path: Path) -> Iterator[Service]:
    """A service of this test alone."""
    with running_service(sqlite_url, tmp_path, **MANY_A_MINUTE) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service of this test alone, once on each database."""
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    with running_service(url, tmp_path, **MANY_A_MINUTE) as running:
        yield running


@pytest.fixture(scope="module")
def shared_race(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Holder]]:
    name, home = postgres_server.create_database(), tmp_path_factory.mktemp("race")
    with running_service(postgres_server.url(name), home, threads=32, **MANY_A_MINUTE) as running:
        yield running, make_holder(running)
    postgres_server.drop_database(name)


@pytest.fixture
def partner(server: Service) -> OAuthClient:
    return make_partner(server)


@pytest.fixture
def native(server: Service) -> OAuthClient:
    return make_native(server)


@pytest.fixture
def relying_party(server: Service) -> OAuthClient:
    return make_relying_party(server)
