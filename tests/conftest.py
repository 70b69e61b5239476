"""Fixtures that every test may ask for: servers of our own, databases that are empty and new."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.servers import PostgresServer, RedisServer, ServerMissingError, run_postgres, run_redis
from tests.service import Service, running_service

Server = TypeVar("Server")


def fail_if_missing(run: Callable[[], AbstractContextManager[Server]], stack: contextlib.ExitStack) -> Server:
    """Start a server; one that is not installed fails the test with the command that installs it."""
    try:
        return stack.enter_context(run())
    except ServerMissingError as missing:
        command = str(missing)
    pytest.fail(command, pytrace=False)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of this test process (each xdist worker has its own)."""
    with contextlib.ExitStack() as stack:
        yield fail_if_missing(run_postgres, stack)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a new and empty PostgreSQL database, dropped afterwards."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'ecard.sqlite3'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Run the test twice: on SQLite and on PostgreSQL, each time with an empty database."""
    url: str = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    return url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis of this test process (each xdist worker has its own)."""
    with contextlib.ExitStack() as stack:
        yield fail_if_missing(run_redis, stack)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of a Redis that has just forgotten everything."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    """A whole service, once on SQLite and once on PostgreSQL, without Redis."""
    with running_service(database_url, tmp_path) as running:
        yield running


@pytest.fixture
def sqlite_service(sqlite_url: str, tmp_path: Path) -> Iterator[Service]:
    """A whole service on SQLite alone, for what no database has a say in."""
    with running_service(sqlite_url, tmp_path) as running:
        yield running
