from typing import Any, cast

from flask import current_app
from sqlalchemy.engine import Connection

from auth.blueprints import ApiBlueprint
from auth.channel_requests import Channel
from auth.guard import allow
from channels.carriage.access import SCOPE
from channels.sandbox.cards import (
    MadeUpCard,
    end_all_cards,
    get_own_card,
    list_cards,
    make_card,
    require_own_sandbox,
)
from channels.sandbox.clock import put_clock, reset_clock, sandbox_time, seconds_ahead
from channels.sandbox.desk import SandboxDesk
from channels.sandbox.holder_acts import HOLDER_ACTS, answer_login
from channels.sandbox.made_up import PASSWORD
from channels.sandbox.schemas import (
    AnsweredLoginSchema,
    AnswerLoginSchema,
    ClockSchema,
    HolderActSchema,
    MadeUpCardSchema,
    MadeUpCardsSchema,
    MakeCardSchema,
    SandboxTimeSchema,
    SwitchesSchema,
    TakeCodeSchema,
    TakenCodeSchema,
    TrialNewsSchema,
)
from channels.sandbox.switches import clear_switches, list_switches, set_switches
from channels.sandbox.till import take_code
from channels.sandbox.trial_news import record_trial_news, require_sandbox
from channels.schemas import NewsSchema
from core.clock import to_text
from core.ground import Ground

sandbox = ApiBlueprint("sandbox", __name__, url_prefix="/v1/sandbox", description="For channels that are not live yet.")


def ground_of_app() -> Ground:
    return cast("Ground", current_app.extensions["core.ground"])


def desk() -> SandboxDesk:
    return cast("SandboxDesk", current_app.extensions["channels.sandbox"])


# ── News and failures on purpose ──────────────────────────────────────────────────────────────────────────────────


@sandbox.post("/news")
@allow(Channel, scope="news", standing="any")
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
@allow(Channel, scope="news", standing="any", idempotent="own")
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
@allow(Channel, scope="news", standing="any")
@sandbox.response(200, SwitchesSchema)
def get_switches(caller: Channel) -> dict[str, Any]:
    """See what will go wrong, and how many times more."""
    require_sandbox(caller)
    with ground_of_app().database.transaction() as connection:
        return list_switches(connection, caller.id)


@sandbox.delete("/switches")
@allow(Channel, scope="news", standing="any")
@sandbox.response(204)
def delete_switches(caller: Channel) -> None:
    """Let nothing go wrong on purpose any more."""
    require_sandbox(caller)
    with ground_of_app().database.transaction() as connection:
        clear_switches(connection, caller.id)


# ── Made-up cards ─────────────────────────────────────────────────────────────────────────────────────────────────


