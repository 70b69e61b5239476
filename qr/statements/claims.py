"""Which days are to be made, for whom, and who is making one: many workers, no double work.

A claim counts the try and lends the day for a while, longer with each part that is stored. Whoever was overtaken finds
out at the next part, or when it wants to finish, and stops.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.clock import from_millis, to_millis
from core.database import changed_one, insert_if_new
from core.outbox import is_waiting
from qr.models import statement_days, statement_files, statement_makings
from qr.statements.business_day import BusinessDay, business_day, last_closed_day
from qr.statements.desk import StatementDesk
from qr.statements.owner import Owner, OwnerKind

KEPT_DAYS = 90
"""Files of older days are forgotten; what was signed of them is not."""
LEASE = timedelta(seconds=60)
"""How long a claim counts after its last part: one part takes a second or two."""
_WAIT_AFTER_FAULT = timedelta(hours=1)
_EVER = "0000-00-00"


@dataclass(frozen=True, slots=True)
class Claim:
    """One try at one day of one owner; ``tries`` counts it, and lets nobody finish it who was overtaken."""

    owner: Owner
    day: date
    tries: int


class Overtaken(Exception):
    """Somebody else has this day by now: what this one did since is rolled back."""


# ── Plan ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def plan_day(desk: StatementDesk) -> bool:
    """Enter the next closed day for everybody who has a statement of it; False where there is none, or not yet.

    One day at a time, each once. A day waits until all that happened on it has been told.
    """
    now = desk.ground.clock()
    with desk.ground.database.transaction() as connection:
        day = _next_day(connection, now)
        if day is None or is_waiting(connection, before=_end_of(business_day(day))):
            return False
        planned = {"day": day.isoformat(), "planned_at": to_millis(now)}
        return insert_if_new(connection, statement_days, planned) and _enter_owners(desk, connection, day, now)


def find_last_planned(connection: Connection) -> str:
    """Give the last day that was entered; before the first one, what is smaller than any day."""
    return connection.execute(sa.select(sa.func.max(statement_days.c.day))).scalar() or _EVER


def oldest_kept(now: datetime) -> date:
    """Give the oldest day whose file is still kept."""
    return last_closed_day(now) - timedelta(days=KEPT_DAYS - 1)


def _next_day(connection: Connection, now: datetime) -> date | None:
    """Give the day after the last one that was entered; the first time yesterday."""
    last, newest = find_last_planned(connection), last_closed_day(now)
    if last == _EVER:
        return newest
    day = max(date.fromisoformat(last) + timedelta(days=1), oldest_kept(now))
    return day if day <= newest else None


def _enter_owners(desk: StatementDesk, connection: Connection, day: date, now: datetime) -> bool:
    owners, known = desk.owners(connection, _end_of(business_day(day))), _known(connection, day)
    waiting = {"day": day.isoformat(), "tries": 0, "next_at": to_millis(now)}
    rows = [{"owner": one.id, "kind": one.kind, **waiting} for one in owners if one.id not in known]
    if rows:
        connection.execute(statement_makings.insert(), rows)
    return True


def _known(connection: Connection, day: date) -> set[str]:
    """List whose day an operator has made, or is making, before it was planned."""
    found: set[str] = set()
    for table in (statement_files, statement_makings):
        found.update(connection.execute(sa.select(table.c.owner).where(table.c.day == day.isoformat())).scalars())
    return found


def _end_of(span: BusinessDay) -> datetime:
    return from_millis(span.end)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────


def claim_next(desk: StatementDesk) -> Claim | None:
    """Take what has waited longest, past what others hold; None where nothing is due."""
    with desk.ground.database.transaction() as connection:
        return _claim(desk, connection)


def claim_day(desk: StatementDesk, owner: Owner, day: date) -> Claim | None:
    """Take this day of this owner, planned or not; None while somebody else is making it."""
    waiting = {"owner": owner.id, "kind": owner.kind, "day": day.isoformat(), "tries": 0, "next_at": 0}
    with desk.ground.database.transaction() as connection:
        insert_if_new(connection, statement_makings, waiting)
        return _claim(desk, connection, *_of(owner, day))


def is_planned(connection: Connection, owner: Owner, day: date) -> bool:
    """Tell whether a day waits to be made, or is being made."""
    return connection.execute(sa.select(statement_makings.c.tries).where(*_of(owner, day))).first() is not None


def hold_claim(desk: StatementDesk, connection: Connection, claim: Claim) -> None:
    """Hold a claim until the transaction ends and lend it for longer; raises Overtaken."""
    longer = to_millis(desk.ground.clock() + LEASE)
    if not changed_one(connection, statement_makings.update().where(*_mine(claim)).values(next_at=longer)):
        raise Overtaken


def end_claim(connection: Connection, claim: Claim) -> None:
    """Say that there is nothing to make any more; raises Overtaken."""
    if not changed_one(connection, statement_makings.delete().where(*_mine(claim))):
        raise Overtaken


def put_off(desk: StatementDesk, claim: Claim) -> None:
    """Let a day be tried again much later."""
    later = to_millis(desk.ground.clock() + _WAIT_AFTER_FAULT)
    with desk.ground.database.transaction() as connection:
        connection.execute(statement_makings.update().where(*_mine(claim)).values(next_at=later))


def forget_makings(connection: Connection, before: date) -> None:
    """Give up what could not be made of days that are not kept any more."""
    connection.execute(statement_makings.delete().where(statement_makings.c.day < before.isoformat()))


def _claim(desk: StatementDesk, connection: Connection, *conditions: sa.ColumnElement[bool]) -> Claim | None:
    now, table = desk.ground.clock(), statement_makings.c
    due = sa.select(statement_makings).where(table.next_at <= to_millis(now), *conditions)
    oldest = due.order_by(table.day, table.next_at, table.owner).limit(1).with_for_update(skip_locked=True)
    row: Any = connection.execute(oldest).first()
    if row is None:
        return None
    owner = Owner(cast("OwnerKind", row.kind), row.owner)
    claim = Claim(owner, date.fromisoformat(row.day), row.tries + 1)
    lent = {"tries": claim.tries, "next_at": to_millis(now + LEASE)}
    connection.execute(statement_makings.update().where(*_of(owner, claim.day)).values(**lent))
    return claim


def _of(owner: Owner, day: date) -> tuple[sa.ColumnElement[bool], ...]:
    return statement_makings.c.owner == owner.id, statement_makings.c.day == day.isoformat()


def _mine(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    return (*_of(claim.owner, claim.day), statement_makings.c.tries == claim.tries)
