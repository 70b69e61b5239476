"""News of what happened, written in the transaction that made it happen and told afterwards by the worker."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.clock import from_millis, to_millis
from core.database import Json, Millis, RowNumber, Statement, metadata
from core.ids import new_id

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("kind", sa.String(60), nullable=False),
    sa.Column("card", sa.String(40), nullable=True),
    sa.Column("content", Json, nullable=False),
    sa.Column("happened_at", Millis, nullable=False),
    sa.Column("told_at", Millis, nullable=True),
)
_WAITING = outbox.c.told_at.is_(None)
sa.Index("ix_outbox_waiting", outbox.c.number, postgresql_where=_WAITING, sqlite_where=_WAITING)

RECORD = Statement(
    "INSERT INTO outbox (id, kind, card, content, happened_at)"
    " VALUES (:event_id, :event_kind, :event_card, :event_content::json, :event_at)"
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: ids and codes only, never personal data."""

    id: str
    kind: str
    card: str | None
    content: dict[str, Any]
    happened_at: datetime


def record_event(connection: Connection, kind: str, *, card: str | None, content: dict[str, Any], at: datetime) -> str:
    """Record an event in the running transaction and return its id; it is told only if that commits."""
    event_id = new_id("evt")
    connection.execute(
        outbox.insert().values(id=event_id, kind=kind, card=card, content=content, happened_at=to_millis(at))
    )
    return event_id


def is_waiting(connection: Connection, *, before: datetime) -> bool:
    """Tell whether something that happened before a moment has not been told yet."""
    untold = sa.select(outbox.c.number).where(outbox.c.told_at.is_(None), outbox.c.happened_at < to_millis(before))
    return connection.execute(untold.limit(1)).first() is not None


def claim_events(connection: Connection, *, at: datetime, most: int = 100) -> list[Event]:
    """Take the oldest untold events and mark them told in the running transaction.

    Workers beside each other skip what another one holds; a crash before commit gives all of them back.
    """
    waiting = (
        sa.select(outbox)
        .where(outbox.c.told_at.is_(None))
        .order_by(outbox.c.number)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(waiting).all()
    numbers = [row.number for row in rows]
    if numbers:
        connection.execute(outbox.update().where(outbox.c.number.in_(numbers)).values(told_at=to_millis(at)))
    return [Event(row.id, row.kind, row.card, row.content, from_millis(row.happened_at)) for row in rows]
