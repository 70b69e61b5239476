from typing import Any, cast

from flask import current_app

from auth.blueprints import ApiBlueprint
from auth.channel_requests import Channel
from auth.guard import allow
from channels.sandbox.schemas import TrialNewsSchema
from channels.sandbox.trial_news import record_trial_news, require_sandbox
from channels.schemas import NewsSchema
from core.ground import Ground

sandbox = ApiBlueprint("sandbox", __name__, url_prefix="/v1/sandbox", description="For channels that are not live yet.")


@sandbox.post("/news")
@allow(Channel, scope="news", sandbox=True)
@sandbox.arguments(TrialNewsSchema())
@sandbox.response(201, NewsSchema)
def post_trial_news(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """Have news of a kind told to you: recorded, signed, posted to your addresses and retried as real news is."""
    require_sandbox(caller)
    ground = cast("Ground", current_app.extensions["core.ground"])
    with ground.database.transaction() as connection:
        told = record_trial_news(connection, caller.id, given["kind"], given["card"], ground.clock())
    return told.message()
