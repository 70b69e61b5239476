"""Requests of channels, one row each: the route and not the address, so that no id of a holder's stands in it.

Only what was proven is kept: whoever knows a channel's name could otherwise write into its log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.request_log.models import channel_requests
from core.clock import from_millis, to_millis, to_text
from core.database import Database, Statement
from core.errors import Malformed, Missing
from core.ids import is_id

KEPT_DAYS = 7

_KEEP = Statement(
    "INSERT INTO channel_requests (id, channel, arrived_at, method, route, status, code, algorithm, serial)"
    " VALUES (:id, :channel, :arrived_at, :method, :route, :status, :code, :algorithm, :serial)"
    " ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request as its answer left: ``code`` is that of the problem, ``algorithm`` the form of the signature."""

    id: str
    channel: str
    arrived_at: datetime
    method: str
    route: str
    status: int
    code: str | None
    algorithm: str
    serial: str

    def shown(self) -> dict[str, Any]:
        """Write it as the API shows it to its own channel."""
        return {
            "id": self.id,
            "arrived_at": to_text(self.arrived_at),
            "method": self.method,
            "route": self.route,
            "status": self.status,
            "code": self.code,
            "algorithm": self.algorithm,
            "serial": self.serial,
        }


def keep_request(database: Database, request: LoggedRequest) -> None:
    """Keep a request apart from its own transaction: a refusal, whose transaction comes to nothing, is kept too.

    The answer does not wait for the disk: what proves a request is its evidence, the log only helps.
    """
    values = {
        "id": request.id,
        "channel": request.channel,
        "arrived_at": to_millis(request.arrived_at),
        "method": request.method,
        "route": request.route,
        "status": request.status,
        "code": request.code,
        "algorithm": request.algorithm,
        "serial": request.serial,
    }
    database.note(_KEEP, values)


def list_requests(
    connection: Connection, channel: str, *, after: str | None, limit: int
) -> tuple[Sequence[LoggedRequest], str | None]:
    """List a channel's requests, the newest first, and the cursor of the next page; raises ``Malformed``."""
    mine = sa.select(channel_requests).where(channel_requests.c.channel == channel)
    if after is not None:
        mine = mine.where(channel_requests.c.number < _number_of(connection, channel, after))
    rows = connection.execute(mine.order_by(channel_requests.c.number.desc()).limit(limit + 1)).all()
    found = [_request_of(row) for row in rows[:limit]]
    return found, found[-1].id if len(rows) > limit else None


def get_request(connection: Connection, channel: str, given: str) -> LoggedRequest:
    """Find one of a channel's own requests; raises ``Missing``."""
    row = _find(connection, channel, given)
    if row is None:
        raise Missing("you have sent no such request in the last days, or it was not proven to be yours")
    return _request_of(row)


def forget_requests(connection: Connection, at: datetime) -> int:
    """Delete what is older than the days for which it is kept."""
    oldest = to_millis(at - timedelta(days=KEPT_DAYS))
    return connection.execute(sa.delete(channel_requests).where(channel_requests.c.arrived_at < oldest)).rowcount


def _number_of(connection: Connection, channel: str, after: str) -> int:
    row = _find(connection, channel, after)
    if row is None:
        raise Malformed("after must be the next of a page before")
    return int(row.number)


def _find(connection: Connection, channel: str, given: str) -> Any:
    if not is_id(given, "req"):
        return None
    table = channel_requests.c
    return connection.execute(sa.select(channel_requests).where(table.channel == channel, table.id == given)).first()


def _request_of(row: Any) -> LoggedRequest:
    return LoggedRequest(
        id=row.id,
        channel=row.channel,
        arrived_at=from_millis(row.arrived_at),
        method=row.method,
        route=row.route,
        status=row.status,
        code=row.code,
        algorithm=row.algorithm,
        serial=row.serial,
    )
