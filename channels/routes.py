from dataclasses import asdict
from typing import Any, cast

from flask import current_app

from auth.blueprints import ApiBlueprint
from auth.guard import DeviceKey, allow
from channels.notices import list_notices
from channels.schemas import NoticesQuerySchema, NoticesSchema
from core.clock import to_text
from core.ground import Ground

blueprint = ApiBlueprint(
    "notices", __name__, url_prefix="/v1/notices", description="What happened to the holder's card."
)


@blueprint.get("")
@allow(DeviceKey)
@blueprint.arguments(NoticesQuerySchema(), location="query")
@blueprint.response(200, NoticesSchema)
def get_notices(caller: DeviceKey, given: dict[str, Any]) -> dict[str, Any]:
    """Fetch what this phone has to be told; also a phone that no longer carries the card learns why."""
    ground = cast("Ground", current_app.extensions["core.ground"])
    with ground.database.transaction() as connection:
        notices, following = list_notices(connection, caller.proof.thumbprint, **given)
    items = [asdict(notice) | {"happened_at": to_text(notice.happened_at)} for notice in notices]
    return {"items": items, "next": following}
