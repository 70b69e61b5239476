"""Telling and delivering as one writes it first: each row a statement of its own, each message a claim, a connection.

What it does is what the service does, on the same tables and with the same keys: the baseline of the outbox's figures.
"""

import time
from datetime import timedelta
from typing import Any

import httpcore
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.devices import active_devices
from auth.oauth.models import oauth_clients, oauth_grants
from channels.models import news, news_counts, news_deliveries, news_endpoints, notices
from channels.news import news_of
from channels.registry import find_channel_of_client
from channels.webhooks import pin, signed_headers, write_message
from core.clock import to_millis
from core.database import insert_if_new
from core.ids import new_id
from core.outbox import Event, claim_events
from web.runtime import Runtime

_LEASE = timedelta(seconds=60)


def tell_row_by_row(runtime: Runtime, most: int = 100) -> int:
    """Tell waiting events in one transaction and return how many there were."""
    now = runtime.ground.clock()
    with runtime.ground.database.transaction() as connection:
        events = claim_events(connection, at=now, most=most)
        for event in events:
            _tell_channels(runtime, connection, event)
            _tell_phones(connection, event)
    return len(events)


def _tell_phones(connection: Connection, event: Event) -> None:
    for device in active_devices(connection, event.card or ""):
        values = {"id": new_id("ntc"), "event": event.id, "card": event.card, "device": device.id, "kind": event.kind}
        happened = {"content": event.content, "happened_at": to_millis(event.happened_at)}
        insert_if_new(connection, notices, values | happened)


def _tell_channels(runtime: Runtime, connection: Connection, event: Event) -> None:
    joined = oauth_grants.join(oauth_clients, oauth_clients.c.id == oauth_grants.c.client)
    links = sa.select(oauth_grants.c.client, oauth_clients.c.sector).select_from(joined)
    standing = oauth_grants.c.card == event.card, oauth_grants.c.ended_at.is_(None)
    for client, sector in connection.execute(links.where(*standing)).all():
        channel = find_channel_of_client(connection, client)
        if channel is not None:
            _write_news(connection, event, channel.id, runtime.news.name(sector, event.card or ""))


def _write_news(connection: Connection, event: Event, channel: str, card: str) -> None:
    position, sequence = _next(connection, channel, ""), _next(connection, channel, card)
    counted = {"channel": channel, "position": position, "card": card, "sequence": sequence}
    told = {"id": event.id, "kind": event.kind, "content": event.content, "happened_at": to_millis(event.happened_at)}
    connection.execute(news.insert().values(counted | told))
    endpoints = sa.select(news_endpoints.c.id).where(news_endpoints.c.channel == channel)
    for endpoint in connection.execute(endpoints).scalars().all():
        waiting: dict[str, Any] = {"state": "waiting", "tries": 0, "next_at": 0, "changed_at": 0}
        connection.execute(news_deliveries.insert().values(endpoint=endpoint, position=position, **waiting))


def _next(connection: Connection, channel: str, card: str) -> int:
    counted = news_counts.update().where(news_counts.c.channel == channel, news_counts.c.card == card)
    raised = counted.values(last=news_counts.c.last + 1).returning(news_counts.c.last)
    last = connection.execute(raised).scalar()
    if last is None:
        insert_if_new(connection, news_counts, {"channel": channel, "card": card, "last": 0})
        last = connection.execute(raised).scalar_one()
    return int(last)


def deliver_row_by_row(runtime: Runtime) -> bool:
    """Claim one delivery, post it on a connection of its own and settle it; False where nothing is due."""
    claimed = _claim(runtime)
    if claimed is None:
        return False
    endpoint, url, told = claimed
    body = write_message(told.message())
    to = pin(runtime.news, url).destination
    with httpcore.ConnectionPool() as pool:
        headers = list(signed_headers(runtime.news, told.id, body).items())
        target = httpcore.URL(scheme=to.scheme, host=to.host, port=to.port, target=to.target)
        status = pool.request("POST", target, headers=headers, content=body).status
    _settle(runtime, endpoint, told.position, status)
    return True


def _claim(runtime: Runtime) -> Any:
    table, now = news_deliveries.c, runtime.ground.clock()
    due = sa.select(table.endpoint, table.position).where(table.state == "waiting", table.next_at <= to_millis(now))
    oldest = due.order_by(table.next_at, table.position).limit(1).with_for_update(skip_locked=True)
    with runtime.ground.database.transaction() as connection:
        row = connection.execute(oldest).first()
        if row is None:
            return None
        mine = news_deliveries.update().where(table.endpoint == row.endpoint, table.position == row.position)
        connection.execute(mine.values(tries=table.tries + 1, next_at=to_millis(now + _LEASE)))
        endpoint = sa.select(news_endpoints).where(news_endpoints.c.id == row.endpoint)
        address = connection.execute(endpoint).one()
        piece = sa.select(news).where(news.c.channel == address.channel, news.c.position == row.position)
        return address.id, address.url, news_of(connection.execute(piece).one())


def _settle(runtime: Runtime, endpoint: str, position: int, status: int) -> None:
    table, now = news_deliveries.c, int(time.time() * 1000)
    mine = news_deliveries.update().where(table.endpoint == endpoint, table.position == position)
    with runtime.ground.database.transaction() as connection:
        connection.execute(mine.values(state="delivered", status=status, changed_at=now))
        address = news_endpoints.update().where(news_endpoints.c.id == endpoint)
        connection.execute(address.values(failures=0, paused_until=0))
