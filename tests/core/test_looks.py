"""Single statements on connections of their own: `Database.look`."""

import threading

import pytest

from core.database import Database, DatabaseUnavailable, Statement, Together

ONE = Statement("SELECT 1 WHERE :wanted = 1")


@pytest.fixture
def database(database_url):
    opened = Database(database_url)
    yield opened
    opened.close()


def test_a_look_reads_what_is_committed(database):
    assert database.look(ONE, {"wanted": 1}) == [(1,)]
    assert database.look(ONE, {"wanted": 2}) == []


def test_a_look_inside_a_transaction_sees_what_that_has_written(database):
    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE seen (a integer)")
        connection.exec_driver_sql("INSERT INTO seen VALUES (7)")
        assert database.look(Statement("SELECT a FROM seen WHERE a = :a"), {"a": 7}) == [(7,)]


def test_looks_of_many_threads_do_not_meet(database):
    found = []
    threads = [threading.Thread(target=lambda: found.append(database.look(ONE, {"wanted": 1}))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[(1,)]] * 16


def test_a_look_cannot_write_on_postgresql(postgres_url):
    database = Database(postgres_url)
    try:
        with pytest.raises(DatabaseUnavailable):
            database.look(Statement("CREATE TABLE forbidden (a integer)"), {})
    finally:
        database.close()


def test_a_connection_that_died_while_it_idled_is_replaced(postgres_url):
    database = Database(postgres_url)
    try:
        database.look(ONE, {"wanted": 1})
        with database.transaction() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        assert database.look(ONE, {"wanted": 1}) == [(1,)]
    finally:
        database.close()


def test_what_goes_together_is_written_only_if_the_first_has_won(database):
    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE taken (a integer UNIQUE)")
        connection.exec_driver_sql("CREATE TABLE told (b integer, c json)")
    taken = Statement("INSERT INTO taken (a) VALUES (:a) ON CONFLICT DO NOTHING RETURNING a")
    together = Together(taken, Statement("INSERT INTO told (b, c) VALUES (:b, :c::json)"))
    outcomes = []
    for _ in range(3):
        with database.transaction() as connection:
            outcomes.append(together.run(connection, {"a": 1, "b": 2, "c": '{"d": 3}'}))
    assert outcomes == [[(1,)], [], []]
    assert len(database.look(Statement("SELECT b FROM told WHERE b = :b"), {"b": 2})) == 1


# ── Notes ────────────────────────────────────────────────────────────────────────────────────────────────────────


NOTE = Statement("INSERT INTO noted (a) VALUES (:a)")
READ = Statement("SELECT a FROM noted ORDER BY a")


@pytest.fixture
def noted(database):
    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE noted (a integer)")
    yield database
    with database.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE noted")


def test_a_note_is_there_at_once_for_everybody(noted):
    noted.note(NOTE, {"a": 1})
    assert noted.look(READ, {}) == [(1,)]


def test_notes_of_many_threads_are_all_there(noted):
    threads = [threading.Thread(target=noted.note, args=(NOTE, {"a": number})) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert noted.look(READ, {}) == [(number,) for number in range(16)]


def test_a_note_that_cannot_be_written_says_so(postgres_url):
    database = Database(postgres_url)
    try:
        database.note(ONE, {"wanted": 1})
        with database.transaction() as connection:
            connection.exec_driver_sql("CREATE TABLE held (a integer)")
        with database.transaction() as connection:
            connection.exec_driver_sql("LOCK TABLE held")
            with pytest.raises(DatabaseUnavailable):  # after a second, not after the statement's ten
                database.note(Statement("INSERT INTO held (a) VALUES (:a)"), {"a": 1})
    finally:
        with database.transaction() as connection:
            connection.exec_driver_sql("DROP TABLE held")
        database.close()
