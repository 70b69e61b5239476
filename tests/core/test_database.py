import contextlib
import select
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from core.database import Database, DatabaseUnavailable, Statement, Together, changed_one, insert_if_new
from core.ephemeral import ephemeral
from core.errors import Refusal, UnsafeSettings
from tests.servers import PostgresServer, free_port

INSERT = Statement("INSERT INTO ephemeral (key, value, count, expires_at) VALUES (:key, :value, 1, 0)")


def put(connection: sa.Connection, key: str) -> None:
    INSERT.run(connection, {"key": key, "value": b""})


def kept(database: Database) -> list[str]:
    with database.engine.connect() as connection:
        return list(connection.execute(sa.select(ephemeral.c.key).order_by(ephemeral.c.key)).scalars())


# ── One transaction ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_transaction_commits_at_its_end(database):
    with database.transaction() as connection:
        put(connection, "a")
    assert kept(database) == ["a"]


def test_a_statement_of_a_hot_path_begins_the_transaction_that_is_then_committed(database):
    with database.transaction() as connection:
        assert not connection.in_transaction()
        put(connection, "first of all")
        assert connection.in_transaction()
    assert kept(database) == ["first of all"]


def test_a_transaction_inside_of_one_joins_it(database):
    with database.transaction() as outer:
        put(outer, "a")
        with database.transaction() as inner:
            assert inner is outer
            put(inner, "b")
        put(outer, "c")
    assert kept(database) == ["a", "b", "c"]


def test_a_fault_in_the_outer_transaction_takes_the_joined_one_with_it(database):
    with pytest.raises(ZeroDivisionError), database.transaction() as outer:
        put(outer, "a")
        with database.transaction() as inner:
            put(inner, "b")
        _ = 1 // 0
    assert kept(database) == []


def test_a_fault_in_the_joined_transaction_rolls_back_both(database):
    with pytest.raises(ZeroDivisionError), database.transaction() as outer:
        put(outer, "a")
        with database.transaction():
            _ = 1 // 0
    assert kept(database) == []


def test_a_refusal_rolls_back(database):
    with pytest.raises(Refusal), database.transaction() as connection:
        put(connection, "a")
        raise Refusal
    assert kept(database) == []


def test_a_recorded_refusal_keeps_what_was_written(database):
    with pytest.raises(Refusal), database.transaction() as connection:
        put(connection, "a")
        raise Refusal(recorded=True)
    assert kept(database) == ["a"]


def test_a_recorded_refusal_of_a_joined_transaction_commits_at_the_edge_once(database):
    with pytest.raises(Refusal), database.transaction() as outer:
        put(outer, "a")
        with database.transaction() as inner:
            put(inner, "b")
            raise Refusal(recorded=True)
    assert kept(database) == ["a", "b"]


def test_after_a_fault_the_thread_begins_anew(database):
    with contextlib.suppress(ZeroDivisionError), database.transaction() as connection:
        put(connection, "a")
        _ = 1 // 0
    with database.transaction() as connection:
        put(connection, "b")
    assert kept(database) == ["b"]


def test_each_thread_has_a_transaction_of_its_own(postgres_database):
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        with postgres_database.transaction() as connection:
            put(connection, "other")
            inside.set()
            assert done.wait(10)

    with ThreadPoolExecutor() as pool:
        running = pool.submit(other)
        assert inside.wait(10)
        with postgres_database.transaction() as connection:
            put(connection, "mine")
        assert kept(postgres_database) == ["mine"]
        done.set()
        running.result()
    assert kept(postgres_database) == ["mine", "other"]


# ── Single looks, and inserts that go together ───────────────────────────────────────────────────────────────────

COUNT = Statement("SELECT count(*) FROM ephemeral WHERE key = :key")
WIN = Statement(
    "INSERT INTO ephemeral (key, value, count, expires_at) VALUES (:key, :value, 1, 0)"
    " ON CONFLICT DO NOTHING RETURNING key"
)
TELL = Statement("INSERT INTO outbox (id, kind, content, happened_at) VALUES (:id, :kind, CAST('{}' AS JSON), 0)")


def told(database: Database) -> int:
    with database.engine.connect() as connection:
        return connection.execute(sa.text("SELECT count(*) FROM outbox")).scalar_one()


def test_a_look_sees_what_is_committed_and_inside_a_transaction_what_it_wrote(database):
    assert database.look(COUNT, {"key": "a"}) == [(0,)]
    with database.transaction() as connection:
        put(connection, "a")
        assert database.look(COUNT, {"key": "a"}) == [(1,)]
    assert database.look(COUNT, {"key": "a"}) == [(1,)]


def test_a_look_never_writes(postgres_database):
    with pytest.raises((DatabaseUnavailable, sa.exc.DBAPIError)):
        postgres_database.look(WIN, {"key": "a", "value": b""})
    assert kept(postgres_database) == []


