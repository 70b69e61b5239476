"""What was signed of a day: kept with the first signature, and the same ever after."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.parties import require_institution
from core.clock import from_millis, to_millis
from core.database import insert_if_new
from core.outbox import is_waiting
from qr.models import statements
from qr.statements.business_day import BusinessDay, require_closed
from qr.statements.desk import StatementDesk
from qr.statements.errors import StatementChanged, StatementNotReady
from qr.statements.owner import Owner

SOON = 60
"""Seconds after which it is worth asking again for what the worker has not made yet."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed: ``sm3`` of the whole file, its signature's file, the sector in which its cards are named."""

    count: int
    sm3: str
    signature: str
    sector: str | None


@dataclass(frozen=True, slots=True)
class Basis:
    """What a day's statement is made of; ``signed`` is None for a day that was not signed before."""

    span: BusinessDay
    sector: str | None
    signed: Signed | None


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: ``sm3`` of the whole file, ``sector`` in which its cards are named."""

    count: int
    sm3: str
    sector: str | None


def find_basis(desk: StatementDesk, owner: Owner, day: date) -> Basis:
    """Look whose it is, whether the day is closed, and how it was made before.

    A day that was signed keeps its names: the channel may have another client in another sector by now.
    Raises DayNotClosed, Missing, StatementNotReady.
    """
    with desk.ground.database.transaction() as connection:
        sector = None
        if owner.kind == "institution":
            require_institution(connection, owner.id)
        else:
            sector = desk.sector_of(connection, owner.id)
        signed = find_signed(connection, owner, day)
        span = require_closed(day, desk.ground.clock())
        if owner.kind == "channel":
            _require_told(connection, span)
    return Basis(span, sector if signed is None else signed.sector, signed)


def find_signed(connection: Connection, owner: Owner, day: date) -> Signed | None:
    """Find what was signed of a day."""
    mine = statements.c.owner == owner.id, statements.c.day == day.isoformat()
    row: Any = connection.execute(sa.select(statements).where(*mine)).one_or_none()
    return None if row is None else Signed(row.row_count, row.sm3, row.signature, row.sector)


def keep_signed(
    desk: StatementDesk, connection: Connection, owner: Owner, day: date, written: Written, signature: str, actor: str
) -> Signed:
    """Keep the signature unless one was kept before, and give the one that counts: SM2 draws a nonce each time.

    Raises StatementChanged where another file was signed before.
    """
    now, said = desk.ground.clock(), {"day": day.isoformat(), "rows": written.count, "sm3": written.sm3}
    values = {
        "owner": owner.id,
        "day": day.isoformat(),
        "row_count": written.count,
        "sm3": written.sm3,
        "sector": written.sector,
        "signature": signature,
        "made_at": to_millis(now),
    }
    if insert_if_new(connection, statements, values):
        act = "statement.signed"
        desk.ground.audit.record(connection, actor=actor, act=act, subject=owner.id, detail=said, at=now)
    kept = find_signed(connection, owner, day)
    require_unchanged(kept, owner, day, written.sm3)
    assert kept is not None
    return kept


def require_unchanged(signed: Signed | None, owner: Owner, day: date, sm3: str) -> None:
    """Raise StatementChanged unless this is the file that was signed."""
    if signed is None or signed.sm3 != sm3:
        raise StatementChanged(f"{owner.id} {day.isoformat()}")


def _require_told(connection: Connection, span: BusinessDay) -> None:
    """Wait until all that happened on the day is in the book of carriages: the worker enters it as it tells it."""
    if is_waiting(connection, before=from_millis(span.end)):
        raise StatementNotReady("something of that day is still being told", retry_after=SOON)
