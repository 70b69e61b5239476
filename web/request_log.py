"""Each request of a proven channel leaves a line in its log, whatever became of it."""

import structlog
from flask import Flask, Response, request

from auth.channel_requests import Channel
from auth.guard import PROVEN_CHANNEL, gate
from channels.request_log.requests import LoggedRequest, keep_request
from core.errors import Unavailable
from web.edge import PROBLEM, REQUEST_ID

_log = structlog.get_logger("web.request_log")


def log_requests_of_channels(app: Flask) -> None:
    """Keep what every proven channel asked and was answered."""
    app.after_request(_keep)


def _keep(response: Response) -> Response:
    """Keep the request; where the database is away the answer leaves without: it says so itself."""
    channel: Channel | None = request.environ.get(PROVEN_CHANNEL)
    if channel is None or request.url_rule is None:
        return response
    ground = gate().ground
    logged = LoggedRequest(
        id=request.environ[REQUEST_ID],
        channel=channel.id,
        arrived_at=ground.clock(),
        method=request.method,
        route=request.url_rule.rule,
        status=response.status_code,
        code=request.environ.get(PROBLEM),
        algorithm=channel.evidence.algorithm,
        serial=channel.serial,
    )
    try:
        keep_request(ground.database, logged)
    except Unavailable as refusal:
        _log.warning("request_not_kept", code=refusal.code, request_id=logged.id)
    return response
