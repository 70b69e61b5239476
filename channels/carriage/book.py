"""The book of carriages: what happened to them, entered once, in order, and changed by nobody.

How a carriage stands is worked out anew each time and its row is changed in place; after a while nothing there tells
what a day was. So the worker enters each event here as it tells it, under the event's own id, kind and time.
"""

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.models import carriages
from core.clock import to_millis
from core.many_rows import ManyRows
from core.outbox import Event
from ecard.models import electronic_cards
from qr.models import card_faces, carriage_records

SIGNED, SUSPENDED, RESUMED, ENDED = "carriage.signed", "carriage.suspended", "carriage.resumed", "carriage.ended"
CANCELLED = "card.cancelled"
_LOSS_REPORTED, _LOSS_LIFTED = "card.loss_reported", "card.loss_lifted"
_OF_CARRIAGE = {SIGNED: "result", SUSPENDED: "", RESUMED: "", ENDED: "because"}
_OF_CARD = {_LOSS_REPORTED: "standing", _LOSS_LIFTED: "standing", CANCELLED: "standing"}
_BEGIN_OR_END = (SIGNED, ENDED, CANCELLED)
_BOOK = ManyRows(carriage_records, ("channel", "id", "kind", "card", "result", "recorded_at"))


def enter_in_book(connection: Connection, events: Sequence[Event]) -> int:
    """Enter each event for each carriage that it is about, and tell how many entries those were.

    The caller hands them over in the order of the outbox. Made-up cards are in no book: nobody reconciles them.
    """
    told = _of_real_cards(connection, as_events_of_carriages(connection, events))
    carrying = _carrying(connection, {str(event.card) for event in told if event.kind in _OF_CARD})
    entries = [_entry(event, channel) for event in told for channel in _channels(event, carrying)]
    _BOOK.write(connection, entries)
    return len(entries)


def _of_real_cards(connection: Connection, events: Sequence[Event]) -> list[Event]:
    known = _OF_CARRIAGE.keys() | _OF_CARD.keys()
    named, cards = {event.card for event in events if event.kind in known}, electronic_cards.c
    made_up = sa.select(cards.id).where(cards.id.in_(named), cards.sandbox.is_not(None))
    found = set(connection.execute(made_up).scalars()) if named else set()
    return [event for event in events if event.card not in found]


def as_events_of_carriages(connection: Connection, events: Sequence[Event]) -> list[Event]:
    """Tell ends of links as those of the carriages that rested on them."""
    return [as_event_of_carriage(connection, event) for event in events]


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


def _channels(event: Event, carrying: dict[str, set[str]]) -> Sequence[str]:
    """Find the channels that an event is entered for, and keep who carries the cards in step with it."""
    of_card = carrying.get(str(event.card), set())
    if event.kind in _OF_CARD:
        found = sorted(of_card)
        if event.kind == CANCELLED:
            of_card.clear()
        return found
    if event.kind not in _OF_CARRIAGE:
        return []
    channel = event.content["channel"]
    if event.kind == SIGNED:
        of_card.add(channel)
    elif event.kind == ENDED:
        of_card.discard(channel)
    return [channel]


def _carrying(connection: Connection, cards: set[str]) -> dict[str, set[str]]:
    """List which channels carry some cards by what the book says so far."""
    table = carriage_records.c
    found: dict[str, set[str]] = {card: set() for card in cards}
    if not cards:
        return found
    known = sa.select(table.card, table.channel, table.kind)
    known = known.where(table.card.in_(cards), table.kind.in_(_BEGIN_OR_END)).order_by(table.number)
    for card, channel, kind in connection.execute(known):
        (found[card].add if kind == SIGNED else found[card].discard)(channel)
    return found


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
