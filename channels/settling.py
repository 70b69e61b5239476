"""What came of the tries of deliveries: written down in one transaction for all that one worker has sent together."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.claims import Claim
from channels.desk import NewsDesk
from channels.endpoints import set_endpoint_state
from channels.models import news_deliveries, news_endpoints
from channels.posting import Posted
from core.clock import to_millis
from core.database import changed_one
from core.outbox import record_event

SCHEDULE = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
"""Seconds between the tries of one piece of news, 24 hours and 4 minutes in all (the steps of WeChat Pay)."""
JITTER = 0.1
"""Each wait is longer or shorter by up to so much of itself."""
PAUSE = timedelta(seconds=10)
"""How long an address is left alone that failed several times in a row: what waits for it keeps its tries."""
PAUSED_FROM = 3
LONGEST_WAIT = timedelta(hours=6)
"""The longest time for which Retry-After is honoured."""
GONE = 410

_MAY_WAIT = (429, 503)

Try = tuple[Claim, Posted]


def settle_deliveries(desk: NewsDesk, tried: Sequence[Try], unsent: Sequence[Claim] = ()) -> None:
    """Write down what came of tries at one address, and give back what was not sent.

    Whose claim had run out meanwhile settles nothing: somebody else has it.
    """
    now = desk.ground.clock()
    with desk.ground.database.transaction() as connection:
        _settle_accepted(connection, [one for one in tried if one[1].is_accepted], now)
        for claim, posted in tried:
            if not posted.is_accepted:
                _settle_failed(desk, connection, claim, posted, now)
        _give_back(connection, unsent)


def _settle_accepted(connection: Connection, tried: Sequence[Try], now: datetime) -> None:
    """Note what was taken, all with the same outcome by one statement; the address has failed no more."""
    alike: dict[tuple[str, int, int | None, str], list[int]] = {}
    for claim, posted in tried:
        alike.setdefault((claim.endpoint, claim.tries, posted.status, posted.reason), []).append(claim.news.position)
    for (endpoint, tries, status, reason), positions in alike.items():
        outcome = {"state": "delivered", "status": status, "reason": reason, "changed_at": to_millis(now)}
        if connection.execute(_held(endpoint, positions, tries).values(**outcome)).rowcount:
            _forget_failures(connection, endpoint)


def _forget_failures(connection: Connection, endpoint: str) -> None:
    table = news_endpoints.c
    failed = table.id == endpoint, sa.or_(table.failures != 0, table.paused_until != 0)
    connection.execute(news_endpoints.update().where(*failed).values(failures=0, paused_until=0))


def _settle_failed(desk: NewsDesk, connection: Connection, claim: Claim, posted: Posted, now: datetime) -> None:
    if not _write_failure(connection, desk, claim, posted, now):
        return
    if posted.status == GONE:
        _disable(desk, connection, claim, now)
    else:
        _count_failure(connection, claim.endpoint, _asked_to_wait(posted, now), now)


def _write_failure(connection: Connection, desk: NewsDesk, claim: Claim, posted: Posted, now: datetime) -> bool:
    outcome: dict[str, Any] = {"status": posted.status, "reason": posted.reason, "changed_at": to_millis(now)}
    if posted.status == GONE or claim.tries > len(SCHEDULE):
        outcome |= {"state": "dead"}
    else:
        wait = _spread(timedelta(seconds=SCHEDULE[claim.tries - 1]), desk.share())
        asked = _asked_to_wait(posted, now) * (1 + JITTER * desk.share())
        outcome |= {"next_at": to_millis(now + max(wait, asked))}
    return changed_one(connection, _held(claim.endpoint, [claim.news.position], claim.tries).values(**outcome))


def _held(endpoint: str, positions: Sequence[int], tries: int) -> sa.Update:
    """Hit what this worker still has: nobody has claimed it since, and it has not come to its end."""
    table = news_deliveries.c
    mine = table.endpoint == endpoint, table.position.in_(positions)
    return news_deliveries.update().where(*mine, table.state == "waiting", table.tries == tries)


def _give_back(connection: Connection, unsent: Sequence[Claim]) -> None:
    """Let wait on, with the tries that it had, what was claimed and not sent."""
    alike: dict[tuple[str, int, int], list[int]] = {}
    for claim in unsent:
        alike.setdefault((claim.endpoint, claim.tries, claim.due_at), []).append(claim.news.position)
    for (endpoint, tries, due_at), positions in alike.items():
        connection.execute(_held(endpoint, positions, tries).values(tries=tries - 1, next_at=due_at))


def _count_failure(connection: Connection, endpoint: str, asked: timedelta, now: datetime) -> None:
    counted = news_endpoints.update().where(news_endpoints.c.id == endpoint)
    raised = counted.values(failures=news_endpoints.c.failures + 1).returning(news_endpoints.c.failures)
    failures = connection.execute(raised).scalar_one()
    pause = max(asked, PAUSE if failures >= PAUSED_FROM else timedelta())
    if pause:
        connection.execute(counted.values(paused_until=to_millis(now + pause)))


def _disable(desk: NewsDesk, connection: Connection, claim: Claim, now: datetime) -> None:
    """Believe a partner who says that nobody lives there: what waits is kept until an operator enables it."""
    if not set_endpoint_state(connection, claim.endpoint, "disabled", at=now):
        return
    detail = {"channel": claim.news.channel, "because": "gone"}
    desk.ground.audit.record(
        connection, actor="worker", act="news.endpoint_disabled", subject=claim.endpoint, detail=detail, at=now
    )
    record_event(
        connection, "channel.endpoint_disabled", card=None, content=detail | {"endpoint": claim.endpoint}, at=now
    )


def _spread(wait: timedelta, share: float) -> timedelta:
    return wait * (1 + JITTER * (2 * share - 1))


def _asked_to_wait(posted: Posted, now: datetime) -> timedelta:
    """Read Retry-After (RFC 9110 section 10.2.3): seconds or a date; what cannot be read asks for nothing."""
    given = (posted.retry_after or "").strip()
    if posted.status not in _MAY_WAIT or not given:
        return timedelta()
    if given.isascii() and given.isdigit():
        return min(timedelta(seconds=min(int(given), 10**6)), LONGEST_WAIT)
    try:
        return max(min(parsedate_to_datetime(given) - now, LONGEST_WAIT), timedelta())
    except (ValueError, TypeError, OverflowError):  # no date, one without a zone, or one that no clock can name
        return timedelta()