@sandbox.post("/cards")
@allow(Channel, scope=SCOPE, standing="any")
@sandbox.arguments(MakeCardSchema())
@sandbox.response(201, MadeUpCardSchema)
def post_card(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """Make up a card with a holder whom there is not, for your own client and nobody else's.

    Its password is the published one. No till but the sandbox's takes its codes.
    """
    with desk().ground.database.transaction() as connection:
        channel = require_own_sandbox(desk(), connection, caller.id)
        return _shown(make_card(desk(), connection, channel, **given))


@sandbox.get("/cards")
@allow(Channel, scope=SCOPE, standing="any")
@sandbox.response(200, MadeUpCardsSchema)
def get_cards(caller: Channel) -> dict[str, Any]:
    """List your made-up cards that have not ended, the first one first."""
    with desk().ground.database.transaction() as connection:
        channel = require_own_sandbox(desk(), connection, caller.id)
        return {"items": [_shown(card) for card in list_cards(desk(), connection, channel)]}


@sandbox.post("/cards/<made_up_card>/acts")
@allow(Channel, scope=SCOPE, standing="any")
@sandbox.arguments(HolderActSchema())
@sandbox.response(200, MadeUpCardSchema)
def post_act(caller: Channel, given: dict[str, Any], made_up_card: str) -> dict[str, Any]:
    """Let the made-up holder do something outside your app: you are told of it as of a real holder's acts."""
    with desk().ground.database.transaction() as connection:
        channel = require_own_sandbox(desk(), connection, caller.id)
        HOLDER_ACTS[given["act"]](desk(), connection, channel, get_own_card(desk(), connection, channel, made_up_card))
        return _shown(get_own_card(desk(), connection, channel, made_up_card))


@sandbox.post("/cards/<made_up_card>/logins")
@allow(Channel, scope=SCOPE, standing="any")
@sandbox.arguments(AnswerLoginSchema())
@sandbox.response(200, AnsweredLoginSchema)
def post_login(caller: Channel, given: dict[str, Any], made_up_card: str) -> dict[str, Any]:
    """Be the phone of a made-up holder: answer the login whose code the page shows, and get the number to type in.

    Logins of your own client alone.
    """
    with desk().ground.database.transaction() as connection:
        channel = require_own_sandbox(desk(), connection, caller.id)
        card = get_own_card(desk(), connection, channel, made_up_card)
        approves = given["decision"] == "approve"
        number = answer_login(desk(), connection, channel, card, code=given["code"], approves=approves)
    return {"number": number}


@sandbox.post("/redemptions")
@allow(Channel, scope=SCOPE, standing="any")
@sandbox.arguments(TakeCodeSchema())
@sandbox.response(201, TakenCodeSchema)
def post_redemption(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """Be the till: take a code that your app shows of a made-up card, once; refused in the words of a real till."""
    with desk().ground.database.transaction() as connection:
        require_own_sandbox(desk(), connection, caller.id)
        taken = take_code(desk(), connection, caller.id, given["code"], audience=given["audience"])
    return taken | {"redeemed_at": to_text(taken["redeemed_at"])}


@sandbox.delete("")
@allow(Channel, scope=SCOPE, standing="any")
@sandbox.response(204)
def delete_sandbox(caller: Channel) -> None:
    """Begin anew: end all your made-up cards with their links, and put the time back. News that you have had stay."""
    with desk().ground.database.transaction() as connection:
        channel = require_own_sandbox(desk(), connection, caller.id)
        end_all_cards(desk().ground, connection, channel.id)
        reset_clock(connection, channel.id, desk().ground.clock())


# ── The sandbox's time ────────────────────────────────────────────────────────────────────────────────────────────


@sandbox.put("/clock")
@allow(Channel, scope=SCOPE, standing="any", idempotent="own")
@sandbox.arguments(ClockSchema())
@sandbox.response(200, SandboxTimeSchema)
def put_sandbox_clock(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """Put the sandbox's time ahead of ours, so that codes, links and the next tries of your news come to their end.

    Nothing else follows it: signatures, tokens, limits and what news tell stay in our time.
    """
    with desk().ground.database.transaction() as connection:
        channel = require_own_sandbox(desk(), connection, caller.id)
        put_clock(connection, channel.id, given["offset_seconds"], desk().ground.clock())
        return _shown_time(connection, channel.id)


@sandbox.get("/clock")
@allow(Channel, scope=SCOPE, standing="any")
@sandbox.response(200, SandboxTimeSchema)
def get_sandbox_clock(caller: Channel) -> dict[str, Any]:
    """See what time it is in your sandbox."""
    with desk().ground.database.transaction() as connection:
        return _shown_time(connection, require_own_sandbox(desk(), connection, caller.id).id)


def _shown_time(connection: Connection, channel: str) -> dict[str, Any]:
    now = sandbox_time(connection, channel, desk().ground.clock())
    return {"offset_seconds": seconds_ahead(connection, channel), "now": to_text(now)}


def _shown(card: MadeUpCard) -> dict[str, Any]:
    return {
        "card": card.id,
        "subject": card.subject,
        "name": card.name,
        "social_security_number": card.social_security_number,
        "password": PASSWORD,
        "level": card.level,
        "standing": card.standing,
        "made_at": to_text(card.made_at),
    }
