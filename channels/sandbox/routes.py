from typing import Any, cast

from flask import current_app

from auth.blueprints import ApiBlueprint
from auth.channel_requests import Channel
from auth.guard import allow
from channels.sandbox.schemas import SwitchesSchema, TrialNewsSchema
from channels.sandbox.switches import clear_switches, list_switches, set_switches
from channels.sandbox.trial_news import record_trial_news, require_sandbox
from channels.schemas import NewsSchema
from core.ground import Ground

sandbox = ApiBlueprint("sandbox", __name__, url_prefix="/v1/sandbox", description="For channels that are not live yet.")


def ground_of_app() -> Ground:
    return cast("Ground", current_app.extensions["core.ground"])


@sandbox.post("/news")
@allow(Channel, scope="news", sandbox=True)
@sandbox.arguments(TrialNewsSchema())
@sandbox.response(201, NewsSchema)
def post_trial_news(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """Have news of a kind told to you: recorded, signed, posted to your addresses and retried as real news is."""
    require_sandbox(caller)
    ground = ground_of_app()
    with ground.database.transaction() as connection:
        told = record_trial_news(connection, caller.id, given["kind"], given["card"], ground.clock())
    return told.message()


@sandbox.put("/switches")
@allow(Channel, scope="news", sandbox=True, idempotent="own")
@sandbox.arguments(SwitchesSchema())
@sandbox.response(200, SwitchesSchema)
def put_switches(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """Let the next answers to your signed requests, or the next tries of your trial news, go wrong on purpose.

    These calls themselves do not fail; null clears a switch.
    """
    require_sandbox(caller)
    ground = ground_of_app()
    with ground.database.transaction() as connection:
        set_switches(connection, caller.id, given, environment=ground.settings.environment, at=ground.clock())
        return list_switches(connection, caller.id)


@sandbox.get("/switches")
@allow(Channel, scope="news", sandbox=True)
@sandbox.response(200, SwitchesSchema)
def get_switches(caller: Channel) -> dict[str, Any]:
    """See what will go wrong, and how many times more."""
    require_sandbox(caller)
    with ground_of_app().database.transaction() as connection:
        return list_switches(connection, caller.id)


@sandbox.delete("/switches")
@allow(Channel, scope="news", sandbox=True)
@sandbox.response(204)
def delete_switches(caller: Channel) -> None:
    """Let nothing go wrong on purpose any more."""
    require_sandbox(caller)
    with ground_of_app().database.transaction() as connection:
        clear_switches(connection, caller.id)
