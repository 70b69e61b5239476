"""Compare two statements in a temporary database on disk, so that memory stays flat whatever their size and order."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from qr.statements.errors import StatementOfAnother, StatementRowTwice, StatementUnreadable
from qr.statements.reading import Record, StatementFile

Kind = Literal["ours_only", "theirs_only", "differing"]
Progress = Callable[[int], None]
"""Told how many rows of both files were read so far."""

_SEPARATOR = "\x1f"  # the reader lets no such character through
_TOLD = 10_000  # rows
_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -32768", "temp_store = FILE")
_DIFFERING = (
    "SELECT ours.id, ours.cells, theirs.cells FROM ours JOIN theirs USING (id)"
    " WHERE ours.cells <> theirs.cells ORDER BY ours.id"
)
_ALONE = {
    "ours_only": "SELECT id FROM ours WHERE id NOT IN (SELECT id FROM theirs) ORDER BY id",
    "theirs_only": "SELECT id FROM theirs WHERE id NOT IN (SELECT id FROM ours) ORDER BY id",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that only one side has, or one column in which the sides differ."""

    kind: Kind
    id: str
    column: str = ""
    ours: str = ""
    theirs: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """How many rows each side has, and how many of them are what; a row that differs counts once."""

    ours: int
    theirs: int
    ours_only: int
    theirs_only: int
    differing: int

    @property
    def is_equal(self) -> bool:
        return not (self.ours_only or self.theirs_only or self.differing)


def compare(
    ours: StatementFile, theirs: StatementFile, tell: Callable[[Difference], None], on_progress: Progress
) -> Totals:
    """Tell every difference, ordered by kind and id, in the columns that both files have.

    Raises StatementOfAnother, and what reading raises: a file with a fault is compared with nothing.
    """
    if (ours.head.owner, ours.head.day) != (theirs.head.owner, theirs.head.day):
        raise StatementOfAnother(f"{theirs.head.owner.id} {theirs.head.day.isoformat()}")
    columns = shared_columns(ours, theirs)
    with closing(sqlite3.connect("", isolation_level=None)) as database:  # a file without a name, gone when closed
        for pragma in _PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
        counted = [
            _load(database, table, file, columns, on_progress) for table, file in (("ours", ours), ("theirs", theirs))
        ]
        found = {"ours_only": 0, "theirs_only": 0, "differing": 0}
        for differences in _differences(database, columns):
            found[differences[0].kind] += 1
            for difference in differences:
                tell(difference)
    return Totals(*counted, **found)


def shared_columns(ours: StatementFile, theirs: StatementFile) -> tuple[str, ...]:
    """Name the columns that are compared."""
    return tuple(name for name in ours.columns if name in theirs.columns)


def _load(
    database: sqlite3.Connection, table: str, file: StatementFile, columns: tuple[str, ...], on_progress: Progress
) -> int:
    database.execute(f"CREATE TABLE {table} (id TEXT PRIMARY KEY, cells TEXT NOT NULL) WITHOUT ROWID")
    reading = _Reading(file, columns, on_progress)
    database.execute("BEGIN")
    try:
        database.executemany(f"INSERT INTO {table} VALUES (?, ?)", reading.rows())  # noqa: S608 - our own two names
    except sqlite3.IntegrityError:
        raise _noted(StatementRowTwice(reading.last.id, reading.last.line), table) from None
    except StatementUnreadable as fault:
        raise _noted(fault, table) from None
    database.execute("COMMIT")
    return file.head.count


def _noted(fault: StatementUnreadable, side: str) -> StatementUnreadable:
    """Note which of the two files the line is in."""
    fault.add_note(side)
    return fault


class _Reading:
    """The rows of one file on their way into the database; remembers the last, which is the one that was refused."""

    def __init__(self, file: StatementFile, columns: tuple[str, ...], on_progress: Progress) -> None:
        self._file = file
        self._places = tuple(file.columns.index(name) for name in columns)
        self._on_progress = on_progress
        self.last = Record(0, "", ())

    def rows(self) -> Iterator[tuple[str, str]]:
        for count, record in enumerate(self._file.records(), 1):
            self.last = record
            if count % _TOLD == 0:
                self._on_progress(_TOLD)
            yield record.id, _SEPARATOR.join(record.values[place] for place in self._places)


def _differences(database: sqlite3.Connection, columns: tuple[str, ...]) -> Iterator[list[Difference]]:
    """Give the differences row by row."""
    kind: Kind
    for kind in ("ours_only", "theirs_only"):
        for (found,) in database.execute(_ALONE[kind]):
            yield [Difference(kind, found)]
    for found, ours, theirs in database.execute(_DIFFERING):
        pairs = zip(columns, ours.split(_SEPARATOR), theirs.split(_SEPARATOR), strict=True)
        yield [Difference("differing", found, name, our, their) for name, our, their in pairs if our != their]
