from marshmallow import Schema, fields, validate

_USES = ["identity", "medical", "merchant", "gate", "test"]
_LONGEST_SCAN = 512  # threats.md P3


class CodeRequestSchema(Schema):
    kind = fields.String(load_default="signed", validate=validate.OneOf(["signed", "counter"]))
    use = fields.String(required=True, data_key="class", validate=validate.OneOf(_USES))
    audience = fields.Integer(load_default=0, strict=True, validate=validate.Range(min=0, max=0xFFFF))


class CodeSchema(Schema):
    code = fields.String(metadata={"description": "222 digits (signed) or 20 digits (counter)"})
    kind = fields.String(metadata={"enum": ["signed", "counter"]})
    expires_at = fields.String(metadata={"format": "date-time"})
    life = fields.Integer(metadata={"description": "seconds", "example": 60})


class PictureSchema(Schema):
    code = fields.String(required=True, validate=validate.Length(min=20, max=_LONGEST_SCAN))
    format = fields.String(load_default="png", validate=validate.OneOf(["png", "svg"]))
    symbology = fields.String(load_default="qr", validate=validate.OneOf(["qr", "code128"]))
    scale = fields.Integer(load_default=6, strict=True, validate=validate.Range(min=1, max=20))


class RedeemSchema(Schema):
    code = fields.String(required=True, validate=validate.Length(min=1, max=_LONGEST_SCAN))
    purpose = fields.String(required=True, validate=validate.OneOf(_USES))


class EntitlementSchema(Schema):
    pseudonym = fields.String(metadata={"description": "the same for one card at one institution, nowhere else"})
    eligible = fields.Boolean()
    payment = fields.Boolean(metadata={"description": "false below L3 and while the chip has its first PIN"})
    entitled = fields.Boolean()
    test = fields.Boolean()
    level = fields.String()
    insured_region = fields.String(metadata={"example": "990100"})
    holder_name = fields.String(metadata={"example": "**华"})
    social_security_number = fields.String(metadata={"description": "medical, with the scope full_number, only"})
    standing_at_upload = fields.String()


class RedeemedSchema(Schema):
    id = fields.String(metadata={"example": "red_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    result = fields.String(metadata={"enum": ["accepted"]})
    redeemed_at = fields.String(metadata={"format": "date-time"})
    visit_token = fields.String()
    visit_expires_at = fields.String(metadata={"format": "date-time"})
    entitlement = fields.Nested(EntitlementSchema)


class VisitRequestSchema(Schema):
    visit_token = fields.String(required=True, validate=validate.Length(min=20, max=200))


class VisitSchema(Schema):
    redemption = fields.String()
    purpose = fields.String(metadata={"enum": _USES})
    expires_at = fields.String(metadata={"format": "date-time"})


class AcceptanceSchema(Schema):
    code = fields.String(required=True, validate=validate.Length(min=1, max=_LONGEST_SCAN))
    accepted_at = fields.AwareDateTime(required=True, format="iso")


class AcceptancesSchema(Schema):
    items = fields.List(
        fields.Nested(AcceptanceSchema), required=True, validate=validate.Length(min=1, max=500), data_key="items"
    )


class FirstUseSchema(Schema):
    where = fields.String(metadata={"enum": ["here", "elsewhere"]})
    at = fields.String(metadata={"format": "date-time"})


class OutcomeSchema(Schema):
    index = fields.Integer()
    result = fields.String(metadata={"enum": ["recorded", "duplicate", "refused"]})
    redemption = fields.String(allow_none=True)
    code = fields.String(allow_none=True)
    first = fields.Nested(FirstUseSchema, allow_none=True)


class OutcomesSchema(Schema):
    outcomes = fields.List(fields.Nested(OutcomeSchema))


class UsesQuerySchema(Schema):
    after = fields.String(load_default=None, validate=validate.Length(max=40))
    limit = fields.Integer(load_default=20, validate=validate.Range(min=1, max=100))


class UseSchema(Schema):
    id = fields.String()
    purpose = fields.String(metadata={"enum": _USES})
    institution = fields.String(metadata={"example": "示范药房"})
    terminal = fields.String()
    rendering = fields.String(metadata={"enum": ["signed", "counter"]})
    mode = fields.String(metadata={"enum": ["online", "offline"]})
    redeemed_at = fields.String(metadata={"format": "date-time"})
    channel = fields.String(
        allow_none=True, metadata={"description": "in whose app the code was shown; null for the holder's own phone"}
    )


class UsesSchema(Schema):
    items = fields.List(fields.Nested(UseSchema))
    next = fields.String(allow_none=True, metadata={"description": "pass as `after` for the next page"})
