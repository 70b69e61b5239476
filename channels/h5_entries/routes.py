from typing import Any

from auth.blueprints import ApiBlueprint
from auth.channel_requests import Channel
from auth.guard import allow, caller_address, gate
from auth.oauth.routes import server
from channels.carriage.access import SCOPE
from channels.h5_entries.entering import Entry, open_entry
from channels.h5_entries.schemas import H5EntrySchema, OpenedH5EntrySchema

blueprint = ApiBlueprint(
    "h5 entries",
    __name__,
    url_prefix="/v1/h5-entries",
    description="Page addresses that a partner's app opens in a web view.",
)


@blueprint.post("")
@allow(Channel, scope=SCOPE, standing="carrying")
@blueprint.arguments(H5EntrySchema())
@blueprint.response(201, OpenedH5EntrySchema)
def post_entry(caller: Channel, given: dict[str, Any]) -> dict[str, object]:
    """Ask for the address of a page on which the holder logs in and allows what it takes to sign, show, report or end.

    It is a pushed authorization request of your own client: the holder comes back to it with `code`, `state` and `iss`;
    redeem the code with your verifier and the key of `dpop_jkt`, then do the act under /v1/carriages or /v1/carriage.
    Nothing about the holder is taken in: holders prove themselves. In the sandbox they are made up.
    """
    desk = server().desk
    with gate().ground.database.transaction() as connection:
        return open_entry(desk, connection, caller.id, Entry(**given), address=caller_address())
