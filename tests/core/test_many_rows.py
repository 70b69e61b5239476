"""Many rows by one statement are the rows that single inserts would have written, on both databases."""

import json

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import Database
from core.many_rows import ManyRows

TABLE = sa.Table(
    "many",
    sa.MetaData(),
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("what", sa.String(200), nullable=True),
    sa.Column("content", sa.JSON(), nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
)
NAMES = ("name", "what", "content", "count")
NEW = ManyRows(TABLE, NAMES, "ON CONFLICT DO NOTHING RETURNING name")
RAISED = ManyRows(
    TABLE, NAMES, "ON CONFLICT (name) DO UPDATE SET count = many.count + excluded.count RETURNING name, count"
)
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)
CONTENTS = st.dictionaries(TEXTS, TEXTS | st.none() | st.booleans() | st.integers(-(2**53), 2**53), max_size=3)


@pytest.fixture
def database(database_url):
    opened = Database(database_url)
    with opened.transaction() as connection:
        TABLE.create(connection)
    yield opened
    with opened.transaction() as connection:
        TABLE.drop(connection)
    opened.close()


def row(name: str, what: str | None = None, content: object = None, count: int = 1) -> dict[str, object]:
    return {"name": name, "what": what, "content": content or {}, "count": count}


def rows_of(database: Database) -> list[tuple[object, ...]]:
    with database.transaction() as connection:
        found = connection.execute(sa.select(TABLE).order_by(TABLE.c.number)).all()
    return [(one.name, one.what, one.content, one.count) for one in found]


def test_rows_stand_in_the_order_in_which_they_were_handed_over(database):
    names = [f"{number * 7919 % 500:03}" for number in range(500)]
    with database.transaction() as connection:
        returned = NEW.write(connection, [row(name) for name in names])
    assert [name for (name,) in returned] == names
    assert [name for name, *_ in rows_of(database)] == names


def test_what_is_there_already_stays_as_it_is(database):
    with database.transaction() as connection:
        NEW.write(connection, [row("a", count=1)])
        assert NEW.write(connection, [row("a", count=9), row("b", count=2)]) == [("b",)]
    assert [(name, count) for name, _, _, count in rows_of(database)] == [("a", 1), ("b", 2)]


def test_counts_are_raised_and_told(database):
    with database.transaction() as connection:
        RAISED.write(connection, [row("a", count=5)])
        assert sorted(RAISED.write(connection, [row("a", count=3), row("b", count=2)])) == [("a", 8), ("b", 2)]


def test_no_rows_are_no_statement(database):
    with database.transaction() as connection:
        assert NEW.write(connection, []) == []


def test_a_transaction_that_fails_writes_none_of_them(database):
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        NEW.write(connection, [row("a"), row("b")])
        _ = 1 // 0
    assert rows_of(database) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, TEXTS | st.none(), CONTENTS, st.integers(-(2**62), 2**62)), max_size=5))
def test_every_value_comes_back_as_single_inserts_write_it(database, given_rows):
    rows = [row(f"{number}{name}", *rest) for number, (name, *rest) in enumerate(given_rows)]
    with database.transaction() as connection:
        connection.execute(TABLE.delete())
        NEW.write(connection, rows)
    together = rows_of(database)
    with database.transaction() as connection:
        connection.execute(TABLE.delete())
        for one in rows:
            connection.execute(TABLE.insert().values(one))
    assert json.dumps(together) == json.dumps(rows_of(database))
