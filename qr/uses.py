"""The holder's list of uses: when and where the card was taken, the newest first."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.models import institutions, parties
from core.clock import from_millis
from core.errors import Malformed
from core.ids import is_id
from qr.models import redemptions


@dataclass(frozen=True, slots=True)
class Use:
    """One redemption as the holder sees it; ``mode`` is online or offline, ``channel`` whose app showed the code."""

    id: str
    purpose: str
    institution: str
    terminal: str
    rendering: str
    mode: str
    redeemed_at: datetime
    channel: str | None


def list_uses(
    connection: Connection, card: str, *, after: str | None, limit: int, channel: str | None = None
) -> tuple[list[Use], str | None]:
    """List up to ``limit`` uses older than the use ``after``, and the cursor of the next page or None.

    ``channel`` leaves only those of codes that were shown in its app.
    """
    listed = redemptions.c.card == card
    if channel is not None:
        listed = sa.and_(listed, redemptions.c.channel == channel)
    query = (
        sa.select(redemptions, institutions.c.name.label("institution_name"), parties.c.name.label("terminal_name"))
        .join(institutions, institutions.c.id == redemptions.c.institution)
        .join(parties, parties.c.id == redemptions.c.terminal)
        .where(listed)
        .order_by(redemptions.c.number.desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(redemptions.c.number < _number_of(connection, listed, after))
    rows = connection.execute(query).all()
    uses = [
        Use(
            id=row.id,
            purpose=row.purpose,
            institution=row.institution_name,
            terminal=row.terminal_name,
            rendering=row.rendering,
            mode=row.mode,
            redeemed_at=from_millis(row.redeemed_at),
            channel=row.channel,
        )
        for row in rows[:limit]
    ]
    return uses, uses[-1].id if len(rows) > limit else None


def _number_of(connection: Connection, listed: sa.ColumnElement[bool], after: str) -> int:
    """Find a cursor among what the list may show: another channel's use of the same card is none of its own."""
    query = sa.select(redemptions.c.number).where(redemptions.c.id == after, listed)
    number = connection.execute(query).scalar() if is_id(after, "red") else None
    if number is None:
        raise Malformed("after must be a cursor that this list has given")
    return int(number)
