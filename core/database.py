"""One database, two engines: PostgreSQL in production, SQLite (WAL) embedded. The same statements run on both."""

import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import ConnectionPoolEntry

from core.errors import Refusal, Unavailable, UnsafeSettings

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = sa.JSON()
Millis = sa.BigInteger()
"""Moments are kept as milliseconds since 1970: both engines compare them alike and none loses the zone."""
RowNumber = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_POSTGRES_OPTIONS = "-c statement_timeout=10000 -c lock_timeout={lock} -c idle_in_transaction_session_timeout=30000"
_DRIVER_FAULTS = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.InternalError,  # a standby that is read-only, a transaction that idled too long
    sa.exc.TimeoutError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
    sqlite3.OperationalError,
)


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    title_en = "The database does not answer; nothing was changed."
    title_zh = "数据库暂时不可用，未作任何更改。"


class Statement:
    """A statement of a hot path: sent to the driver as it is, without SQLAlchemy's own work (80 µs each)."""

    def __init__(self, sql: str, *, lock: str = "") -> None:
        """Take SQL with ``:name`` values; ``lock`` is appended on PostgreSQL only (SQLite has one writer at a time)."""
        self.sqlite = sql
        self.psycopg = re.sub(r"(?<!:):([a-z]\w*)", r"%(\1)s", f"{sql} {lock}".strip())

    def run(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Send the statement inside the transaction that is open on ``connection`` and fetch what it returns."""
        if not connection.in_transaction():
            connection.begin()  # SQLAlchemy must know of the transaction, or its commit would do nothing
        driver = connection.connection.driver_connection
        if isinstance(driver, psycopg.Connection):
            cursor = driver.execute(self.psycopg, values, prepare=True)
            return cursor.fetchall() if cursor.description else []
        assert isinstance(driver, sqlite3.Connection)
        return driver.execute(self.sqlite, values).fetchall()


class Database:
    """A pool of connections and the transaction of the running thread.

    Args:
        lock_milliseconds: how long to wait for what somebody else holds: a row, SQLite's one writer, a connection.
    """

    def __init__(self, url: str, *, pool_size: int = 4, lock_milliseconds: int = 5000) -> None:
        self._engine = _open_engine(url, pool_size, lock_milliseconds)
        self._thread = threading.local()

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def is_postgresql(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run one transaction; inside of one, join it.

        Commits at the end, and also when a ``Refusal`` leaves that is marked ``recorded``; rolls back on all else.
        Raises ``DatabaseUnavailable`` where the database does not answer, is locked or cut the statement off.
        """
        joined: Connection | None = getattr(self._thread, "connection", None)
        if joined is not None:
            yield joined
            return
        try:
            with self._engine.connect() as connection:
                yield from self._run(connection)
        except _DRIVER_FAULTS as fault:
            raise DatabaseUnavailable(type(fault).__name__, retry_after=2) from fault

    def _run(self, connection: Connection) -> Iterator[Connection]:
        self._thread.connection = connection
        try:
            yield connection
            connection.commit()
        except Refusal as refusal:
            if refusal.recorded:
                connection.commit()
            raise
        finally:
            self._thread.connection = None

    def require_durable(self) -> None:
        """Refuse a PostgreSQL that may forget what it has acknowledged (trust.md, figure 36)."""
        if not self.is_postgresql:
            return
        with self.transaction() as connection:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                if connection.execute(sa.text(f"SHOW {name}")).scalar_one() == "off":
                    raise UnsafeSettings(f"PostgreSQL runs with {name} = off")

    def ping(self) -> None:
        """Ask for one row; raises ``DatabaseUnavailable``."""
        with self.transaction() as connection:
            connection.execute(sa.text("SELECT 1"))

    def close(self) -> None:
        self._engine.dispose()


def changed_one(connection: Connection, statement: sa.Update | sa.Delete) -> bool:
    """Run a guarded update and tell whether it hit its one row: the database decides races."""
    return connection.execute(statement).rowcount == 1


def insert_if_new(connection: Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless a unique constraint is in the way, and tell whether it was inserted."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).values(values).on_conflict_do_nothing().returning(sa.literal(1))
    return connection.execute(statement).first() is not None


def _open_engine(url: str, pool_size: int, lock_milliseconds: int) -> Engine:
    common: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 2,
        "pool_timeout": lock_milliseconds / 1000,
        "hide_parameters": True,  # an error's text must not hold what was being stored
    }
    if url.startswith("postgresql"):
        options = {"connect_timeout": 5, "options": _POSTGRES_OPTIONS.format(lock=lock_milliseconds)}
        return sa.create_engine(url, pool_recycle=1800, connect_args=options, **common)
    engine = sa.create_engine(url, connect_args={"timeout": lock_milliseconds / 1000}, **common)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not open transactions of its own
    # recursive_triggers: INSERT OR REPLACE would delete past the audit trail's trigger without it
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "recursive_triggers = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: a transaction that read first and then wants to write would be refused under load.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
