"""The sandbox's till: takes codes of made-up cards, once, and tells where they were taken. No real till does.

What it takes is kept beside the redemptions and not among them: nothing that is counted, listed for institutions or
written into statements sees it.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.sandbox.clock import sandbox_time
from channels.sandbox.desk import SandboxDesk
from channels.sandbox.errors import SandboxFull
from channels.sandbox.models import sandbox_redemptions
from core.clock import from_millis, to_millis
from core.database import insert_if_new
from core.errors import Malformed
from core.ids import is_id, new_id
from core.outbox import record_event
from qr.code_class import CodeClass
from qr.errors import CodeSpent, CodeUnknown
from qr.redemption import LockedCard, lock_any_card, require_active_card
from qr.scanned_codes import LiveCode, Place, verify_scanned
from qr.uses import Use

MOST_TAKEN = 10_000
_TILL = "沙箱收银台 · Sandbox till"
_PURPOSE = CodeClass.TEST


def take_code(
    desk: SandboxDesk, connection: Connection, channel: str, scanned: str, *, audience: int
) -> dict[str, Any]:
    """Redeem a code that the channel's own app has shown of a made-up card, in the words of the real redemption.

    Raises one of the refusals of ``qr.errors``; a code of another sandbox or of a real card is ``CodeUnknown``.
    """
    codes = desk.carriage.codes
    place = Place(f"sandbox:{channel}", _PURPOSE, frozenset({audience}))
    live_at = sandbox_time(connection, channel, desk.ground.clock())
    code = verify_scanned(codes, scanned, place, live_at=live_at)
    card = lock_any_card(codes, connection, code)
    if card.sandbox != channel or card.channel != channel:
        raise CodeUnknown
    require_active_card(card)
    _require_room(connection, channel)
    return _record(desk, connection, channel, code, card)


def list_trial_uses(
    connection: Connection, card: str, *, after: str | None, limit: int, channel: str
) -> tuple[list[Use], str | None]:
    """List where codes of a made-up card were taken, as ``qr.uses.list_uses`` does for a real one."""
    table = sandbox_redemptions.c
    mine = sa.and_(table.card == card, table.channel == channel)
    query = sa.select(sandbox_redemptions).where(mine).order_by(table.number.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(table.number < _number_of(connection, mine, after))
    rows = connection.execute(query).all()
    return [_use_of(row) for row in rows[:limit]], rows[limit - 1].id if len(rows) > limit else None


def _record(
    desk: SandboxDesk, connection: Connection, channel: str, code: LiveCode, card: LockedCard
) -> dict[str, Any]:
    now, redemption = desk.ground.clock(), new_id("red")
    values = {
        "id": redemption,
        "channel": channel,
        "card": card.id,
        "handle": code.handle,
        "rendering": code.rendering,
        "redeemed_at": to_millis(now),
    }
    if not insert_if_new(connection, sandbox_redemptions, values):
        raise CodeSpent("here")
    content = {"purpose": _PURPOSE.label, "channel": channel, "redemption": redemption}
    record_event(connection, "code.redeemed", card=card.id, content=content, at=now)
    return {"id": redemption, "result": "accepted", "purpose": _PURPOSE.label, "rendering": code.rendering} | {
        "redeemed_at": now
    }


def _require_room(connection: Connection, channel: str) -> None:
    counted = sa.select(sa.func.count()).where(sandbox_redemptions.c.channel == channel)
    if connection.execute(counted).scalar_one() >= MOST_TAKEN:
        raise SandboxFull(f"{MOST_TAKEN} codes")


def _number_of(connection: Connection, mine: sa.ColumnElement[bool], after: str) -> int:
    query = sa.select(sandbox_redemptions.c.number).where(mine, sandbox_redemptions.c.id == after)
    number = connection.execute(query).scalar() if is_id(after, "red") else None
    if number is None:
        raise Malformed("after must be a cursor that this list has given")
    return int(number)


def _use_of(row: Any) -> Use:
    return Use(
        id=row.id,
        purpose=_PURPOSE.label,
        institution=_TILL,
        terminal=_TILL,
        rendering=row.rendering,
        mode="online",
        redeemed_at=from_millis(row.redeemed_at),
        channel=row.channel,
    )
