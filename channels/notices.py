"""Tell holders and phones what happened: the worker turns events into notices that a phone fetches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.devices import active_devices_of, devices_of_key
from channels.models import notices
from core.clock import from_millis, to_millis
from core.errors import Malformed
from core.ids import is_id, new_id
from core.many_rows import ManyRows
from core.outbox import Event, claim_events

MOST_AT_ONCE = 200
"""So many events are told in one transaction: what a statement and a commit cost is shared by all of them."""

_NOTICES = ManyRows(
    notices, ("id", "event", "card", "device", "kind", "content", "happened_at"), "ON CONFLICT DO NOTHING"
)
_TO_ENDED_DEVICE = {"device.ended"}
_TELLER_LOCK = 0x4E455753  # the key of PostgreSQL's advisory lock
_TO_ALL_DEVICES = {
    "card.issued",
    "card.loss_reported",
    "card.loss_lifted",
    "card.cancelled",
    "card.password_changed",
    "card.password_locked",
    "code.redeemed",
    "code.taken_twice",
    "login.confirmed",
    "link.ended",
    "consent.ended",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What one phone is told; ids and codes only."""

    id: str
    kind: str
    card: str
    content: dict[str, Any]
    happened_at: datetime


def tell_events(
    connection: Connection,
    *,
    at: datetime,
    most: int = MOST_AT_ONCE,
    also: Callable[[Connection, Sequence[Event]], object] | None = None,
) -> int:
    """Turn waiting events into notices, in one transaction, and return how many events were taken.

    ``also`` is handed the same events, in their order. One teller at a time, so that what happened to a card is told
    in its order; one that comes while another is at it takes nothing.
    """
    if not _is_the_teller(connection):
        return 0
    events = claim_events(connection, at=at, most=most)
    if also is not None:
        also(connection, events)
    _NOTICES.write(connection, _notices_of(connection, events))
    return len(events)


def _is_the_teller(connection: Connection) -> bool:
    """Take the place of the one teller until the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name != "postgresql":
        return True
    taken = sa.text("SELECT pg_try_advisory_xact_lock(:lock)")
    return bool(connection.execute(taken, {"lock": _TELLER_LOCK}).scalar_one())


def list_notices(
    connection: Connection, thumbprint: str, *, after: str | None, limit: int
) -> tuple[list[Notice], str | None]:
    """List a phone's notices, the newest first, for every card that its key carries or once carried."""
    mine = [device.id for device in devices_of_key(connection, thumbprint)]
    query = sa.select(notices).where(notices.c.device.in_(mine)).order_by(notices.c.number.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(notices.c.number < _number_of(connection, mine, after))
    rows = connection.execute(query).all()
    listed = [Notice(row.id, row.kind, row.card, row.content, from_millis(row.happened_at)) for row in rows[:limit]]
    return listed, listed[-1].id if len(rows) > limit else None


def _notices_of(connection: Connection, events: Sequence[Event]) -> list[dict[str, Any]]:
    cards = {event.card for event in events if event.kind in _TO_ALL_DEVICES and event.card}
    phones = active_devices_of(connection, cards) if cards else {}
    return [_values(event, device) for event in events for device in _addressees(event, phones)]


def _addressees(event: Event, phones: Mapping[str, Sequence[str]]) -> Sequence[str]:
    if event.kind in _TO_ENDED_DEVICE:
        return [event.content["device"]]
    return phones.get(event.card or "", ()) if event.kind in _TO_ALL_DEVICES else ()


def _values(event: Event, device: str) -> dict[str, Any]:
    return {
        "id": new_id("ntc"),
        "event": event.id,
        "card": event.card,
        "device": device,
        "kind": event.kind,
        "content": event.content,
        "happened_at": to_millis(event.happened_at),
    }


def _number_of(connection: Connection, mine: list[str], after: str) -> int:
    own = notices.c.id == after, notices.c.device.in_(mine)
    number = connection.execute(sa.select(notices.c.number).where(*own)).scalar() if is_id(after, "ntc") else None
    if number is None:
        raise Malformed("after must be a cursor that this list has given")
    return int(number)
