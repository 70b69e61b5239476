from datetime import date
from typing import Any, cast

from flask import Response, current_app
from sqlalchemy.engine import Connection

from auth.blueprints import ApiBlueprint
from auth.channel_requests import Channel
from auth.guard import allow
from channels.registry import get_channel
from channels.statements.schemas import PartQuerySchema
from core.clock import to_millis
from core.errors import Missing
from qr.statements.business_day import business_day, read_day
from qr.statements.desk import StatementDesk
from qr.statements.handing_out import read_part, read_signature
from qr.statements.owner import Owner

statements = ApiBlueprint(
    "statements",
    __name__,
    url_prefix="/v1/channel/statements",
    description="What was shown in a channel's app, by day.",
)
_UNSTORED = {"Cache-Control": "no-store"}


@statements.get("/<day>")
@allow(Channel, scope="statements")
@statements.arguments(PartQuerySchema(), location="query")
@statements.alt_response(200, description="the file, or a part of it", content_type="text/csv")
def get_statement(caller: Channel, given: dict[str, Any], day: str) -> Response:
    """Fetch what happened in your app on one day, as a file (T+1).

    First the codes that were taken, then what became of the cards that your app carries, under the ids of the news.
    A day goes from midnight to midnight in Shanghai, is closed at 00:15 of the next one and made soon afterwards, which
    the news `statement.ready` tells. Fetched again it has the same bytes. Parts one after the other are the file.
    """
    with _desk().ground.database.transaction() as connection:
        content = read_part(_desk(), connection, *_asked(connection, caller, day), given["part"])
    return Response(content, mimetype="text/csv", headers=_UNSTORED)


@statements.get("/<day>/signature")
@allow(Channel, scope="statements")
@statements.alt_response(200, description="the signature's file", content_type="text/plain")
def get_statement_signature(caller: Channel, day: str) -> Response:
    """Fetch the detached SM2 signature over all bytes of that file, the same each time; keep it as it comes."""
    with _desk().ground.database.transaction() as connection:
        signature = read_signature(_desk(), connection, *_asked(connection, caller, day))
    return Response(signature, mimetype="text/plain", headers=_UNSTORED)


def _asked(connection: Connection, caller: Channel, given: str) -> tuple[Owner, date]:
    """Read whose statement of which day is asked for: only the caller's own, and none from before there was one."""
    day = read_day(given)
    _require_registered(connection, caller.id, day)
    return Owner("channel", caller.id), day


def _require_registered(connection: Connection, channel: str, day: date) -> None:
    if business_day(day).end <= to_millis(get_channel(connection, channel).applied_at):
        raise Missing("the channel was not registered on that day")


def _desk() -> StatementDesk:
    return cast("StatementDesk", current_app.extensions["qr.statements"])