def test_a_look_notices_nothing_of_connections_that_were_cut(postgres_database, cut_connections):
    for _ in range(3):
        assert postgres_database.look(COUNT, {"key": "a"}) == [(0,)]
        cut_connections()


def test_a_look_at_a_database_that_is_away_is_refused_as_unavailable():
    away = Database(f"postgresql+psycopg://ecard:secret@127.0.0.1:{free_port()}/ecard")
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            away.look(COUNT, {"key": "a"})
    away.close()


def test_many_may_look_at_once(database_url, database):
    pooled, begin = Database(database_url, pool_size=8), threading.Barrier(8)

    def look(_number: int) -> int:
        begin.wait()
        return sum(pooled.look(COUNT, {"key": "a"})[0][0] == 0 for _ in range(100))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(look, range(8))) == [100] * 8
    pooled.close()


def test_what_goes_together_is_written_whole_or_not_at_all(database):
    together = Together(WIN, TELL)
    with database.transaction() as connection:
        assert together.run(connection, {"key": "a", "value": b"", "id": "evt_1", "kind": "x"}) == [("a",)]
        assert together.run(connection, {"key": "a", "value": b"", "id": "evt_2", "kind": "x"}) == []
    assert (kept(database), told(database)) == (["a"], 1)


def test_a_fault_in_what_goes_together_takes_the_first_insert_with_it(database):
    together = Together(WIN, TELL)
    with database.transaction() as connection:
        together.run(connection, {"key": "a", "value": b"", "id": "evt_1", "kind": "x"})
    with pytest.raises((sa.exc.DBAPIError, psycopg.Error, sqlite3.Error)), database.transaction() as connection:
        together.run(connection, {"key": "b", "value": b"", "id": "evt_1", "kind": "x"})
    assert (kept(database), told(database)) == (["a"], 1)


def test_of_many_who_write_together_at_once_one_writes_all_of_it(database_url, database):
    pooled, begin, together = Database(database_url, pool_size=8), threading.Barrier(8), Together(WIN, TELL)

    def write(number: int) -> bool:
        begin.wait()
        with pooled.transaction() as connection:
            return bool(together.run(connection, {"key": "a", "value": b"", "id": f"evt_{number}", "kind": "x"}))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(8))).count(True) == 1
    pooled.close()
    assert (kept(database), told(database)) == (["a"], 1)


def test_only_its_owner_may_read_a_database_file(sqlite_url):
    database = Database(sqlite_url)
    database.ping()
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    assert [oct(part.stat().st_mode & 0o777) for part in file.parent.glob(f"{file.name}*")] == ["0o600"] * 3
    database.close()


# ── Races ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_many_who_insert_the_same_row_at_once_one_wins(database_url, database):
    patient = Database(database_url, pool_size=8)
    begin = threading.Barrier(8)

    def insert(number: int) -> bool:
        begin.wait()
        with patient.transaction() as connection:
            values = {"key": "one", "value": str(number).encode(), "count": 1, "expires_at": 0}
            return insert_if_new(connection, ephemeral, values)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(insert, range(8)))
    patient.close()
    assert won.count(True) == 1


def test_a_guarded_update_tells_whether_it_hit_its_row(database):
    with database.transaction() as connection:
        put(connection, "a")
        guarded = sa.update(ephemeral).where(ephemeral.c.key == "a", ephemeral.c.count == 1).values(count=2)
        assert changed_one(connection, guarded)
        assert not changed_one(connection, guarded)
        assert not changed_one(connection, sa.delete(ephemeral).where(ephemeral.c.key == "b"))


def test_who_waits_too_long_for_a_lock_is_told_that_the_database_is_busy(database):
    with database.transaction() as connection:
        put(connection, "held")
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(_put_in_a_transaction, database, "held")
            with pytest.raises(DatabaseUnavailable) as refused:
                waiting.result(timeout=30)
    assert refused.value.retry_after == 2
    assert kept(database) == ["held"]


def test_who_finds_every_connection_taken_is_told_so(database_url, database):
    small = Database(database_url, pool_size=1, lock_milliseconds=100)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(small.engine.connect())
        with pytest.raises(DatabaseUnavailable):
            small.ping()
    small.ping()
    small.close()


def _put_in_a_transaction(database: Database, key: str) -> None:
    with database.transaction() as connection:
        put(connection, key)


# ── Away ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_postgresql_that_is_not_there_is_unavailable():
    away = Database(f"postgresql+psycopg://ecard:secret@127.0.0.1:{free_port()}/ecard")
    with pytest.raises(DatabaseUnavailable) as refused:
        away.ping()
    assert (refused.value.code, refused.value.retry_after) == ("database_unavailable", 2)
    assert "secret" not in str(refused.value) + str(refused.value.__cause__)
    away.close()


def test_an_sqlite_file_that_cannot_be_opened_is_unavailable(tmp_path: Path):
    away = Database(f"sqlite:///{tmp_path / 'no-such-folder' / 'ecard.sqlite3'}")
    with pytest.raises(DatabaseUnavailable):
        away.ping()


