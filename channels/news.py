"""News for channels: what happened to a card, in the order in which it happened, for each channel that carries it.

A row holds ids and codes alone (threats.md C8). ``position`` is the channel's own order, without a gap and never
overtaken: who has read up to a position misses nothing before it. ``sequence`` counts the news of one card in one
channel: a receiver that keeps the highest one it saw is not undone by an older piece that comes late.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.carriage.book import as_events_of_carriages
from channels.carriers import Carrier, Carriers, Pseudonym
from channels.endpoints import list_standing_endpoints
from channels.models import news, news_counts, news_deliveries
from core.clock import from_millis, to_millis, to_text
from core.errors import Missing
from core.ids import is_id
from core.many_rows import ManyRows
from core.outbox import Event

MOST_NEWS = 500
_NEWS = ManyRows(news, ("channel", "position", "id", "kind", "card", "sequence", "content", "happened_at"))
_DELIVERIES = ManyRows(news_deliveries, ("endpoint", "position", "state", "tries", "next_at", "changed_at"))
_COUNTS = ManyRows(
    news_counts,
    ("channel", "card", "last"),
    "ON CONFLICT (channel, card) DO UPDATE SET last = news_counts.last + excluded.last RETURNING channel, card, last",
)
_WHOLE_CHANNEL = ""
"""Stands for the card where the positions of a channel are counted."""

_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LEVEL = re.compile(r"L[1-3]")
_REDEMPTION = re.compile(r"red_[0-9a-z]{26}")
_CARRIAGE = re.compile(r"crg_[0-9a-z]{26}")
_ISSUANCE = re.compile(r"iss_[0-9a-z]{26}")
_RESULT = re.compile(r"00[1-6]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NEWS_KINDS: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    "card.issued": {"level": _LEVEL},
    "card.loss_reported": {"standing": _WORD},
    "card.loss_lifted": {"standing": _WORD},
    "card.cancelled": {"standing": _WORD},
    "card.password_changed": {"how": _WORD},
    "card.password_locked": {},
    "device.ended": {"because": _WORD},
    "code.redeemed": {"redemption": _REDEMPTION},
    "code.taken_twice": {},
    "carriage.signed": {"carriage": _CARRIAGE, "result": _RESULT},
    "carriage.suspended": {"carriage": _CARRIAGE},
    "carriage.resumed": {"carriage": _CARRIAGE},
    "carriage.ended": {"carriage": _CARRIAGE, "because": _WORD},
    "issuance.finished": {"issuance": _ISSUANCE, "state": _WORD},
    "statement.ready": {"day": _DAY},
}
"""What channels are told, and of its content only values of these forms. Where a code was taken and for what purpose
stays with the holder: that somebody was at a hospital is not a bank's to know. Logins at others are nobody's either."""


_OF_THE_CARD = frozenset(
    {
        "card.issued",
        "card.loss_reported",
        "card.loss_lifted",
        "card.cancelled",
        "card.password_changed",
        "card.password_locked",
    }
)
"""What is so of the card wherever it is shown: all that carry it must know."""
_OF_A_PHONE = "device.ended"


@dataclass(frozen=True, slots=True)
class News:
    """One thing that a channel is told; ``id`` is the event's and the same at every try."""

    id: str
    channel: str
    position: int
    kind: str
    card: str
    sequence: int
    content: Mapping[str, Any]
    happened_at: datetime

    def message(self) -> dict[str, Any]:
        """Write it as it is sent and listed; the form that Standard Webhooks recommends."""
        return {
            "id": self.id,
            "type": self.kind,
            "timestamp": to_text(self.happened_at),
            "channel": self.channel,
            "position": self.position,
            "card": self.card,
            "sequence": self.sequence,
            "data": dict(self.content),
        }


def record_news(connection: Connection, events: Sequence[Event], name: Pseudonym, at: datetime) -> int:
    """Turn events into news for every channel that they concern, and tell how many pieces there were.

    The caller hands them over in the order of the outbox: that is the order of sequences.
    """
    events = [event for event in as_events_of_carriages(connection, events) if event.kind in NEWS_KINDS]
    carriers = Carriers(connection, name, events)
    return _record(connection, [(event, carrier) for event in events for carrier in _told_of(event, carriers)], at)


def record_news_of(connection: Connection, event: Event, carrier: Carrier, at: datetime) -> None:
    """Turn an event into news for one channel, under the name by which it knows the card."""
    _record(connection, [(event, carrier)], at)


