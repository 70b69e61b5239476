from typing import Any, cast

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.engine import Connection

from auth.blueprints import ApiBlueprint
from auth.channel_requests import Channel
from auth.guard import allow
from auth.oauth.models import oauth_clients
from auth.oauth.pseudonyms import subject_in_sector
from channels.issuance.asking import SCOPE, ask_for_issuance
from channels.issuance.desk import IssuanceDesk
from channels.issuance.records import Issuance, get_issuance, get_issuance_by_number
from channels.issuance.schemas import AskedSchema, AskSchema, FindSchema, IssuanceSchema
from channels.registry import get_channel
from ecard.assured_issuance import AssuredPerson

blueprint = ApiBlueprint(
    "bank issuances",
    __name__,
    url_prefix="/v1/bank-issuances",
    description="Banks have the electronic card issued for a customer, at level L2, without a redirect.",
)


def desk() -> IssuanceDesk:
    return cast("IssuanceDesk", current_app.extensions["channels.issuance"])


@blueprint.post("")
@allow(Channel, scope=SCOPE)
@blueprint.arguments(AskSchema())
@blueprint.response(202, AskedSchema)
def post_issuance(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """Ask for a customer's card: your own bank port is asked whether you vouch for it, then it is issued.

    The answer is the same whoever it is about. What came of it: ask again here, or wait for the news
    `issuance.finished`. An issued card is carried in your app at once: go on by token exchange. After
    five tries in vain for a person within 24 hours, in whatever channels, no more are taken.
    """
    person = AssuredPerson(given["social_security_number"], given["name"], given["phone"])
    with desk().ground.database.transaction() as connection:
        return ask_for_issuance(desk(), connection, caller.id, out_request_no=given["out_request_no"], person=person)


@blueprint.get("/<issuance>")
@allow(Channel, scope=SCOPE)
@blueprint.response(200, IssuanceSchema)
def get_issuance_state(caller: Channel, issuance: str) -> dict[str, Any]:
    """See what has come of a request; another channel's looks as if it were not there."""
    with desk().ground.database.transaction() as connection:
        return _shown(connection, get_issuance(connection, caller.id, issuance))


@blueprint.get("")
@allow(Channel, scope=SCOPE)
@blueprint.arguments(FindSchema(), location="query")
@blueprint.response(200, IssuanceSchema)
def find_issuance(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """Find a request by your own number: what to do when the answer to it was lost."""
    with desk().ground.database.transaction() as connection:
        return _shown(connection, get_issuance_by_number(connection, caller.id, given["out_request_no"]))


def _shown(connection: Connection, found: Issuance) -> dict[str, Any]:
    return {
        "id": found.id,
        "out_request_no": found.out_request_no,
        "state": found.state,
        "because": found.because,
        "result": found.result,
        "carriage": found.carriage,
        "subject": None if found.card is None else _subject(connection, found.channel, found.card),
    }


def _subject(connection: Connection, channel: str, card: str) -> str | None:
    """Name the holder as the tokens of the channel's client do; None while the channel has no client."""
    client = get_channel(connection, channel).client
    if client is None:
        return None
    sector = sa.select(oauth_clients.c.sector).where(oauth_clients.c.id == client)
    return subject_in_sector(desk().oauth, connection.execute(sector).scalar_one(), card)