@pytest.mark.parametrize("hot", [True, False])
def test_connections_that_the_server_has_cut_cost_refusals_and_then_work_again(postgres_database, cut_connections, hot):
    connections = [postgres_database.engine.connect() for _ in range(3)]
    for connection in connections:
        connection.execute(sa.text("SELECT 1"))
        connection.close()
    cut_connections()
    refused = 0
    for key in "abcdef":
        try:
            _put_in_a_transaction(postgres_database, key) if hot else postgres_database.ping()
        except DatabaseUnavailable:
            refused += 1
    assert 1 <= refused <= 3
    assert len(kept(postgres_database)) == (6 - refused if hot else 0)


@pytest.mark.parametrize("hot", [True, False])
def test_a_server_that_dies_in_the_middle_leaves_nothing_behind(postgres_database, cut_connections, hot):
    with pytest.raises(DatabaseUnavailable), postgres_database.transaction() as connection:
        put(connection, "a")
        cut_connections()
        put(connection, "b") if hot else connection.execute(sa.text("SELECT 1"))
    assert kept(postgres_database) == []


def test_a_server_that_dies_before_the_commit_is_told_as_unavailable(postgres_database, cut_connections):
    with pytest.raises(DatabaseUnavailable), postgres_database.transaction() as connection:
        put(connection, "a")
        cut_connections()
    assert kept(postgres_database) == []


@pytest.mark.parametrize(
    ("begin", "then"),
    [
        ("SET LOCAL statement_timeout = 20", "SELECT pg_sleep(5)"),
        ("SET TRANSACTION READ ONLY", "DELETE FROM ephemeral"),  # what a standby says after a failover
        ("SET LOCAL idle_in_transaction_session_timeout = 20", None),
    ],
)
def test_what_postgresql_cuts_off_is_unavailable_and_no_fault(postgres_database, begin, then):
    with pytest.raises(DatabaseUnavailable), postgres_database.transaction() as connection:
        connection.execute(sa.text(begin))
        if then is None:
            _wait_until_cut(connection)
        connection.execute(sa.text(then or "SELECT 1"))
    postgres_database.ping()


def test_an_error_s_text_does_not_hold_what_was_being_stored(database):
    values = {"key": "k", "value": b"canary-value", "count": 1, "expires_at": 0}
    with pytest.raises(sa.exc.IntegrityError) as fault, database.transaction() as connection:
        for _ in range(2):
            connection.execute(ephemeral.insert().values(values))
    assert "canary-value" not in str(fault.value)


# ── Durable ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_postgresql_with_its_defaults_is_durable_enough(postgres_database):
    postgres_database.require_durable()


@pytest.mark.parametrize("level", ["DATABASE {} SET", "ROLE ecard IN DATABASE {} SET"])
def test_a_database_that_does_not_wait_for_the_disk_is_refused(fresh_postgres_url, postgres_server, level):
    name = sql.Identifier(fresh_postgres_url.rpartition("/")[2])
    postgres_server.execute(sql.SQL(f"ALTER {level} synchronous_commit = off").format(name))
    _assert_refused(fresh_postgres_url, "synchronous_commit")


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_may_forget_what_it_acknowledged_is_refused(postgres_url, postgres_server, setting):
    with _turned_off(postgres_server, setting):
        _assert_refused(postgres_url, setting)


def test_the_embedded_database_is_durable_by_itself(sqlite_url):
    embedded = Database(sqlite_url)
    embedded.require_durable()
    with embedded.transaction() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }
        assert found == {"journal_mode": "wal", "synchronous": 2}  # 2 is FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    embedded.close()


def _assert_refused(url: str, setting: str) -> None:
    unsafe = Database(url)
    with pytest.raises(UnsafeSettings, match=setting):
        unsafe.require_durable()
    unsafe.close()


@contextlib.contextmanager
def _turned_off(server: PostgresServer, setting: str) -> Iterator[None]:
    name = sql.Identifier(setting)
    server.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(name))
    _reload(server, setting, "off")
    try:
        yield
    finally:
        server.execute(sql.SQL("ALTER SYSTEM RESET {}").format(name))
        _reload(server, setting, "on")


def _reload(server: PostgresServer, setting: str, expected: str) -> None:
    server.execute(sql.SQL("SELECT pg_reload_conf()"))
    engine = sa.create_engine(server.url("postgres"), poolclass=sa.NullPool)
    for _ in range(500):
        with engine.connect() as connection:
            if connection.execute(sa.text(f"SHOW {setting}")).scalar() == expected:
                return
        time.sleep(0.01)
    raise AssertionError(f"{setting} did not become {expected}")


def _wait_until_cut(connection: sa.Connection) -> None:
    """Idle until the server says its last word."""
    readable, _, _ = select.select([connection.connection.driver_connection], [], [], 10)
    assert readable
