"""Statements past psycopg's cursors mean what they mean through them."""

import psycopg
import pytest
import sqlalchemy as sa

from core.database import Database, Statement

ANSWER = Statement("SELECT :number::bigint, :text::text, :raw::bytea, :document::json")


@pytest.mark.parametrize("number", [0, -1, 32767, 32768, 2**31, 2**62, None])
def test_numbers_of_every_size_come_back_as_they_went(postgres_database: Database, number: int | None):
    values = {"number": number, "text": "社保", "raw": b"\x00\xff", "document": '{"a": [1]}', "unused": 1}
    assert postgres_database.look(ANSWER, values) == [(number, "社保", b"\x00\xff", {"a": [1]})]


def test_a_statement_is_still_known_after_a_rollback(postgres_database: Database):
    one = Statement("SELECT :number::bigint")
    for number in range(3):
        with pytest.raises(ZeroDivisionError), postgres_database.transaction() as connection:
            assert one.run(connection, {"number": number}) == [(number,)]
            connection.execute(sa.text("SELECT 1")).all()
            raise ZeroDivisionError


def test_a_broken_rule_of_the_database_is_the_same_error_as_through_a_cursor(postgres_database: Database):
    add = Statement("INSERT INTO ephemeral (key, value, count, expires_at) VALUES (:key, :value, 1, 0)")
    with pytest.raises(psycopg.errors.UniqueViolation), postgres_database.transaction() as connection:
        for _ in range(2):
            assert add.run(connection, {"key": "k", "value": b""}) == []


def test_a_statement_that_cannot_be_prepared_is_not_remembered(postgres_database: Database):
    broken = Statement("SELECT nothing FROM nowhere WHERE a = :a")
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable), postgres_database.transaction() as connection:
            broken.run(connection, {"a": 1})
