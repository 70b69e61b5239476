"""Deliveries: news is posted to a channel's addresses until it is taken, at least once and in no certain order.

Claim, send, settle: two short transactions with the network between them. A worker that dies in between leaves a claim
that runs out, and the same message with the same id is sent again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.desk import NewsDesk
from channels.destinations import PinnedDestination, pin_destination, read_destination
from channels.endpoints import Endpoint, destination_rules, set_endpoint_state
from channels.errors import DestinationNotAllowed
from channels.models import channels, news, news_deliveries, news_endpoints
from channels.news import News, news_of
from channels.posting import Posted
from channels.sandbox.switches import take_fault
from channels.standing import MAY_CALL
from core.clock import to_millis, to_text
from core.database import changed_one
from core.ids import new_id
from core.outbox import record_event

SCHEDULE = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
"""Seconds between the tries of one piece of news, 24 hours and 4 minutes in all (the steps of WeChat Pay)."""
JITTER = 0.1
"""Each wait is longer or shorter by up to so much of itself."""
LEASE = timedelta(seconds=60)
"""How long a claim counts: longer than resolving (10 to 30 s) and posting (10 s) can take together."""
PAUSE = timedelta(seconds=10)
"""How long an address is left alone that failed several times in a row: what waits for it keeps its tries."""
PAUSED_FROM = 3
LONGEST_WAIT = timedelta(hours=6)
"""The longest time for which Retry-After is honoured."""
KEPT_DAYS = 30
"""Records of what was delivered are kept for so long; the news itself stays."""
GONE = 410

_MAY_WAIT = (429, 503)
_CONTENT_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Claim:
    """One try of one delivery; ``tries`` counts it, and lets nobody settle it who was overtaken."""

    endpoint: str
    url: str
    tries: int
    news: News
    fault: str | None = None
    """What a channel that is not live has asked to go wrong at this try: double, drop or wrong_signature."""


def deliver_one(desk: NewsDesk) -> bool:
    """Claim a delivery that is due, send it and settle it; False where nothing is due. Raises ``Unavailable``."""
    desk.keys().require_signing(desk.ground.clock())  # without keys no try is spent
    claim = claim_delivery(desk)
    if claim is None:
        return False
    settle_delivery(desk, claim, _send_claimed(desk, claim))
    return True


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────


def claim_delivery(desk: NewsDesk) -> Claim | None:
    """Take the delivery that has waited longest, past what others hold; the addresses take turns by what is due."""
    now = desk.ground.clock()
    with desk.ground.database.transaction() as connection:
        for endpoint in connection.execute(_due_endpoints(to_millis(now))).scalars().all():
            claim = _claim_of(connection, endpoint, now)
            if claim is not None:
                return claim
    return None


def _due_endpoints(now: int) -> sa.Select[str]:
    """Find the addresses that may be sent to now and have something due; before it is live a channel has trials."""
    above, endpoint, channel = channels.alias("above"), news_endpoints.c, channels.c
    waiting = news_deliveries.c.endpoint == endpoint.id, news_deliveries.c.state == "waiting"
    due = sa.select(sa.func.min(news_deliveries.c.next_at)).where(*waiting).scalar_subquery()
    joined = news_endpoints.join(channels, channel.id == endpoint.channel)
    return (
        sa.select(endpoint.id)
        .select_from(joined.outerjoin(above, above.c.id == channel.above))
        .where(endpoint.state == "active", endpoint.paused_until <= now, channel.standing.in_(MAY_CALL))
        .where(sa.or_(channel.above.is_(None), above.c.standing.in_(MAY_CALL)), due <= now)
        .order_by(due)
    )


def _claim_of(connection: Connection, endpoint: str, now: datetime) -> Claim | None:
    table = news_deliveries.c
    due = (
        sa.select(table.position)
        .where(table.endpoint == endpoint, table.state == "waiting", table.next_at <= to_millis(now))
        .order_by(table.next_at, table.position)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    position = connection.execute(due).scalar()
    if position is None:
        return None
    mine = news_deliveries.update().where(table.endpoint == endpoint, table.position == position)
    held = mine.values(tries=table.tries + 1, next_at=to_millis(now + LEASE)).returning(table.tries)
    tries = connection.execute(held).scalar_one()
    joined = news.join(news_endpoints, news_endpoints.c.channel == news.c.channel)
    joined = joined.join(channels, channels.c.id == news.c.channel)
    columns = sa.select(news, news_endpoints.c.url, channels.c.standing).select_from(joined)
    row = connection.execute(columns.where(news_endpoints.c.id == endpoint, news.c.position == position)).one()
    fault = None if row.standing == "live" else take_fault(connection, row.channel, "news").get("fault")
    return Claim(endpoint, row.url, tries, news_of(row), fault)


# ── Send ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _send_claimed(desk: NewsDesk, claim: Claim) -> Posted:
    """Send a try, or let it go wrong as a channel in the sandbox wished."""
    if claim.fault == "drop":
        return Posted(None, "sandbox_drop")
    message = claim.news.message()
    if claim.fault == "wrong_signature":
        return send(desk, claim.url, claim.news.id, message, signed=write_message(message) + b"\n")
    if claim.fault == "double":
        send(desk, claim.url, claim.news.id, message)
    return send(desk, claim.url, claim.news.id, message)


def send(desk: NewsDesk, url: str, message: str, content: Mapping[str, Any], *, signed: bytes | None = None) -> Posted:
    """Sign a message, check where it goes and post it; an address that is not allowed is a failed try.

    ``signed`` is signed in place of what is posted, for a signature that does not verify.
    """
    body = write_message(content)
    try:
        pinned = pin(desk, url)
    except DestinationNotAllowed as refusal:
        return Posted(None, refusal.code)
    return desk.post(pinned, signed_headers(desk, message, body if signed is None else signed), body)


def ping(desk: NewsDesk, endpoint: Endpoint) -> Posted:
    """Send a message that tells nothing, once, whatever waits for the address."""
    message, now = new_id("evt"), desk.ground.clock()
    content = {"id": message, "type": "ping", "timestamp": to_text(now), "channel": endpoint.channel, "data": {}}
    return send(desk, endpoint.url, message, content)


def pin(desk: NewsDesk, url: str) -> PinnedDestination:
    """Read and resolve an address as it is done before each try; raises ``DestinationNotAllowed``."""
    rules = destination_rules(desk.ground.settings)
    return pin_destination(read_destination(url, rules), rules, desk.resolve)


def write_message(content: Mapping[str, Any]) -> bytes:
    """Write the body, byte for byte the same at every try."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(desk: NewsDesk, message: str, body: bytes) -> dict[str, str]:
    """Make the headers of one try; the timestamp is this try's."""
    return {"content-type": _CONTENT_TYPE, **desk.keys().sign(message, desk.ground.clock(), body)}


