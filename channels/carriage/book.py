"""The book of carriages: what happened to them, entered once, in order, and changed by nobody.

How a carriage stands is worked out anew each time and its row is changed in place; after a while nothing there tells
what a day was. So the worker enters each event here as it tells it, under the event's own id, kind and time.
"""

from collections.abc import Iterator
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.models import carriages
from core.clock import to_millis
from core.outbox import Event
from qr.models import card_faces, carriage_records

SIGNED, SUSPENDED, RESUMED, ENDED = "carriage.signed", "carriage.suspended", "carriage.resumed", "carriage.ended"
CANCELLED = "card.cancelled"
_LOSS_REPORTED, _LOSS_LIFTED = "card.loss_reported", "card.loss_lifted"
_OF_CARRIAGE = {SIGNED: "result", SUSPENDED: "", RESUMED: "", ENDED: "because"}
_OF_CARD = {_LOSS_REPORTED: "standing", _LOSS_LIFTED: "standing", CANCELLED: "standing"}
_BEGIN_OR_END = (SIGNED, ENDED, CANCELLED)


def enter_in_book(connection: Connection, event: Event) -> int:
    """Enter an event for each carriage that it is about, and tell how many those were; ends of links as they come.

    The caller lets events in one by one in the order of the outbox.
    """
    told = as_event_of_carriage(connection, event)
    entries = [_entry(told, channel) for channel in _channels(connection, told)]
    if entries:
        connection.execute(carriage_records.insert(), entries)
    return len(entries)


def as_event_of_carriage(connection: Connection, event: Event) -> Event:
    """Tell the end of a link as that of the carriage that rested on it, if there was one.

    The carriage may rest on a newer link by now: its faces remember the older ones.
    """
    if event.kind != "link.ended":
        return event
    table, faces, link = carriages.c, card_faces.c, event.content["grant"]
    once = sa.exists().where(faces.link == link, faces.card == table.card, faces.channel == table.channel)
    of_card = sa.select(table.id, table.channel).where(table.card == event.card)
    row = connection.execute(of_card.where(sa.or_(table.link == link, once))).first()
    if row is None:
        return event
    content = {"carriage": row.id, "channel": row.channel, "because": event.content["because"]}
    return replace(event, kind=ENDED, content=content)


def _channels(connection: Connection, event: Event) -> Iterator[str]:
    if event.kind in _OF_CARRIAGE:
        yield event.content["channel"]
    elif event.kind in _OF_CARD:
        yield from _carrying(connection, str(event.card))


def _carrying(connection: Connection, card: str) -> list[str]:
    """List which channels carry a card by what the book says so far."""
    table = carriage_records.c
    known = sa.select(table.channel, table.kind).where(table.card == card, table.kind.in_(_BEGIN_OR_END))
    last = {row.channel: row.kind for row in connection.execute(known.order_by(table.number))}
    return sorted(channel for channel, kind in last.items() if kind == SIGNED)


def _entry(event: Event, channel: str) -> dict[str, object]:
    member = (_OF_CARRIAGE | _OF_CARD)[event.kind]
    return {
        "channel": channel,
        "id": event.id,
        "kind": event.kind,
        "card": event.card,
        "result": event.content.get(member, ""),
        "recorded_at": to_millis(event.happened_at),
    }
