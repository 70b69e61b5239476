"""What was recorded for one owner on one day, page by page in a fixed order: by table, time and the bytes of the id."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.clock import from_millis, to_text
from core.database import Database
from qr.models import carriage_records, redemptions
from qr.statements.business_day import BusinessDay
from qr.statements.owner import Owner, OwnerKind

PAGE = 5000
TAKEN = "code.redeemed"
"""The kind of a channel's row for a code of its app that was taken, as the news has it."""
Cells = tuple[str, ...]
Name = Callable[[str], str]
"""Name a card as the channel knows it."""


@dataclass(frozen=True)
class _Source:
    """One table of which a statement is made, and how one of its rows is written."""

    table: sa.Table
    owner: str
    columns: tuple[str, ...]
    cells: Callable[[sa.Row[Any], Name], Cells]


def count_records(database: Database, owner: Owner, span: BusinessDay) -> int:
    """Count what the statement will hold."""
    count = 0
    with database.transaction() as connection:
        for source in _SOURCES[owner.kind]:
            counting = sa.select(sa.func.count()).select_from(source.table)
            count += connection.execute(counting.where(*_of_day(source, owner, span.begin, span.end))).scalar_one()
    return count


def read_pages(database: Database, owner: Owner, span: BusinessDay, name: Name) -> Iterator[list[Cells]]:
    """Read the rows table by table, each by (recorded_at, id), each page in a transaction of its own.

    No transaction lasts as long as the whole: SQLite has one writer, and PostgreSQL ends those that idle. Nothing is
    missed between pages, because the day is closed.
    """
    for source in _SOURCES[owner.kind]:
        for rows in _read_rows(database, source, owner, span):
            yield [source.cells(row, name) for row in rows]


def _read_rows(database: Database, source: _Source, owner: Owner, span: BusinessDay) -> Iterator[Sequence[sa.Row[Any]]]:
    after, after_id = span.begin, ""
    while True:
        with database.transaction() as connection:
            rows = _read_page(connection, source, owner, after, after_id, span.end)
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        after, after_id = rows[-1].recorded_at, rows[-1].id


def _read_page(
    connection: Connection, source: _Source, owner: Owner, after: int, after_id: str, end: int
) -> Sequence[sa.Row[Any]]:
    table = source.table.c
    # by bytes on both engines: a server's locale must not change the order
    by_id = table.id.collate("C" if connection.dialect.name == "postgresql" else "BINARY")
    beyond = sa.or_(table.recorded_at > after, by_id > after_id)
    read = sa.select(*(table[name] for name in source.columns))
    page = read.where(*_of_day(source, owner, after, end), beyond)
    return connection.execute(page.order_by(table.recorded_at, by_id).limit(PAGE)).all()


def _of_day(source: _Source, owner: Owner, begin: int, end: int) -> Sequence[sa.ColumnElement[bool]]:
    recorded_at = source.table.c.recorded_at
    return source.table.c[source.owner] == owner.id, recorded_at >= begin, recorded_at < end


def _institution_cells(row: sa.Row[Any], _name: Name) -> Cells:
    """Take what the institution was told when it redeemed, and nothing beyond it.

    The key of an offline record is ours, not the caller's, so it is left out.
    """
    return (
        row.id,
        _time(row.recorded_at),
        _time(row.redeemed_at),
        row.terminal,
        row.purpose,
        row.mode,
        row.idempotency_key if row.mode == "online" else "",
        row.entitlement.get("pseudonym", ""),
    )


def _taken_cells(row: sa.Row[Any], name: Name) -> Cells:
    """Take what the channel was told when its code was taken, and by which name it knows the card."""
    return (row.id, TAKEN, _time(row.recorded_at), _time(row.redeemed_at), row.mode, name(row.card))


def _carried_cells(row: sa.Row[Any], name: Name) -> Cells:
    """Take what the channel was told of a card that it carries; the id is that of the news."""
    recorded_at = _time(row.recorded_at)
    return (row.id, row.kind, recorded_at, recorded_at, row.result, name(row.card))


def _time(millis: int) -> str:
    return to_text(from_millis(millis))


_AT_TERMINALS = ("terminal", "purpose", "mode", "idempotency_key", "entitlement")
_SOURCES: Mapping[OwnerKind, tuple[_Source, ...]] = {
    "institution": (
        _Source(redemptions, "institution", ("id", "recorded_at", "redeemed_at", *_AT_TERMINALS), _institution_cells),
    ),
    "channel": (
        _Source(redemptions, "channel", ("id", "recorded_at", "redeemed_at", "mode", "card"), _taken_cells),
        _Source(carriage_records, "channel", ("id", "recorded_at", "kind", "result", "card"), _carried_cells),
    ),
}
