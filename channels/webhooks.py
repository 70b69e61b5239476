"""Deliveries: news is posted to a channel's addresses until it is taken, at least once and in no certain order.

Claim, send, settle: two short transactions with the network between them. A worker that dies in between leaves a claim
that runs out, and the same message with the same id is sent again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.claims import MOST_AT_ONCE, Claim, claim_deliveries
from channels.desk import NewsDesk
from channels.destinations import PinnedDestination, pin_destination, read_destination
from channels.endpoints import Endpoint, destination_rules
from channels.errors import DestinationNotAllowed
from channels.models import news, news_deliveries, news_endpoints
from channels.posting import Posted
from channels.settling import Try, settle_deliveries
from core.clock import to_millis, to_text
from core.ids import new_id

PATIENCE = timedelta(seconds=1)
"""How long one worker goes on sending what it has claimed; a claim counts for much longer."""
KEPT_DAYS = 30
"""Records of what was delivered are kept for so long; the news itself stays."""

_CONTENT_TYPE = "application/json"


def deliver_one(desk: NewsDesk) -> bool:
    """Claim a delivery that is due, send it and settle it; False where nothing is due. Raises ``Unavailable``."""
    return bool(deliver_some(desk, most=1))


def deliver_some(desk: NewsDesk, most: int = MOST_AT_ONCE) -> int:
    """Claim what is due at one address, send it until one try fails, settle all of it; return how many were tried.

    What is left over after a failure, or when a slow partner has taken ``PATIENCE``, is given back: other threads and
    workers may have it. Raises ``Unavailable``.
    """
    begun = desk.ground.clock()
    desk.keys().require_signing(begun)  # without keys no try is spent
    claims = claim_deliveries(desk, most)
    if not claims:
        return 0
    with desk.in_hand.holding(claims[0].endpoint):
        return _send_all(desk, claims, begun)


def _send_all(desk: NewsDesk, claims: Sequence[Claim], begun: datetime) -> int:
    tried: list[Try] = []
    try:
        for claim in claims:
            posted = _send_claimed(desk, claim)
            tried.append((claim, posted))
            if not posted.is_accepted or desk.ground.clock() - begun > PATIENCE:
                break
    except Exception:
        # of the one that failed here nobody knows what came of it: its claim runs out
        settle_deliveries(desk, tried, claims[len(tried) + 1 :])
        raise
    settle_deliveries(desk, tried, claims[len(tried) :])
    return len(tried)


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
