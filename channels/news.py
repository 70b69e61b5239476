"""News for channels: what happened to a card, in the order in which it happened, for each channel that carries it.

A row holds ids and codes alone (threats.md C8). ``position`` is the channel's own order, without a gap and never
overtaken: who has read up to a position misses nothing before it. ``sequence`` counts the news of one card in one
channel: a receiver that keeps the highest one it saw is not undone by an older piece that comes late.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.carriage.book import as_event_of_carriage
from channels.carriers import Carrier, Pseudonym, carrier_of_channel, channels_of_card, is_told
from channels.endpoints import list_standing_endpoints
from channels.models import news, news_counts, news_deliveries
from core.clock import from_millis, to_millis, to_text
from core.database import insert_if_new
from core.errors import Missing
from core.ids import is_id
from core.outbox import Event

MOST_NEWS = 500
_INSIDE_A_CHANNEL = ("carriage.", "issuance.")
_WHOLE_CHANNEL = ""
"""Stands for the card where the positions of a channel are counted."""

_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LEVEL = re.compile(r"L[1-3]")
_REDEMPTION = re.compile(r"red_[0-9a-z]{26}")
_CARRIAGE = re.compile(r"crg_[0-9a-z]{26}")
_ISSUANCE = re.compile(r"iss_[0-9a-z]{26}")
_RESULT = re.compile(r"00[1-6]")
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
}
"""What channels are told, and of its content only values of these forms. Where a code was taken and for what purpose
stays with the holder: that somebody was at a hospital is not a bank's to know. Logins at others are nobody's either."""


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


def record_news(connection: Connection, event: Event, name: Pseudonym, at: datetime) -> int:
    """Turn an event into news for every channel that carried its card, and tell how many there were.

    The caller lets events in one by one in the order of the outbox: that is the order of sequences.
    """
    event = as_event_of_carriage(connection, event)
    if event.kind not in NEWS_KINDS:
        return 0
    carriers = _carriers(connection, event, name)
    return sum(record_news_of(connection, event, carrier, at) for carrier in carriers)


def _carriers(connection: Connection, event: Event, name: Pseudonym) -> Sequence[Carrier]:
    """Find whom it concerns: what happened inside one channel is that channel's alone.

    An issuance that was refused is about no card: its news stands under its own id.
    """
    if not _is_of_one_channel(event):
        return channels_of_card(connection, event.card, event.happened_at, name) if event.card else []
    channel = event.content["channel"]
    if event.card is None:
        return [Carrier(channel, event.content["issuance"])] if is_told(connection, channel) else []
    carrier = carrier_of_channel(connection, channel, event.card, name)
    return [] if carrier is None else [carrier]


def _is_of_one_channel(event: Event) -> bool:
    """Tell what happened in one app alone: a code that it has shown was taken, and nobody else is told of that."""
    own = event.kind.startswith(_INSIDE_A_CHANNEL)
    return own or (event.kind == "code.redeemed" and "channel" in event.content)


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


def record_news_of(connection: Connection, event: Event, carrier: Carrier, at: datetime) -> bool:
    """Turn an event into news for one channel, under the name by which it knows the card."""
    # the count's row is held until commit: whoever gets a later position commits later
    position = _next(connection, carrier.channel, _WHOLE_CHANNEL)
    values = {
        "channel": carrier.channel,
        "position": position,
        "id": event.id,
        "kind": event.kind,
        "card": carrier.card,
        "sequence": _next(connection, carrier.channel, carrier.card),
        "content": _content(event),
        "happened_at": to_millis(event.happened_at),
    }
    connection.execute(news.insert().values(values))
    for endpoint in list_standing_endpoints(connection, carrier.channel):
        waiting = {"state": "waiting", "tries": 0, "next_at": to_millis(at), "changed_at": to_millis(at)}
        connection.execute(news_deliveries.insert().values(endpoint=endpoint, position=position, **waiting))
    return True


def _content(event: Event) -> dict[str, str]:
    """Keep what has the form that its kind allows, and nothing else."""
    allowed = NEWS_KINDS[event.kind]
    found = {name: event.content.get(name) for name in allowed}
    return {name: value for name, value in found.items() if isinstance(value, str) and allowed[name].fullmatch(value)}


def _next(connection: Connection, channel: str, card: str) -> int:
    """Count one more and hold the count."""
    counted = news_counts.update().where(news_counts.c.channel == channel, news_counts.c.card == card)
    raised = counted.values(last=news_counts.c.last + 1).returning(news_counts.c.last)
    last = connection.execute(raised).scalar()
    if last is None:
        insert_if_new(connection, news_counts, {"channel": channel, "card": card, "last": 0})
        last = connection.execute(raised).scalar_one()
    return int(last)
