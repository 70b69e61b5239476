import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from core.audit import GENESIS, AuditTrail, audit_entries
from core.database import Database
from core.errors import Refusal
from web.schema import migrate

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def write(database: Database, trail: AuditTrail, count: int, act: str = "card.issued") -> None:
    with database.transaction() as connection:
        for number in range(count):
            trail.record(connection, actor="dev_1", act=act, subject=f"crd_{number}", detail={"n": number}, at=NOW)


def seal(database: Database, trail: AuditTrail, **more: Any) -> tuple[int, int, str]:
    with database.transaction() as connection:
        return trail.seal(connection, **more)


def check(database: Database, trail: AuditTrail, **more: Any) -> Any:
    with database.transaction() as connection:
        return trail.check(connection, **more)


# ── Writing and sealing ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_entry_stands_or_falls_with_what_it_tells_of(database, trail):
    with pytest.raises(Refusal), database.transaction() as connection:
        trail.record(connection, actor="a", act="b", subject=None, detail={}, at=NOW)
        raise Refusal
    assert check(database, trail).unsealed == 0


def test_entries_are_whole_before_and_after_they_are_sealed(database, trail):
    write(database, trail, 3)
    before = check(database, trail)
    assert (before.sealed, before.unsealed, before.head, before.faults) == (0, 3, GENESIS, [])
    count, sequence, head = seal(database, trail)
    after = check(database, trail, expected_head=(sequence, head))
    assert (count, sequence) == (3, 3)
    assert (after.sealed, after.unsealed, after.head, after.faults) == (3, 0, head, [])


def test_sealing_goes_on_where_it_stopped(database, trail):
    write(database, trail, 5)
    heads = [seal(database, trail, most=2) for _ in range(4)]
    assert [(count, sequence) for count, sequence, _ in heads] == [(2, 2), (2, 4), (1, 5), (0, 5)]
    assert heads[3][2] == heads[2][2]
    for _, sequence, head in heads:
        assert check(database, trail, expected_head=(sequence, head)).faults == []


def test_entries_of_an_hour_ago_still_check_after_more_were_added(database, trail):
    write(database, trail, 2)
    _, sequence, head = seal(database, trail)
    write(database, trail, 2)
    seal(database, trail)
    assert check(database, trail, expected_head=(sequence, head)).faults == []


def test_another_key_finds_every_entry_changed(database, trail):
    write(database, trail, 3)
    seal(database, trail)
    assert [fault.what for fault in check(database, AuditTrail(b"another key".ljust(32))).faults] == ["changed"] * 3


def test_the_key_never_stands_in_repr(trail):
    assert repr(trail) == "AuditTrail(key=…)"


def test_text_of_any_language_is_chained_as_it_is(database, trail):
    with database.transaction() as connection:
        trail.record(connection, actor="示范", act="样𠮷", subject="a|b", detail={"引": '"\\\n'}, at=NOW)
    seal(database, trail)
    assert check(database, trail).faults == []


def test_the_head_can_be_asked_for(database, trail):
    with database.transaction() as connection:
        assert trail.head(connection) == (0, GENESIS)
    write(database, trail, 1)
    _, sequence, head = seal(database, trail)
    with database.transaction() as connection:
        assert trail.head(connection) == (sequence, head)


def test_two_sealers_at_once_make_one_chain(database_url, database, trail):
    pooled = Database(database_url, pool_size=4)
    begin = threading.Barrier(4)

    def work(_number: int) -> None:
        begin.wait()
        for _ in range(10):
            write(pooled, trail, 3)
            seal(pooled, trail, most=5)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    while seal(pooled, trail)[0]:
        pass
    pooled.close()
    report = check(database, trail)
    assert (report.sealed, report.unsealed, report.faults) == (120, 0, [])


# ── Append-only ──────────────────────────────────────────────────────────────────────────────────────────────────

HOSTILE = [
    "UPDATE audit_entries SET detail = '{}'",
    "UPDATE audit_entries SET actor = 'somebody else'",
    "UPDATE audit_entries SET subject = NULL",
    "UPDATE audit_entries SET mac = 'f'",
    "UPDATE audit_entries SET happened_at = 0",
    "UPDATE audit_entries SET id = 'aud_other'",
    "UPDATE audit_entries SET number = 77",
    "UPDATE audit_entries SET sequence = 9, link = 'f', act = 'nothing'",
    "DELETE FROM audit_entries",
    "DELETE FROM audit_entries WHERE number = (SELECT min(number) FROM audit_entries)",
]


