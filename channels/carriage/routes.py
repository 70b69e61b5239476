import secrets
from dataclasses import asdict
from typing import Any, cast

from flask import current_app

from auth.blueprints import ApiBlueprint
from auth.channel_requests import Channel
from auth.devices import require_active_device
from auth.guard import Partner, Phone, allow
from channels.business_keys import answer_once_for_ever
from channels.carriage.access import (
    SCOPE,
    find_own_carriage,
    get_own_carriage,
    require_own_carriage,
)
from channels.carriage.endings import BY_CHANNEL, IN_APP, end_carriage, resume_carriage, suspend_carriage
from channels.carriage.records import Carriage, get_carriage, list_carriages, list_carriages_of_card
from channels.carriage.schemas import (
    ActSchema,
    CarriageNowSchema,
    CarriageSchema,
    CarriagesQuerySchema,
    CarriagesSchema,
    EndedSchema,
    HolderCarriagesSchema,
    LossReportedSchema,
    SeenQuerySchema,
    ShownUsesSchema,
    SignedSchema,
    SignSchema,
    SuspendSchema,
)
from channels.carriage.showing import pending, shown
from channels.carriage.sign import SYNC, sign_in_app
from channels.carriage.to_show import require_to_show
from channels.desk import CarriageDesk
from channels.registry import RegisteredChannel, get_channel
from channels.sandbox.till import list_trial_uses
from core.clock import to_text
from core.errors import Missing
from ecard.cards import get_card
from ecard.standing import report_loss
from qr.presentment import present_face
from qr.schemas import CodeRequestSchema, CodeSchema, UsesQuerySchema
from qr.uses import list_uses

carried = ApiBlueprint(
    "carriage", __name__, url_prefix="/v1/carriage", description="The card inside a partner's app, with its holder."
)
carriages = ApiBlueprint(
    "carriages", __name__, url_prefix="/v1/carriages", description="The cards that a partner's app carries."
)
of_card = ApiBlueprint(
    "card-carriages", __name__, url_prefix="/v1/cards", description="In which apps the holder's card is carried."
)


def desk() -> CarriageDesk:
    return cast("CarriageDesk", current_app.extensions["channels.carriage"])


# ── With the holder's token ──────────────────────────────────────────────────────────────────────────────────────


@carriages.post("")
@allow(Partner, scope="card.present")
@carriages.arguments(SignSchema())
@carriages.response(201, SignedSchema)
def post_carriage(caller: Partner, given: dict[str, Any]) -> dict[str, Any]:
    """Sign the holder's card in your app; again, and you learn what has become of it since.

    Results: 001 signed here, 002 signed here and elsewhere before or its password was reset since, 004 carried already
    and the password proven, 005 payment opened, 006 changed elsewhere: sync.
    """
    with desk().ground.database.transaction() as connection:
        return sign_in_app(desk(), connection, caller, **given)


@carried.get("")
@allow(Partner, scope="card.read")
@carried.arguments(SeenQuerySchema(), location="query")
@carried.response(200, CarriageNowSchema)
def get_carriage_of_holder(caller: Partner, given: dict[str, Any]) -> dict[str, Any]:
    """See how the holder's card stands in your app; `pending` before you have signed it."""
    with desk().ground.database.transaction() as connection:
        found = find_own_carriage(desk(), connection, caller)
        told = pending(caller.subject) if found is None else shown(connection, found)
    is_behind = given["seen"] is not None and told["sequence"] > given["seen"]
    return told | {"result": SYNC if is_behind else None}


@carried.post("/codes")
@allow(Partner, scope="card.present", limit="codes_per_minute")
@carried.arguments(CodeRequestSchema())
@carried.response(201, CodeSchema)
def post_carriage_code(caller: Partner, given: dict[str, Any]) -> dict[str, Any]:
    """Get a code to show in your app. It dies with the carriage, and its use is recorded with your channel."""
    ground = desk().ground
    found = require_to_show(ground.database, caller, ground.clock())
    if found.test_at is not None:  # of a class that no counter takes, and of the sandbox's time
        given = given | {"use": "test", "at": found.test_at}
    presented = present_face(desk().codes, found.face, **given, randomness=secrets.token_bytes)
    expires_at, life = to_text(presented.expires_at), presented.life_seconds
    return {"code": presented.digits, "kind": presented.kind, "expires_at": expires_at, "life": life}


@carried.get("/uses")
@allow(Partner, scope="card.uses")
@carried.arguments(UsesQuerySchema(), location="query")
@carried.response(200, ShownUsesSchema)
def get_carriage_uses(caller: Partner, given: dict[str, Any]) -> dict[str, Any]:
    """See where codes that your app has shown were used, the newest first; what others have shown is not told."""
    with desk().ground.database.transaction() as connection:
        carriage = require_own_carriage(desk(), connection, caller)
        list_ = list_trial_uses if carriage.is_made_up else list_uses
        uses, following = list_(connection, carriage.card, channel=carriage.channel, **given)
    items = [asdict(use) | {"redeemed_at": to_text(use.redeemed_at)} for use in uses]
    return {"items": items, "next": following}


