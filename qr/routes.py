import json
import secrets
from dataclasses import asdict
from functools import wraps
from typing import Any, cast

from flask import Response, current_app, request

from auth.blueprints import ApiBlueprint
from auth.guard import Anyone, Phone, View, allow
from auth.signed_requests import Terminal
from core.clock import to_text
from core.errors import Unavailable
from ecard.routes import own_card
from qr.desk import CodeDesk, signed_key_list
from qr.errors import CannotTell
from qr.image import Symbology, draw_png, draw_svg
from qr.offline_uploads import upload_acceptances
from qr.presentment import present_code
from qr.redemption import redeem
from qr.schemas import (
    AcceptancesSchema,
    CodeRequestSchema,
    CodeSchema,
    OutcomesSchema,
    PictureSchema,
    RedeemedSchema,
    RedeemSchema,
    UsesQuerySchema,
    UsesSchema,
    VisitRequestSchema,
    VisitSchema,
)
from qr.uses import list_uses
from qr.visits import get_visit

codes = ApiBlueprint("codes", __name__, url_prefix="/v1", description="Showing the card.")
redemptions = ApiBlueprint("redemptions", __name__, url_prefix="/v1", description="Taking a code, once.")

_IDEMPOTENCY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$"},
    "description": "kept by the terminal; the same key and body give the same answer again",
    "example": "till-3-000017",
}


def desk() -> CodeDesk:
    return cast("CodeDesk", current_app.extensions["qr.desk"])


def give_verdict(view: View) -> View:
    """Tell the person at the counter ``cannot_tell`` wherever something is away: that is no verdict on the code."""

    @wraps(view)
    def judged(*args: Any, **kwargs: Any) -> Any:
        try:
            return view(*args, **kwargs)
        except Unavailable as away:
            raise CannotTell(away.detail, retry_after=away.retry_after or 2, recorded=away.recorded) from away

    return judged


def _created(answer: dict[str, Any]) -> Response:
    """Write the answer of a hot route as it is; that it is what its schema describes the tests of the contract show."""
    return Response(json.dumps(answer, ensure_ascii=False, separators=(",", ":")), 201, mimetype="application/json")


@codes.post("/cards/<card>/codes")
@allow(Phone, scope="card", limit="codes_per_minute")
@codes.arguments(CodeRequestSchema())
@codes.response(201, CodeSchema)
def post_code(caller: Phone, given: dict[str, Any], card: str) -> Response:
    """Get a fresh code to show; a signed one (222 digits) or one for the counter (20 digits)."""
    shown = present_code(
        desk(),
        caller,
        card,
        kind=given["kind"],
        use=given["use"],
        audience=given["audience"],
        randomness=secrets.token_bytes,
    )
    return _created(
        {
            "code": shown.digits,
            "kind": shown.kind,
            "expires_at": to_text(shown.expires_at),
            "life": shown.life_seconds,
        }
    )


@codes.post("/code-images")
@allow(Phone, scope="card", idempotent="own")
@codes.arguments(PictureSchema())
@codes.alt_response(200, description="the picture", content_type="image/png")
def post_picture(_caller: Phone, given: dict[str, Any]) -> Response:
    """Draw a code for a phone that cannot; phones draw the digits themselves wherever they can."""
    draw, kind = (draw_png, "image/png") if given["format"] == "png" else (draw_svg, "image/svg+xml")
    picture = draw(given["code"], symbology=Symbology(given["symbology"]), scale=given["scale"])
    return Response(picture, mimetype=kind, headers={"Cache-Control": "no-store"})


@codes.get("/cards/<card>/uses")
@allow(Phone, scope="card")
@codes.arguments(UsesQuerySchema(), location="query")
@codes.response(200, UsesSchema)
def get_uses(caller: Phone, given: dict[str, Any], card: str) -> dict[str, Any]:
    """See where and when the card was used, the newest first."""
    own_card(desk().ground, caller, card)
    with desk().ground.database.transaction() as connection:
        uses, following = list_uses(connection, card, **given)
    items = [asdict(use) | {"redeemed_at": to_text(use.redeemed_at)} for use in uses]
    return {"items": items, "next": following}


@redemptions.post("/redemptions")
@give_verdict
@allow(Terminal, scope="redeem", idempotent="own")
@redemptions.arguments(RedeemSchema())
@redemptions.doc(parameters=[_IDEMPOTENCY])
@redemptions.response(201, RedeemedSchema)
def post_redemption(caller: Terminal, given: dict[str, Any]) -> Response:
    """Redeem a scanned code: accepted once, refused with the reason otherwise."""
    with desk().ground.database.transaction() as connection:
        accepted = redeem(
            desk(),
            connection,
            caller,
            scanned=given["code"],
            purpose=given["purpose"],
            idempotency_key=request.headers.get("Idempotency-Key"),
        )
    redemption = accepted.redemption
    return _created(
        {
            "id": redemption.id,
            "result": "accepted",
            "redeemed_at": to_text(redemption.redeemed_at),
            "visit_token": accepted.visit_token,
            "visit_expires_at": to_text(redemption.visit_expires_at),
            "entitlement": accepted.entitlement,
        }
    )


@redemptions.post("/visits")
@allow(Terminal, scope="redeem", idempotent="own")
@redemptions.arguments(VisitRequestSchema())
@redemptions.response(200, VisitSchema)
def post_visit(caller: Terminal, given: dict[str, Any]) -> dict[str, Any]:
    """Check a visit token at another desk of the same institution."""
    with desk().ground.database.transaction() as connection:
        visit = get_visit(desk(), connection, caller, given["visit_token"])
    return {"redemption": visit.redemption, "purpose": visit.purpose, "expires_at": to_text(visit.expires_at)}


@redemptions.post("/offline-acceptances")
@allow(Terminal, scope="redeem")
@redemptions.arguments(AcceptancesSchema())
@redemptions.response(200, OutcomesSchema)
def post_acceptances(caller: Terminal, given: dict[str, Any]) -> dict[str, Any]:
    """Hand in what was taken without the service; what somebody else took before is reported."""
    with desk().ground.database.transaction() as connection:
        outcomes = upload_acceptances(desk(), connection, caller, given["items"])
    return {"outcomes": [asdict(outcome) for outcome in outcomes]}


@redemptions.get("/verification-keys")
@allow(Anyone)
@redemptions.alt_response(200, description="the signed key list", content_type="application/json")
def get_verification_keys() -> Response:
    """Fetch the signed list of the keys with which codes are verified offline."""
    answer = Response(signed_key_list(desk()), mimetype="application/json")
    answer.headers["Cache-Control"] = "public, max-age=60"
    return answer
