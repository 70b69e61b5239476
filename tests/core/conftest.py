from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from psycopg import sql

from core.audit import AuditTrail
from core.database import Database, metadata
from tests.servers import PostgresServer
from web.schema import migrate

AUDIT_KEY = bytes(range(32))


@pytest.fixture(scope="session")
def migrated_postgres_url(postgres_server: PostgresServer) -> str:
    """A migrated database that the tests of this folder share: to make and drop one takes longer than most tests."""
    url = postgres_server.url(postgres_server.create_database())
    opened = Database(url)
    migrate(opened)
    opened.close()
    return url


@pytest.fixture
def postgres_url(migrated_postgres_url: str) -> str:
    """The shared database, emptied; who changes its schema or its settings asks for ``fresh_postgres_url``."""
    opened = Database(migrated_postgres_url)
    with opened.transaction() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))  # past the audit trail's triggers
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    opened.close()
    return migrated_postgres_url


@pytest.fixture
def fresh_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A new and empty PostgreSQL database, dropped afterwards."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated and empty database, once on each engine; whoever needs a lock waits 300 ms for it."""
    yield from open_migrated(database_url)


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[Database]:
    """A migrated and empty PostgreSQL, for what SQLite has no say in."""
    yield from open_migrated(postgres_url)


def open_migrated(url: str) -> Iterator[Database]:
    opened = Database(url, lock_milliseconds=300)
    if not opened.is_postgresql:
        migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def cut_connections(postgres_url: str, postgres_server: PostgresServer) -> Callable[[], None]:
    """Cut every connection to this test's database and wait until the server has let go of them."""
    name = sql.Literal(postgres_url.rpartition("/")[2])
    cut = sql.SQL("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = {}").format(name)
    return lambda: postgres_server.execute(cut)


@pytest.fixture
def trail() -> AuditTrail:
    return AuditTrail(AUDIT_KEY)
