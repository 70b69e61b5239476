from marshmallow import Schema, fields, validate

from auth.schemas import Whole
from channels.carriage.records import STATES
from channels.schemas import require_no_person
from qr.schemas import UseSchema

_RESULT = {"enum": ["001", "002", "004", "005", "006"], "example": "001"}


def out_request_no() -> fields.String:
    """Describe the number that the partner's own books have for an act."""
    described = {"description": "unique for each channel, for ever", "example": "B20261129-000017"}
    return fields.String(
        required=True, validate=[Whole(r"^[A-Za-z0-9_-]{1,64}$"), require_no_person], metadata=described
    )


def sequence(*, strict: bool = False) -> fields.Integer:
    described = {"description": "the highest `sequence` of this card's news that you know", "example": 3}
    most = validate.Range(min=0, max=2**53)
    return fields.Integer(load_default=None, strict=strict, validate=most, metadata=described)


class SignSchema(Schema):
    out_request_no = out_request_no()
    seen = sequence(strict=True)


class ActSchema(Schema):
    out_request_no = out_request_no()


class SuspendSchema(Schema):
    reason = fields.String(
        required=True,
        validate=Whole(r"^[a-z][a-z0-9_]{0,39}$"),
        metadata={"description": "a word of your own, kept in the audit trail", "example": "risk_control"},
    )


class SeenQuerySchema(Schema):
    seen = sequence()


class CarriageSchema(Schema):
    id = fields.String(required=True, allow_none=True, metadata={"example": "crg_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    subject = fields.String(required=True, metadata={"description": "the `sub` of your tokens: the card's name here"})
    state = fields.String(required=True, metadata={"enum": ["pending", *STATES]})
    card_standing = fields.String(
        required=True, allow_none=True, metadata={"enum": ["active", "suspended", "revoked", None]}
    )
    level = fields.String(required=True, allow_none=True, metadata={"enum": ["L1", "L2", "L3", None]})
    payment = fields.Boolean(required=True, metadata={"description": "whether the card may pay at all"})
    payment_opened = fields.Boolean(required=True, metadata={"description": "whether it was opened in your app"})
    sequence = fields.Integer(required=True, metadata={"example": 3, "description": "of its latest news"})
    signed_at = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})
    out_request_no = fields.String(required=True, allow_none=True, metadata={"example": "B20261129-000017"})


class CarriageNowSchema(CarriageSchema):
    result = fields.String(
        required=True,
        allow_none=True,
        metadata={"enum": ["006", None], "description": "006 where there is news of it that you have not seen"},
    )


class SignedSchema(CarriageSchema):
    result = fields.String(required=True, metadata=_RESULT)


class EndedSchema(Schema):
    id = fields.String(required=True, metadata={"example": "crg_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    state = fields.String(required=True, metadata={"example": "revoked"})
    result = fields.String(required=True, metadata={"example": "003"})


class LossReportedSchema(Schema):
    id = fields.String(required=True, metadata={"example": "crg_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    state = fields.String(required=True, metadata={"example": "suspended"})


class CarriagesQuerySchema(Schema):
    after = fields.String(load_default=None, validate=validate.Length(max=40))
    limit = fields.Integer(load_default=50, validate=validate.Range(min=1, max=200))
    state = fields.String(load_default=None, validate=validate.OneOf(STATES))


class CarriagesSchema(Schema):
    items = fields.List(fields.Nested(CarriageSchema), required=True)
    next = fields.String(required=True, allow_none=True, metadata={"description": "pass as `after` for the next page"})


class ShownUseSchema(UseSchema):
    class Meta:
        exclude = ("channel",)


class ShownUsesSchema(Schema):
    items = fields.List(fields.Nested(ShownUseSchema), required=True)
    next = fields.String(required=True, allow_none=True, metadata={"description": "pass as `after` for the next page"})


class HolderCarriageSchema(Schema):
    id = fields.String(required=True, metadata={"example": "crg_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    name_zh = fields.String(required=True, metadata={"example": "示范第一银行"})
    name_en = fields.String(required=True, metadata={"example": "Example Bank One"})
    state = fields.String(required=True, metadata={"enum": list(STATES)})
    link = fields.String(required=True, metadata={"description": "end it by POST /v1/cards/{card}/links/{link}/end"})
    signed_at = fields.String(required=True, metadata={"format": "date-time"})
    payment_opened = fields.Boolean(required=True)


class HolderCarriagesSchema(Schema):
    items = fields.List(fields.Nested(HolderCarriageSchema), required=True)
