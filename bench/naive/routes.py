from datetime import UTC, datetime
from uuid import uuid4

import jwt
from flask import current_app, request
from flask.views import MethodView
from flask_smorest import Blueprint, abort
from marshmallow import Schema, fields, validate

from bench.naive.codes import LIFE_SECONDS, mint_code, open_code, verify
from bench.naive.models import Card, Device, Redemption, Terminal
from sm.signed_request import base_string, read_header

blueprint = Blueprint("naive", __name__, url_prefix="/v1")
_USES = ["identity", "medical", "merchant", "gate", "test"]


class CodeRequestSchema(Schema):
    kind = fields.String(load_default="signed", validate=validate.OneOf(["signed"]))
    use = fields.String(required=True, data_key="class", validate=validate.OneOf(_USES))


class CodeSchema(Schema):
    code = fields.String()
    kind = fields.String()
    expires_at = fields.DateTime()
    life = fields.Integer()


class RedeemSchema(Schema):
    code = fields.String(required=True, validate=validate.Length(equal=222))
    purpose = fields.String(required=True, validate=validate.OneOf(_USES))


class RedeemedSchema(Schema):
    id = fields.String()
    result = fields.String()
    visit_token = fields.String()
    entitlement = fields.Dict()


def _claims() -> dict:
    """Check the bearer token, the key's PEM text read anew as PyJWT does with text."""
    config = current_app.config
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    try:
        return jwt.decode(token, config["token_key"], algorithms=["ES256"], audience=config["issuer"])
    except jwt.InvalidTokenError:
        abort(401)


def _terminal(session) -> Terminal:
    """Find the calling terminal: by bearer token, or by the signed request that the real service asks for."""
    given = request.headers.get("Authorization", "")
    if given.startswith("Bearer "):
        terminal = session.get(Terminal, _claims()["sub"])
    else:
        header = read_header(given)
        terminal = session.get(Terminal, header.app_id)
        base = base_string(request.method, request.path, header.timestamp, header.nonce, request.get_data())
        if not verify(terminal.public_key, base, header.signature.hex()):
            abort(401)
        if not current_app.config["redis"].set(f"nonce:{header.nonce}", 1, nx=True, ex=600):
            abort(409)
    if terminal is None or terminal.status != "active":
        abort(403)
    return terminal


@blueprint.route("/cards/<string:card_id>/codes")
class Codes(MethodView):
    @blueprint.arguments(CodeRequestSchema)
    @blueprint.response(201, CodeSchema)
    def post(self, body, card_id):
        claims, config = _claims(), current_app.config
        with config["sessions"]() as session:
            device = session.get(Device, claims["sub"])
            card = session.get(Card, card_id)
            if device is None or card is None or device.card_id != card.id:
                abort(404)
            if device.status != "active" or card.status != "active":
                abort(403)
            keys = config["private_key"], config["public_key"], config["handle_key"]
            code = mint_code(*keys, card.card_index, body["use"])
        expires_at = datetime.fromtimestamp(int(datetime.now(UTC).timestamp()) + LIFE_SECONDS, UTC)
        return {"code": code, "kind": "signed", "expires_at": expires_at, "life": LIFE_SECONDS}


@blueprint.route("/redemptions")
class Redemptions(MethodView):
    @blueprint.arguments(RedeemSchema)
    @blueprint.response(201, RedeemedSchema)
    def post(self, body):
        config = current_app.config
        with config["sessions"]() as session:
            terminal = _terminal(session)
            opened = open_code(config["public_key"], config["handle_key"], body["code"], body["purpose"])
            if opened is None:
                abort(410)
            handle, card_index = opened
            card = session.query(Card).filter_by(card_index=card_index).one_or_none()
            if card is None or card.status != "active":
                abort(409)
            # mark, then record
            if not config["redis"].set(f"used:{handle}", terminal.id, nx=True, ex=600):
                abort(409)
            redemption = Redemption(
                id=f"red_{uuid4().hex}",
                handle=handle,
                card_id=card.id,
                terminal_id=terminal.id,
                purpose=body["purpose"],
                redeemed_at=datetime.now(UTC),
            )
            session.add(redemption)
            session.commit()
            entitlement = {"eligible": True, "holder_name": card.holder.name}
            return {
                "id": redemption.id,
                "result": "accepted",
                "visit_token": uuid4().hex,
                "entitlement": entitlement,
            }