def _told_of(event: Event, carriers: Carriers) -> Sequence[Carrier]:
    """Find whom an event concerns (decision 0026): all that carry the card, whose link rested on a phone, or one alone.

    An issuance that was refused, and a day, are about no card: their news stands under the issuance's id, or the day.
    """
    if event.kind in _OF_THE_CARD:
        return carriers.of_card(event.card, event.happened_at) if event.card else []
    if event.kind == _OF_A_PHONE:
        return carriers.of_phone(event.card, event.content["device"], event.happened_at) if event.card else []
    channel = event.content.get("channel")
    if channel is None:
        return []  # the holder's own phone has shown the code
    if event.card is None:
        about = event.content["day"] if event.kind == "statement.ready" else event.content["issuance"]
        return [Carrier(channel, about)] if carriers.is_told(channel) else []
    carrier = carriers.of_channel(channel, event.card)
    return [] if carrier is None else [carrier]


def list_news(connection: Connection, channel: str, *, after: int, limit: int) -> Sequence[News]:
    """List a channel's news behind a position, the oldest first."""
    behind = sa.select(news).where(news.c.channel == channel, news.c.position > after)
    rows = connection.execute(behind.order_by(news.c.position).limit(limit)).all()
    return [news_of(row) for row in rows]


def last_sequence(connection: Connection, channel: str, card: str) -> int:
    """Tell how many news of a card a channel has had; ``card`` is its name there."""
    counted = sa.select(news_counts.c.last).where(news_counts.c.channel == channel, news_counts.c.card == card)
    return connection.execute(counted).scalar() or 0


def get_news(connection: Connection, channel: str, given: str) -> News:
    """Find one piece of a channel's news by its id; raises ``Missing``."""
    query = sa.select(news).where(news.c.channel == channel, news.c.id == given)
    row = connection.execute(query).first() if is_id(given, "evt") else None
    if row is None:
        raise Missing("there is no such news for this channel")
    return news_of(row)


def news_of(row: Any) -> News:
    """Make the record of a row that has the columns of ``news``."""
    return News(
        id=row.id,
        channel=row.channel,
        position=row.position,
        kind=row.kind,
        card=row.card,
        sequence=row.sequence,
        content=row.content,
        happened_at=from_millis(row.happened_at),
    )


def _record(connection: Connection, told: Sequence[tuple[Event, Carrier]], at: datetime) -> int:
    """Number, write and address what channels are told, in the order in which it is handed over."""
    if not told:
        return 0
    # the counts' rows are held until commit: whoever gets a later position commits later
    next_number = _take_numbers(connection, told)
    rows = [
        {
            "channel": carrier.channel,
            "position": next_number(carrier.channel, _WHOLE_CHANNEL),
            "id": event.id,
            "kind": event.kind,
            "card": carrier.card,
            "sequence": next_number(carrier.channel, carrier.card),
            "content": _content(event),
            "happened_at": to_millis(event.happened_at),
        }
        for event, carrier in told
    ]
    _NEWS.write(connection, rows)
    _DELIVERIES.write(connection, _deliveries_of(connection, rows, to_millis(at)))
    return len(rows)


def _take_numbers(connection: Connection, told: Sequence[tuple[Event, Carrier]]) -> Callable[[str, str], int]:
    """Count all of it at once, each channel and each card in it; give back what deals the numbers out in order."""
    wanted = Counter((carrier.channel, card) for _, carrier in told for card in (_WHOLE_CHANNEL, carrier.card))
    # sorted: everybody locks counts in this order, a channel's own before those of its cards
    rows = [{"channel": channel, "card": card, "last": count} for (channel, card), count in sorted(wanted.items())]
    lasts = {(channel, card): int(last) for channel, card, last in _COUNTS.write(connection, rows)}
    numbers = {counted: iter(range(last - wanted[counted] + 1, last + 1)) for counted, last in lasts.items()}
    return lambda channel, card: next(numbers[channel, card])


def _deliveries_of(connection: Connection, rows: Sequence[Mapping[str, Any]], now: int) -> list[dict[str, Any]]:
    standing = list_standing_endpoints(connection, {row["channel"] for row in rows})
    waiting = {"state": "waiting", "tries": 0, "next_at": now, "changed_at": now}
    return [
        {"endpoint": endpoint, "position": row["position"], **waiting}
        for row in rows
        for endpoint in standing.get(row["channel"], ())
    ]


def _content(event: Event) -> dict[str, str]:
    """Keep what has the form that its kind allows, and nothing else."""
    allowed = NEWS_KINDS[event.kind]
    found = {name: event.content.get(name) for name in allowed}
    return {name: value for name, value in found.items() if isinstance(value, str) and allowed[name].fullmatch(value)}
