"""Files of statements in the database, in parts of so many lines; seen only when the last one is there."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.database import Database
from qr.models import statement_files, statement_parts
from qr.statements.owner import Owner

PART_LINES = 20_000
"""2 to 4 MB: an answer is signed as a whole, and a part is written in one transaction."""
_AT_ONCE = 5
"""How many parts are deleted in one transaction: SQLite's other writers wait for it."""


class PartWriter:
    """Takes a file as whole lines and stores it in parts; ``store`` is given the number, from 1, and the bytes."""

    def __init__(self, store: Callable[[int, bytes], None]) -> None:
        self._store = store
        self._lines: list[bytes] = []
        self.count = 0

    def write(self, piece: bytes) -> None:
        """Take the next lines."""
        self._lines += piece.splitlines(keepends=True)
        while len(self._lines) >= PART_LINES:
            self._end_part(PART_LINES)

    def close(self) -> None:
        """Store what is left."""
        if self._lines:
            self._end_part(len(self._lines))

    def _end_part(self, lines: int) -> None:
        part, self._lines = self._lines[:lines], self._lines[lines:]
        self.count += 1
        self._store(self.count, b"".join(part))


def store_part(connection: Connection, owner: Owner, day: date, part: int, content: bytes) -> None:
    """Store a part of a file that nobody sees yet."""
    values = {"day": day.isoformat(), "owner": owner.id, "part": part, "content": content}
    connection.execute(statement_parts.insert().values(values))


def show_file(connection: Connection, owner: Owner, day: date, parts: int) -> None:
    """Let a file be seen; all of its parts are stored."""
    connection.execute(statement_files.insert().values(day=day.isoformat(), owner=owner.id, parts=parts))


def find_file(connection: Connection, owner: Owner, day: date) -> int | None:
    """Tell how many parts a file has, None where there is none."""
    query = sa.select(statement_files.c.parts).where(*_of(statement_files, owner, day))
    return connection.execute(query).scalar()


def get_part(connection: Connection, owner: Owner, day: date, part: int) -> bytes:
    """Give a part of a file that is there."""
    query = sa.select(statement_parts.c.content).where(*_of(statement_parts, owner, day))
    return bytes(connection.execute(query.where(statement_parts.c.part == part)).scalar_one())


def read_parts(database: Database, owner: Owner, day: date, parts: int) -> Iterator[bytes]:
    """Give all parts of a file, each read in a transaction of its own."""
    for part in range(1, parts + 1):
        with database.transaction() as connection:
            content = get_part(connection, owner, day, part)
        yield content


def drop_parts(connection: Connection, owner: Owner, day: date) -> bool:
    """Delete some parts that nobody sees, and tell whether there may be more of them."""
    return _delete_some(connection, *_of(statement_parts, owner, day))


def forget_files(connection: Connection, before: date) -> bool:
    """Forget files of days before one, some parts at a time; tell whether there may be more. The worker calls this."""
    connection.execute(statement_files.delete().where(statement_files.c.day < before.isoformat()))
    return _delete_some(connection, statement_parts.c.day < before.isoformat())


def _delete_some(connection: Connection, *conditions: sa.ColumnElement[bool]) -> bool:
    table = statement_parts.c
    key = sa.tuple_(table.day, table.owner, table.part)
    some = sa.select(table.day, table.owner, table.part).where(*conditions).limit(_AT_ONCE)
    return connection.execute(statement_parts.delete().where(key.in_(some))).rowcount == _AT_ONCE


def _of(table: sa.Table, owner: Owner, day: date) -> tuple[Any, ...]:
    return table.c.day == day.isoformat(), table.c.owner == owner.id
