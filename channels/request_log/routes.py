from typing import Any, cast

from flask import current_app

from auth.blueprints import ApiBlueprint
from auth.channel_requests import Channel
from auth.guard import allow
from channels.request_log.requests import get_request, list_requests
from channels.request_log.schemas import LoggedRequestSchema, LoggedRequestsSchema, RequestsQuerySchema
from core.ground import Ground

request_log = ApiBlueprint(
    "request_log", __name__, url_prefix="/v1/channel/requests", description="What became of a channel's requests."
)


@request_log.get("")
@allow(Channel, standing="any")
@request_log.arguments(RequestsQuerySchema(), location="query")
@request_log.response(200, LoggedRequestsSchema)
def get_requests(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """List your requests of the last seven days, the newest first; those alone whose signature was right."""
    with _ground().database.transaction() as connection:
        found, following = list_requests(connection, caller.id, **given)
    return {"items": [one.shown() for one in found], "next": following}


@request_log.get("/<request>")
@allow(Channel, standing="any")
@request_log.response(200, LoggedRequestSchema)
def get_one_request(caller: Channel, request: str) -> dict[str, Any]:
    """Look one request up by the X-Request-Id of its answer."""
    with _ground().database.transaction() as connection:
        return get_request(connection, caller.id, request).shown()


def _ground() -> Ground:
    return cast("Ground", current_app.extensions["core.ground"])