@carried.post("/loss-reports")
@allow(Partner, scope="card.report_loss")
@carried.arguments(ActSchema())
@carried.response(201, LossReportedSchema)
def post_carriage_loss_report(caller: Partner, given: dict[str, Any]) -> dict[str, Any]:
    """Report the holder's card lost (挂失): no code of it is shown or taken any more, in whichever app.

    The bank function of the chip card is not covered: report it to the card's bank as well.
    """
    with desk().ground.database.transaction() as connection:
        carriage = require_own_carriage(desk(), connection, caller)

        def report() -> dict[str, Any]:
            chip_card = get_card(connection, carriage.card).chip_card
            report_loss(desk().ground, connection, chip_card, actor=carriage.channel)
            return {"id": carriage.id, "state": "suspended"}

        request = {"carriage": carriage.id}
        key = {"channel": carriage.channel, "out_request_no": given["out_request_no"], "act": "loss_report"}
        return answer_once_for_ever(desk().ground, connection, request=request, work=report, **key)


@carried.post("/end")
@allow(Partner, scope="card.unlink")
@carried.arguments(ActSchema())
@carried.response(200, EndedSchema)
def post_carriage_end(caller: Partner, given: dict[str, Any]) -> dict[str, Any]:
    """Take the card out of your app at the holder's wish (解除关联), with all that was linked; result 003."""
    with desk().ground.database.transaction() as connection:
        carriage = get_own_carriage(desk(), connection, caller)
        return end_carriage(desk(), connection, carriage, because=IN_APP, **given)


# ── By the channel alone ─────────────────────────────────────────────────────────────────────────────────────────


@carriages.get("")
@allow(Channel, scope=SCOPE, standing="carrying")
@carriages.arguments(CarriagesQuerySchema(), location="query")
@carriages.response(200, CarriagesSchema)
def get_carriages(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """List the cards that your app carries or has carried, the first one first."""
    with desk().ground.database.transaction() as connection:
        found, following = list_carriages(desk(), connection, caller.id, made_up=not caller.party.is_live, **given)
        return {"items": [shown(connection, carriage) for carriage in found], "next": following}


@carriages.get("/<carriage>")
@allow(Channel, scope=SCOPE, standing="carrying")
@carriages.response(200, CarriageSchema)
def get_carriage_of_channel(caller: Channel, carriage: str) -> dict[str, Any]:
    """See how a card stands in your app."""
    with desk().ground.database.transaction() as connection:
        return shown(connection, get_carriage(desk(), connection, caller.id, carriage))


@carriages.post("/<carriage>/suspend")
@allow(Channel, scope=SCOPE, standing="carrying")
@carriages.arguments(SuspendSchema())
@carriages.response(200, CarriageSchema)
def post_carriage_suspend(caller: Channel, given: dict[str, Any], carriage: str) -> dict[str, Any]:
    """Pause a card in your app: codes that it shows die at once. Elsewhere the card stays as it is."""
    with desk().ground.database.transaction() as connection:
        return suspend_carriage(desk(), connection, caller.id, carriage, **given)


@carriages.post("/<carriage>/resume")
@allow(Channel, scope=SCOPE, standing="carrying")
@carriages.response(200, CarriageSchema)
def post_carriage_resume(caller: Channel, carriage: str) -> dict[str, Any]:
    """Let a card go on that you have paused."""
    with desk().ground.database.transaction() as connection:
        return resume_carriage(desk(), connection, caller.id, carriage)


@carriages.post("/<carriage>/end")
@allow(Channel, scope=SCOPE, standing="carrying")
@carriages.arguments(ActSchema())
@carriages.response(200, EndedSchema)
def post_carriage_end_by_channel(caller: Channel, given: dict[str, Any], carriage: str) -> dict[str, Any]:
    """Take a card out of your app, its holder being no customer of yours any more; result 003."""
    with desk().ground.database.transaction() as connection:
        found = get_carriage(desk(), connection, caller.id, carriage)
        return end_carriage(desk(), connection, found, because=BY_CHANNEL, **given)


# ── By the holder's phone ────────────────────────────────────────────────────────────────────────────────────────


@of_card.get("/<card>/carriages")
@allow(Phone, scope="card")
@of_card.response(200, HolderCarriagesSchema)
def get_carriages_of_card(caller: Phone, card: str) -> dict[str, Any]:
    """See in which apps the card is carried."""
    if card != caller.card:
        raise Missing
    with desk().ground.database.transaction() as connection:
        require_active_device(connection, card, caller.device)
        found = list_carriages_of_card(desk(), connection, card)
        return {"items": [_of_holder(one, get_channel(connection, one.channel)) for one in found]}


# ── How it looks ─────────────────────────────────────────────────────────────────────────────────────────────────


def _of_holder(carriage: Carriage, channel: RegisteredChannel) -> dict[str, Any]:
    return {
        "id": carriage.id,
        "name_zh": channel.name_zh,
        "name_en": channel.name_en,
        "state": carriage.state,
        "link": carriage.link,
        "signed_at": to_text(carriage.signed_at),
        "payment_opened": carriage.payment_opened_at is not None,
    }