# ── Settle ───────────────────────────────────────────────────────────────────────────────────────────────────────


def settle_delivery(desk: NewsDesk, claim: Claim, posted: Posted) -> None:
    """Write down what came of a try: delivered, dead, or waiting for the next one."""
    now = desk.ground.clock()
    with desk.ground.database.transaction() as connection:
        if not _write_outcome(connection, desk, claim, posted, now):
            return  # the claim had run out and somebody else has it
        if posted.is_accepted:
            _set_failures(connection, claim.endpoint, failures=0, paused_until=0)
        elif posted.status == GONE:
            _disable(desk, connection, claim, now)
        else:
            _count_failure(connection, claim.endpoint, _asked_to_wait(posted, now), now)


def _write_outcome(connection: Connection, desk: NewsDesk, claim: Claim, posted: Posted, now: datetime) -> bool:
    outcome: dict[str, Any] = {"status": posted.status, "reason": posted.reason, "changed_at": to_millis(now)}
    if posted.is_accepted:
        outcome |= {"state": "delivered"}
    elif posted.status == GONE or claim.tries > len(SCHEDULE):
        outcome |= {"state": "dead"}
    else:
        wait = _spread(timedelta(seconds=SCHEDULE[claim.tries - 1]), desk.share())
        asked = _asked_to_wait(posted, now) * (1 + JITTER * desk.share())
        outcome |= {"next_at": to_millis(now + max(wait, asked))}
    table = news_deliveries.c
    mine = table.endpoint == claim.endpoint, table.position == claim.news.position
    held = news_deliveries.update().where(*mine, table.state == "waiting", table.tries == claim.tries)
    return changed_one(connection, held.values(**outcome))


