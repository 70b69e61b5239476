"""The redemptions of one owner and day, page by page in a fixed order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.clock import from_millis, to_text
from core.database import Database
from qr.models import redemptions
from qr.statements.business_day import BusinessDay
from qr.statements.owner import Owner, OwnerKind

PAGE = 5000
Cells = tuple[str, ...]
Name = Callable[[str], str]
"""Name a card as the channel knows it."""
_OWNED: Mapping[OwnerKind, sa.Column[Any]] = {
    "institution": redemptions.c.institution,
    "channel": redemptions.c.channel,
}
_READ = (
    redemptions.c.id,
    redemptions.c.recorded_at,
    redemptions.c.redeemed_at,
    redemptions.c.terminal,
    redemptions.c.purpose,
    redemptions.c.mode,
    redemptions.c.idempotency_key,
    redemptions.c.entitlement,
    redemptions.c.card,
)


def count_records(database: Database, owner: Owner, span: BusinessDay) -> int:
    """Count what the statement will hold."""
    counting = sa.select(sa.func.count()).select_from(redemptions).where(*_of_day(owner, span.begin, span.end))
    with database.transaction() as connection:
        count: int = connection.execute(counting).scalar_one()
    return count


def read_pages(database: Database, owner: Owner, span: BusinessDay, name: Name) -> Iterator[list[Cells]]:
    """Read the rows by (recorded_at, id), each page in a transaction of its own.

    No transaction lasts as long as the whole: SQLite has one writer, and PostgreSQL ends those that idle. Nothing is
    missed between pages, because the day is closed.
    """
    cells: Callable[[sa.Row[Any]], Cells] = _institution_cells if owner.kind == "institution" else _channel_cells(name)
    after, after_id = span.begin, ""
    while True:
        with database.transaction() as connection:
            rows = _read_page(connection, owner, after, after_id, span.end)
        if rows:
            yield [cells(row) for row in rows]
        if len(rows) < PAGE:
            return
        after, after_id = rows[-1].recorded_at, rows[-1].id


def _read_page(connection: Connection, owner: Owner, after: int, after_id: str, end: int) -> Sequence[sa.Row[Any]]:
    # by bytes on both engines: a server's locale must not change the order
    by_id = redemptions.c.id.collate("C" if connection.dialect.name == "postgresql" else "BINARY")
    beyond = sa.or_(redemptions.c.recorded_at > after, by_id > after_id)
    page: sa.Select[Any] = sa.select(*_READ).where(*_of_day(owner, after, end), beyond)
    return connection.execute(page.order_by(redemptions.c.recorded_at, by_id).limit(PAGE)).all()


def _of_day(owner: Owner, begin: int, end: int) -> Sequence[sa.ColumnElement[bool]]:
    recorded_at = redemptions.c.recorded_at
    return _OWNED[owner.kind] == owner.id, recorded_at >= begin, recorded_at < end


def _institution_cells(row: sa.Row[Any]) -> Cells:
    """Take what the institution was told when it redeemed, and nothing beyond it.

    The key of an offline record is ours, not the caller's, so it is left out.
    """
    return (
        row.id,
        to_text(from_millis(row.recorded_at)),
        to_text(from_millis(row.redeemed_at)),
        row.terminal,
        row.purpose,
        row.mode,
        row.idempotency_key if row.mode == "online" else "",
        row.entitlement.get("pseudonym", ""),
    )


def _channel_cells(name: Name) -> Callable[[sa.Row[Any]], Cells]:
    """Take what the channel was told when its code was taken, and by which name it knows the card."""

    def cells(row: sa.Row[Any]) -> Cells:
        return (
            row.id,
            to_text(from_millis(row.recorded_at)),
            to_text(from_millis(row.redeemed_at)),
            row.mode,
            name(row.card),
        )

    return cells
