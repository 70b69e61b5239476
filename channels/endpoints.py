"""Where a channel wants its news: https addresses that two operators registered, on hosts of the public internet."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.destinations import DestinationRules, read_destination
from channels.models import news_deliveries, news_endpoints
from core.clock import from_millis, to_millis
from core.database import changed_one, insert_if_new
from core.errors import Malformed, Missing
from core.ground import Ground
from core.ids import is_id, new_id
from core.settings import Environment, Settings

MOST_ENDPOINTS = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of a channel; ``state`` is active, disabled (it answered 410) or ended.

    ``failures`` counts failed tries since the last good one; until ``paused_until`` nothing is sent.
    """

    id: str
    channel: str
    url: str
    state: str
    failures: int
    paused_until: datetime
    added_at: datetime


def destination_rules(settings: Settings) -> DestinationRules:
    """Tell what this deployment allows as an address."""
    return DestinationRules(settings.delivery_ports, loopback=settings.environment is Environment.DEVELOPMENT)


def require_new_endpoint(ground: Ground, connection: Connection, channel: str, given: str) -> str:
    """Read an address that a channel may have besides those it has; raises ``DestinationNotAllowed``, ``Malformed``."""
    url = read_destination(given, destination_rules(ground.settings)).url
    standing = [endpoint for endpoint in list_endpoints(connection, channel) if endpoint.state != "ended"]
    if any(endpoint.url == url for endpoint in standing):
        raise Malformed("the channel has this address already")
    if len(standing) >= MOST_ENDPOINTS:
        raise Malformed(f"a channel has at most {MOST_ENDPOINTS} addresses")
    return url


def add_endpoint(ground: Ground, connection: Connection, channel: str, given: str) -> str:
    """Enter an address and return its id (nep_...): it is sent what happens from now on."""
    url = require_new_endpoint(ground, connection, channel, given)
    endpoint, now = new_id("nep"), to_millis(ground.clock())
    values = {"id": endpoint, "channel": channel, "url": url, "added_at": now} | _fresh(now)
    if not insert_if_new(connection, news_endpoints, values):  # it had ended before and comes back
        ended = news_endpoints.update().where(news_endpoints.c.channel == channel, news_endpoints.c.url == url)
        connection.execute(ended.values(**_fresh(now)))
        return next(one.id for one in list_endpoints(connection, channel) if one.url == url)
    return endpoint


def end_endpoint(ground: Ground, connection: Connection, channel: str, given: str) -> None:
    """Take an address away; what waits for it is sent no more. Raises ``Missing``."""
    require_standing_endpoint(connection, channel, given)
    now, columns = ground.clock(), news_deliveries.c
    set_endpoint_state(connection, given, "ended", at=now)
    waiting = news_deliveries.update().where(columns.endpoint == given, columns.state == "waiting")
    connection.execute(waiting.values(state="dead", reason="endpoint_ended", changed_at=to_millis(now)))


def require_standing_endpoint(connection: Connection, channel: str, given: str) -> Endpoint:
    """Find an address of a channel that has not ended; raises ``Missing``."""
    endpoint = get_endpoint(connection, given)
    if endpoint.channel != channel or endpoint.state == "ended":
        raise Missing("the channel has no such address")
    return endpoint


def set_endpoint_state(connection: Connection, endpoint: str, state: str, *, at: datetime) -> bool:
    """Make an address active or disabled, or end it; False if it stood so or has ended."""
    columns = news_endpoints.c
    moved = news_endpoints.update().where(columns.id == endpoint, columns.state.not_in([state, "ended"]))
    return changed_one(connection, moved.values(**_fresh(to_millis(at)) | {"state": state}))


def get_endpoint(connection: Connection, given: str) -> Endpoint:
    """Find an address by its id; raises ``Missing``."""
    query = sa.select(news_endpoints).where(news_endpoints.c.id == given)
    row = connection.execute(query).first() if is_id(given, "nep") else None
    if row is None:
        raise Missing("there is no such address")
    return _endpoint_of(row)


def list_endpoints(connection: Connection, channel: str | None = None) -> list[Endpoint]:
    """List the addresses of a channel, or of all of them, the oldest first."""
    query = sa.select(news_endpoints).order_by(news_endpoints.c.added_at, news_endpoints.c.id)
    if channel is not None:
        query = query.where(news_endpoints.c.channel == channel)
    return [_endpoint_of(row) for row in connection.execute(query)]


def list_standing_endpoints(connection: Connection, channels: Collection[str]) -> dict[str, list[str]]:
    """List, by channel, the ids of addresses that have not ended; news waits for a disabled one to be enabled."""
    columns = news_endpoints.c
    query = sa.select(columns.channel, columns.id).where(columns.channel.in_(channels), columns.state != "ended")
    found: dict[str, list[str]] = {}
    for channel, endpoint in connection.execute(query):
        found.setdefault(channel, []).append(endpoint)
    return found


def _fresh(now: int) -> dict[str, Any]:
    return {"state": "active", "failures": 0, "paused_until": 0, "changed_at": now}


def _endpoint_of(row: Any) -> Endpoint:
    return Endpoint(
        id=row.id,
        channel=row.channel,
        url=row.url,
        state=row.state,
        failures=row.failures,
        paused_until=from_millis(row.paused_until),
        added_at=from_millis(row.added_at),
    )
