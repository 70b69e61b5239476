"""Claims of deliveries: what is due at one address is lent to one worker for a while, and each claim is a try."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.desk import NewsDesk
from channels.models import channels, news, news_deliveries, news_endpoints
from channels.news import News, news_of
from channels.sandbox.switches import take_fault
from channels.standing import MAY_CALL
from core.clock import to_millis

LEASE = timedelta(seconds=60)
"""How long a claim counts: longer than a worker goes on sending, and resolving (10 to 30 s) and posting (10 s) once."""
MOST_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Claim:
    """One try of one delivery; ``tries`` counts it, and lets nobody settle it who was overtaken.

    ``due_at`` is since when it has waited: what is given back unsent waits on from there.
    """

    endpoint: str
    url: str
    tries: int
    due_at: int
    news: News
    fault: str | None = None
    """What a channel that is not live has asked to go wrong at this try: double, drop or wrong_signature."""


def claim_deliveries(desk: NewsDesk, most: int = MOST_AT_ONCE) -> Sequence[Claim]:
    """Take what has waited longest at one address, past what others hold; addresses take turns by what is due.

    One at a time of an address that failed last, and of a channel that is not live: its tries may be to go wrong. An
    address to which this process is sending already comes after all others: one that takes its time holds up nobody.
    """
    now, in_hand = desk.ground.clock(), desk.in_hand.names()
    with desk.ground.database.transaction() as connection:
        for endpoint, failures, is_live in connection.execute(_due_endpoints(to_millis(now), in_hand)).all():
            claims = _claims_of(connection, endpoint, now, most if is_live and not failures else 1)
            if claims:
                return claims if is_live else [_with_fault(connection, claim) for claim in claims]
    return []


def _due_endpoints(now: int, in_hand: Collection[str]) -> sa.Select[str, int, bool]:
    """Find the addresses that may be sent to now and have something due; before it is live a channel has trials."""
    above, endpoint, channel = channels.alias("above"), news_endpoints.c, channels.c
    waiting = news_deliveries.c.endpoint == endpoint.id, news_deliveries.c.state == "waiting"
    due = sa.select(sa.func.min(news_deliveries.c.next_at)).where(*waiting).scalar_subquery()
    joined = news_endpoints.join(channels, channel.id == endpoint.channel)
    return (
        sa.select(endpoint.id, endpoint.failures, channel.standing == "live")
        .select_from(joined.outerjoin(above, above.c.id == channel.above))
        .where(endpoint.state == "active", endpoint.paused_until <= now, channel.standing.in_(MAY_CALL))
        .where(sa.or_(channel.above.is_(None), above.c.standing.in_(MAY_CALL)), due <= now)
        .order_by(sa.case((endpoint.id.in_(in_hand), 1), else_=0), due)
    )


def _claims_of(connection: Connection, endpoint: str, now: datetime, most: int) -> list[Claim]:
    table = news_deliveries.c
    due = (
        sa.select(table.position, table.next_at)
        .where(table.endpoint == endpoint, table.state == "waiting", table.next_at <= to_millis(now))
        .order_by(table.next_at, table.position)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    due_at = {row.position: row.next_at for row in connection.execute(due)}
    if not due_at:
        return []
    mine = news_deliveries.update().where(table.endpoint == endpoint, table.position.in_(due_at))
    held = mine.values(tries=table.tries + 1, next_at=to_millis(now + LEASE)).returning(table.position, table.tries)
    tries = {row.position: row.tries for row in connection.execute(held)}
    joined = news.join(news_endpoints, news_endpoints.c.channel == news.c.channel)
    columns = sa.select(news, news_endpoints.c.url).select_from(joined)
    rows = connection.execute(columns.where(news_endpoints.c.id == endpoint, news.c.position.in_(due_at))).all()
    found = {row.position: row for row in rows}
    return [
        Claim(endpoint, found[position].url, tries[position], since, news_of(found[position]))
        for position, since in due_at.items()
    ]


def _with_fault(connection: Connection, claim: Claim) -> Claim:
    return replace(claim, fault=take_fault(connection, claim.news.channel, "news").get("fault"))
