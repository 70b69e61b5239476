"""The sandbox's own time: how far ahead of ours a channel has put it, and the little that follows it.

Two things read it, codes of made-up cards and the warning of a certificate's end. Two things do not know of it and are
moved nearer instead, once, when the time is put on: the ends of the links of made-up cards, and the next tries of the
channel's own news. All else is in our time: signatures, tokens, logins, limits, the audit trail, what news tell.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.oauth.models import oauth_grants
from channels.models import news_deliveries, news_endpoints
from channels.sandbox.errors import ClockOnlyForward
from channels.sandbox.models import sandbox_clocks
from core.clock import to_millis
from core.database import insert_if_new
from ecard.models import electronic_cards

MOST_SECONDS = 400 * 86_400
"""Longer than any link or certificate lives."""


def put_clock(connection: Connection, channel: str, seconds: int, at: datetime) -> None:
    """Put a sandbox's time so far ahead of ours; the caller holds the channel's row.

    Raises ``ClockOnlyForward`` where it stands further ahead already.
    """
    before = seconds_ahead(connection, channel)
    if seconds < before:
        raise ClockOnlyForward(f"it is {before} seconds ahead")
    stands = {"ahead_seconds": seconds, "changed_at": to_millis(at)}
    if not insert_if_new(connection, sandbox_clocks, {"channel": channel, **stands}):
        connection.execute(sandbox_clocks.update().where(sandbox_clocks.c.channel == channel).values(stands))
    _bring_nearer(connection, channel, (seconds - before) * 1000)


def reset_clock(connection: Connection, channel: str, at: datetime) -> None:
    """Put a sandbox's time back to ours; the caller has ended what lived by the other."""
    mine = sandbox_clocks.update().where(sandbox_clocks.c.channel == channel)
    connection.execute(mine.values(ahead_seconds=0, changed_at=to_millis(at)))


def seconds_ahead(connection: Connection, channel: str) -> int:
    """Tell how far a channel has put its sandbox's time ahead; 0 where it never did."""
    found = sa.select(sandbox_clocks.c.ahead_seconds).where(sandbox_clocks.c.channel == channel)
    return int(connection.execute(found).scalar() or 0)


def sandbox_time(connection: Connection, channel: str, now: datetime) -> datetime:
    """Tell what time it is in a channel's sandbox."""
    return now + timedelta(seconds=seconds_ahead(connection, channel))


def _bring_nearer(connection: Connection, channel: str, millis: int) -> None:
    """Move what waits in this sandbox, and in no other, so much nearer."""
    grants, cards = oauth_grants.c, electronic_cards.c
    made_up = sa.select(cards.id).where(cards.sandbox == channel)
    links = oauth_grants.update().where(grants.card.in_(made_up), grants.ended_at.is_(None))
    connection.execute(links.values(expires_at=grants.expires_at - millis))
    endpoints, tries = news_endpoints.c, news_deliveries.c
    own = sa.select(endpoints.id).where(endpoints.channel == channel)
    waiting = news_deliveries.update().where(tries.endpoint.in_(own), tries.state == "waiting")
    connection.execute(waiting.values(next_at=tries.next_at - millis))
    paused = news_endpoints.update().where(endpoints.channel == channel, endpoints.paused_until > 0)
    connection.execute(paused.values(paused_until=endpoints.paused_until - millis))