@pytest.mark.parametrize("statement", HOSTILE)
@pytest.mark.parametrize("sealed", [True, False])
def test_an_entry_is_neither_changed_nor_removed(database, trail, statement, sealed):
    write(database, trail, 1)
    if sealed:
        seal(database, trail)
    before = _rows(database)
    _assert_forbidden(database, statement)
    assert _rows(database) == before


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET sequence = NULL, link = NULL", "UPDATE audit_entries SET link = 'f'"]
)
def test_a_sealed_entry_is_never_sealed_again(database, trail, statement):
    write(database, trail, 1)
    seal(database, trail)
    _assert_forbidden(database, statement)


def test_postgresql_does_not_empty_the_table_either(postgres_database, trail):
    write(postgres_database, trail, 1)
    for statement in ("TRUNCATE audit_entries", "TRUNCATE audit_entries, outbox CASCADE"):
        _assert_forbidden(postgres_database, statement)
    assert check(postgres_database, trail).unsealed == 1


@pytest.mark.parametrize("key", ["number", "id", "sequence"])
def test_sqlite_does_not_replace_an_entry_through_an_insert(sqlite_url, trail, key):
    database = Database(sqlite_url)
    migrate(database)
    write(database, trail, 1)
    seal(database, trail)
    columns = ("number", "id", "happened_at", "actor", "act", "detail", "mac", "sequence", "link")
    fresh = {"number": "99", "id": "'aud_x'", "sequence": "99"}
    given = ", ".join(column if column == key else fresh.get(column, "'1'") for column in columns)
    replace = f"INSERT OR REPLACE INTO audit_entries ({', '.join(columns)}) SELECT {given} FROM audit_entries"
    _assert_forbidden(database, replace)
    assert check(database, trail).faults == []
    database.close()


def _rows(database: Database) -> list[Any]:
    with database.transaction() as connection:
        return list(connection.execute(sa.select(audit_entries)).all())


def _assert_forbidden(database: Database, statement: str) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="only grow"), database.transaction() as connection:
        connection.execute(sa.text(statement))


# ── No answer without an entry ───────────────────────────────────────────────────────────────────────────────────


def test_an_entry_that_cannot_be_written_takes_the_change_with_it(database, trail):
    with pytest.raises(Exception, match="disk full"), database.transaction() as connection:
        connection.execute(sa.text("INSERT INTO ephemeral (key, value, expires_at) VALUES ('changed', '', 0)"))
        _fill_the_disk(connection)
        trail.record(connection, actor="a", act="b", subject=None, detail={}, at=NOW)
    with database.transaction() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM ephemeral")).scalar_one() == 0


def test_detail_that_is_no_json_is_a_fault_and_writes_nothing(database, trail):
    with pytest.raises(TypeError), database.transaction() as connection:
        trail.record(connection, actor="a", act="b", subject=None, detail={"at": NOW}, at=NOW)
    assert _rows(database) == []


def test_an_entry_s_detail_is_json_in_one_spelling(trail):
    values = trail.values(actor="a", act="b", subject=None, detail={"b": 1, "a": "文"}, at=NOW)
    assert values["audit_detail"] == '{"a":"文","b":1}'
    assert json.loads(values["audit_detail"]) == {"a": "文", "b": 1}


def _fill_the_disk(connection: sa.Connection) -> None:
    """Let no entry in until the transaction ends, as a full disk would."""
    if connection.dialect.name == "postgresql":
        raising = "BEGIN RAISE EXCEPTION 'disk full'; END"
        connection.exec_driver_sql(f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ {raising} $$")
        connection.exec_driver_sql(
            "CREATE TRIGGER full_disk BEFORE INSERT ON audit_entries EXECUTE FUNCTION full_disk()"
        )
    else:
        raising = "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        connection.exec_driver_sql(f"CREATE TRIGGER full_disk BEFORE INSERT ON audit_entries {raising}")
