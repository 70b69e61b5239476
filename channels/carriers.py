"""Which channels carry a card, and by which name each of them knows it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.oauth.models import oauth_clients, oauth_grants
from auth.oauth.scopes import OFFLINE
from channels.registry import RegisteredChannel, find_channel_of_client, get_channel
from core.clock import to_millis
from core.outbox import Event
from ecard.models import electronic_cards

Pseudonym = Callable[[str, str], str]
"""Name a card (second) to a sector (first): the subject under which the channel's client knows the holder."""

NEWS_SCOPE = "news"
TOLD_STANDINGS = ("live", "suspended")
"""A suspended channel is sent nothing, but what happens meanwhile is kept for when it is live again."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """A channel that carries a card; ``card`` is the card's name in that channel."""

    channel: str
    card: str


@dataclass(frozen=True, slots=True)
class _Link:
    card: str
    client: str
    device: str | None
    granted_at: int
    expires_at: int
    ended_at: int | None

    def stood(self, moment: int) -> bool:
        return self.granted_at <= moment < self.expires_at and (self.ended_at is None or self.ended_at >= moment)


class Carriers:
    """Finds whom some events concern: links, channels and names are read once for all of them, in one transaction."""

    def __init__(self, connection: Connection, name: Pseudonym, events: Sequence[Event]) -> None:
        self._connection = connection
        self._name = cache(name)
        self._channel = cache(partial(get_channel, connection))
        self._channel_of = cache(partial(find_channel_of_client, connection))
        self._sector = cache(partial(_sector_of_client, connection))
        self._sandbox = cache(partial(_sandbox_of_card, connection))
        self._links = _links_of(connection, events)

    def of_card(self, card: str, at: datetime) -> list[Carrier]:
        """List who carried a card at a moment, by links: grants with offline access to a channel's client.

        The moment is that of what happened, so that the end of a link hides nothing that happened before it. In the
        order of their ids, in which their rows are locked.
        """
        return self._of_links(link for link in self._links.get(card, ()) if link.stood(to_millis(at)))

    def of_phone(self, card: str, phone: str, at: datetime) -> list[Carrier]:
        """List whose link to a card rested on one of the holder's phones at a moment."""
        resting = (link for link in self._links.get(card, ()) if link.device == phone)
        return self._of_links(link for link in resting if link.stood(to_millis(at)))

    def _of_links(self, links: Iterable[_Link]) -> list[Carrier]:
        found = {link.client: (link, self._channel_of(link.client)) for link in links}
        carriers = [
            Carrier(channel.id, self._name(self._sector(client), link.card))
            for client, (link, channel) in found.items()
            if channel is not None and _is_told_of(channel, self._sandbox(link.card))
        ]
        return sorted(carriers, key=lambda carrier: carrier.channel)

    def of_channel(self, channel: str, card: str) -> Carrier | None:
        """Name a card to one channel that is told something of its own; None where it is told nothing."""
        found = self._channel(channel)
        if found.client is None or not _is_told_of(found, self._sandbox(card)):
            return None
        return Carrier(channel, self._name(self._sector(found.client), card))

    def is_told(self, channel: str) -> bool:
        """Tell whether a channel is told anything at all."""
        return _is_told_of(self._channel(channel), None)


def find_sector(connection: Connection, channel: str) -> str | None:
    """Find the sector in which a channel has its names of cards; None where it has no client. Raises ``Missing``."""
    client = get_channel(connection, channel).client
    return None if client is None else _sector_of_client(connection, client)


def _sandbox_of_card(connection: Connection, card: str) -> str | None:
    found = sa.select(electronic_cards.c.sandbox).where(electronic_cards.c.id == card)
    sandbox: str | None = connection.execute(found).scalar()
    return sandbox


def _sector_of_client(connection: Connection, client: str) -> str:
    sector: str = connection.execute(sa.select(oauth_clients.c.sector).where(oauth_clients.c.id == client)).scalar_one()
    return sector


def _is_told_of(channel: RegisteredChannel, sandbox: str | None) -> bool:
    """Tell whether a channel is told of a real card (``sandbox`` None), or of a made-up one of its own."""
    if NEWS_SCOPE not in channel.scopes:
        return False
    return channel.standing in TOLD_STANDINGS if sandbox is None else channel.in_sandbox and sandbox == channel.id


def _links_of(connection: Connection, events: Sequence[Event]) -> dict[str, list[_Link]]:
    """Read the links of the cards of events which stood at some time since the first of them."""
    cards = {event.card for event in events if event.card}
    if not cards:
        return {}
    grants, first = oauth_grants.c, min(to_millis(event.happened_at) for event in events)
    times = grants.granted_at, grants.expires_at, grants.ended_at
    query = sa.select(grants.card, grants.client, grants.device, *times, grants.scopes)
    since = grants.expires_at > first, sa.or_(grants.ended_at.is_(None), grants.ended_at >= first)
    found: dict[str, list[_Link]] = {}
    for *link, scopes in connection.execute(query.where(grants.card.in_(cards), *since)):
        if OFFLINE in scopes:
            found.setdefault(link[0], []).append(_Link(*link))
    return found