def _count_failure(connection: Connection, endpoint: str, asked: timedelta, now: datetime) -> None:
    counted = news_endpoints.update().where(news_endpoints.c.id == endpoint)
    raised = counted.values(failures=news_endpoints.c.failures + 1).returning(news_endpoints.c.failures)
    failures = connection.execute(raised).scalar_one()
    pause = max(asked, PAUSE if failures >= PAUSED_FROM else timedelta())
    if pause:
        _set_failures(connection, endpoint, failures=failures, paused_until=to_millis(now + pause))


def _set_failures(connection: Connection, endpoint: str, **values: int) -> None:
    connection.execute(news_endpoints.update().where(news_endpoints.c.id == endpoint).values(**values))


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


# ── What operators look at and do again ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a delivery stands: waiting, delivered or dead."""

    endpoint: str
    position: int
    message: str
    kind: str
    state: str
    tries: int
    next_at: int
    status: int | None
    reason: str | None


def list_deliveries(
    connection: Connection, channel: str, *, state: str | None = None, message: str | None = None, limit: int = 50
) -> Sequence[Delivery]:
    """List deliveries of a channel, the newest first."""
    table = news_deliveries.c
    joined = news_deliveries.join(news_endpoints, news_endpoints.c.id == table.endpoint)
    joined = joined.join(news, sa.and_(news.c.channel == news_endpoints.c.channel, news.c.position == table.position))
    query = sa.select(news_deliveries, news.c.id, news.c.kind).select_from(joined).where(news.c.channel == channel)
    if state is not None:
        query = query.where(table.state == state)
    if message is not None:
        query = query.where(news.c.id == message)
    rows = connection.execute(query.order_by(table.position.desc(), table.endpoint).limit(limit)).all()
    return [_delivery_of(row) for row in rows]


def replay(desk: NewsDesk, endpoint: Endpoint, first: int, last: int, *, dead_alone: bool) -> int:
    """Let what stands from one position to another be sent again from the first try on; return how many those are.

    News from before the address was registered is included unless ``dead_alone``. One transaction: the caller cuts
    long ranges into parts.
    """
    now, table = to_millis(desk.ground.clock()), news_deliveries.c
    fresh = {"state": "waiting", "tries": 0, "next_at": now, "status": None, "reason": None, "changed_at": now}
    within = table.endpoint == endpoint.id, table.position.between(first, last)
    over = table.state == "dead" if dead_alone else table.state != "waiting"
    with desk.ground.database.transaction() as connection:
        again = connection.execute(news_deliveries.update().where(*within, over).values(**fresh)).rowcount
        if dead_alone:
            return again
        known = sa.select(table.position).where(*within)
        wanted = news.c.channel == endpoint.channel, news.c.position.between(first, last)
        missing = connection.execute(sa.select(news.c.position).where(*wanted, news.c.position.not_in(known))).scalars()
        rows = [{"endpoint": endpoint.id, "position": position} | fresh for position in missing]
        if rows:
            connection.execute(news_deliveries.insert(), rows)
        return again + len(rows)


def last_position(connection: Connection, channel: str) -> int:
    """Give the position of a channel's latest news; 0 where there is none."""
    latest = sa.select(sa.func.max(news.c.position)).where(news.c.channel == channel)
    return int(connection.execute(latest).scalar() or 0)


def forget_delivered(connection: Connection, at: datetime) -> int:
    """Delete the records of what was delivered long ago; what is dead stays until it is replayed."""
    oldest = to_millis(at - timedelta(days=KEPT_DAYS))
    table = news_deliveries.c
    return connection.execute(
        sa.delete(news_deliveries).where(table.state == "delivered", table.changed_at < oldest)
    ).rowcount


def _delivery_of(row: Any) -> Delivery:
    return Delivery(
        endpoint=row.endpoint,
        position=row.position,
        message=row.id,
        kind=row.kind,
        state=row.state,
        tries=row.tries,
        next_at=row.next_at,
        status=row.status,
        reason=row.reason,
    )
