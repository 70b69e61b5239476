"""One database, two engines: PostgreSQL in production, SQLite (WAL) embedded. The same statements run on both."""

import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import ConnectionPoolEntry

from core.errors import Refusal, Unavailable, UnsafeSettings
from core.prepared import Prepared, begin, run_prepared

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
_LOOK_OPTIONS = "-c statement_timeout=10000 -c default_transaction_read_only=on"
_NOTE_OPTIONS = "-c statement_timeout=10000 -c lock_timeout=1000 -c synchronous_commit=off"
_WAL_TRIES, _WAL_PAUSE = 100, 0.05
_VALUE = re.compile(r"(?<!:):([a-z]\w*)")
_PREPARED = "core.prepared"
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
        """Take SQL with ``:name`` values, ``:name::type`` where PostgreSQL must be told.

        ``lock`` is appended on PostgreSQL only: SQLite has one writer at a time.
        """
        self.sqlite = re.sub(r"::\w+", "", sql)
        self.postgres = f"{sql} {lock}".strip()
        self.names = tuple(dict.fromkeys(_VALUE.findall(self.postgres)))
        self.query = _VALUE.sub(lambda found: f"${self.names.index(found[1]) + 1}", self.postgres).encode()

    def run(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Send the statement inside the transaction that is open on ``connection`` and fetch what it returns."""
        if not connection.in_transaction():
            connection.begin()  # SQLAlchemy must know of the transaction, or its commit would do nothing
        driver = connection.connection.driver_connection
        if isinstance(driver, psycopg.Connection):
            begin(driver)
            return run_prepared(driver, connection.info.setdefault(_PREPARED, {}), self.query, self.names, values)
        assert isinstance(driver, sqlite3.Connection)
        return driver.execute(self.sqlite, values).fetchall()


class Together:
    """An insert that decides a race, and what is written with it only if it has won.

    On PostgreSQL one statement, so one journey; on SQLite one after the other in the same transaction. ``first`` is an
    INSERT … ON CONFLICT DO NOTHING RETURNING; each of ``then`` an INSERT … VALUES of values that are all in ``values``.
    """

    def __init__(self, first: Statement, *then: Statement) -> None:
        self._first = first
        self._then = then
        chained = ", ".join(
            f"then_{number} AS ({_selected_from_first(statement.postgres)})" for number, statement in enumerate(then)
        )
        self._whole = Statement(f"WITH first AS ({first.postgres}), {chained} SELECT * FROM first")  # noqa: S608 - of statements in the code

    def run(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Write all of it, or nothing of it: then the list is empty."""
        if connection.dialect.name == "postgresql":
            return self._whole.run(connection, values)
        won = self._first.run(connection, values)
        for statement in self._then if won else ():
            statement.run(connection, values)
        return won


def _selected_from_first(insert: str) -> str:
    """Turn INSERT … VALUES (…) into INSERT … SELECT … FROM first: nothing is written where ``first`` wrote nothing."""
    head, _, rest = insert.partition(" VALUES (")
    return f"{head} SELECT {rest.removesuffix(')')} FROM first"  # noqa: S608 - of statements in the code


class _Single:
    """A connection for single statements: each is its own transaction, one journey instead of three."""

    def __init__(self, engine: Engine, settings: str) -> None:
        dialect: Any = engine.dialect
        arguments, options = dialect.create_connect_args(engine.url)
        self._arguments, self._options = arguments, {"connect_timeout": 5, "options": settings, **options}
        self._driver: psycopg.Connection[tuple[Any, ...]] | None = None
        self._prepared: Prepared = {}

    def run(self, statement: Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Send one statement; a connection that died while it idled is replaced once."""
        if self._driver is not None and not self._driver.closed:
            try:
                return run_prepared(self._driver, self._prepared, statement.query, statement.names, values)
            except psycopg.OperationalError:
                if not self._driver.closed:
                    raise
        self._driver = psycopg.connect(*self._arguments, **self._options, autocommit=True)
        self._prepared = {}
        return run_prepared(self._driver, self._prepared, statement.query, statement.names, values)

    def close(self) -> None:
        if self._driver is not None:
            self._driver.close()


class Database:
    """A pool of connections and the transaction of the running thread.

    Args:
        lock_milliseconds: how long to wait for what somebody else holds: a row, SQLite's one writer, a connection.
    """

    def __init__(self, url: str, *, pool_size: int = 4, lock_milliseconds: int = 5000) -> None:
        self._engine = _open_engine(url, pool_size, lock_milliseconds)
        self._thread = threading.local()
        self._looks: list[_Single] = []
        self._notes: list[_Single] = []

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

    def look(self, statement: Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Read by one statement; inside a transaction as part of it, otherwise on a connection kept for that.

        Raises ``DatabaseUnavailable``.
        """
        if not self.is_postgresql or getattr(self._thread, "connection", None) is not None:
            with self.transaction() as connection:
                return statement.run(connection, values)
        return self._alone(self._looks, _LOOK_OPTIONS, statement, values)

    def note(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """Write by one statement that is a transaction of its own, and do not wait until it is on the disk.

        For what may be missing after a crash, and may be sent twice where a connection dies. Raises
        ``DatabaseUnavailable``.
        """
        if self.is_postgresql:
            self._alone(self._notes, _NOTE_OPTIONS, statement, values)
            return
        with self.transaction() as connection:
            statement.run(connection, values)

    def _alone(
        self, kept: list[_Single], settings: str, statement: Statement, values: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        try:
            single = kept.pop()  # asked first, another thread could take the last one in between
        except IndexError:
            single = _Single(self._engine, settings)
        try:
            return single.run(statement, values)
        except _DRIVER_FAULTS as fault:
            raise DatabaseUnavailable(type(fault).__name__, retry_after=2) from fault
        finally:
            kept.append(single)  # as many as there ever were at the same time

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
        for kept in (self._looks, self._notes):
            while kept:
                kept.pop().close()
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
        options: dict[str, Any] = {"connect_timeout": 5, "options": _POSTGRES_OPTIONS.format(lock=lock_milliseconds)}
        options["prepare_threshold"] = (
            None  # with statements of its own, psycopg forgets all after a rollback: ours too
        )
        return sa.create_engine(url, pool_recycle=1800, connect_args=options, **common)
    _make_private(sa.make_url(url).database)
    engine = sa.create_engine(url, connect_args={"timeout": lock_milliseconds / 1000}, **common)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(file: str | None) -> None:
    """Let nobody else read a new database file; SQLite gives its side files the same rights."""
    if file and file != ":memory:" and Path(file).parent.is_dir():
        Path(file).touch(mode=0o600)


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not open transactions of its own
    _begin_wal(connection)
    # recursive_triggers: INSERT OR REPLACE would delete past the audit trail's trigger without it
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "recursive_triggers = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_wal(connection: sqlite3.Connection) -> None:
    """Let the file be written ahead; while another process does the same to a new file SQLite says "locked" at once."""
    for _ in range(_WAL_TRIES - 1):
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
            return
        time.sleep(_WAL_PAUSE)
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: a transaction that read first and then wants to write would be refused under load.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
