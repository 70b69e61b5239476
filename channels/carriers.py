"""Which channels carry a card, and by which name each of them knows it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.oauth.models import oauth_clients, oauth_grants
from auth.oauth.scopes import OFFLINE
from channels.registry import RegisteredChannel, find_channel_of_client, get_channel
from core.clock import to_millis

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


def channels_of_card(connection: Connection, card: str, at: datetime, name: Pseudonym) -> list[Carrier]:
    """List who carried a card at a moment, by links: grants with offline access to a channel's client.

    The moment is that of what happened, so that the end of a link hides nothing that happened before it. In the order
    of their ids, in which their rows are locked.
    """
    found = {row.client: row.sector for row in connection.execute(_links(card, at)) if OFFLINE in row.scopes}
    channels = [(find_channel_of_client(connection, client), sector) for client, sector in found.items()]
    carriers = [
        Carrier(channel.id, name(sector, card))
        for channel, sector in channels
        if channel is not None and _is_told(channel)
    ]
    return sorted(carriers, key=lambda carrier: carrier.channel)


def carrier_of_channel(connection: Connection, channel: str, card: str, name: Pseudonym) -> Carrier | None:
    """Name a card to one channel that is told something of its own; None where it is told nothing."""
    found = get_channel(connection, channel)
    if found.client is None or not _is_told(found):
        return None
    return Carrier(channel, name(_sector_of_client(connection, found.client), card))


def find_sector(connection: Connection, channel: str) -> str | None:
    """Find the sector in which a channel has its names of cards; None where it has no client. Raises ``Missing``."""
    client = get_channel(connection, channel).client
    return None if client is None else _sector_of_client(connection, client)


def is_told(connection: Connection, channel: str) -> bool:
    """Tell whether a channel is told anything at all."""
    return _is_told(get_channel(connection, channel))


def _sector_of_client(connection: Connection, client: str) -> str:
    sector: str = connection.execute(sa.select(oauth_clients.c.sector).where(oauth_clients.c.id == client)).scalar_one()
    return sector


def _is_told(channel: RegisteredChannel) -> bool:
    return NEWS_SCOPE in channel.scopes and channel.standing in TOLD_STANDINGS


def _links(card: str, at: datetime) -> sa.Select[tuple[str, str, list[str]]]:
    grants, moment = oauth_grants.c, to_millis(at)
    return (
        sa.select(grants.client, oauth_clients.c.sector, grants.scopes)
        .join_from(oauth_grants, oauth_clients, oauth_clients.c.id == grants.client)
        .where(
            grants.card == card,
            grants.granted_at <= moment,
            grants.expires_at > moment,
            sa.or_(grants.ended_at.is_(None), grants.ended_at >= moment),
        )
    )
