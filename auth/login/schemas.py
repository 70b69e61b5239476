from marshmallow import Schema, fields, validate

from auth.schemas import Whole

_STATES = ["seen", "approved", "confirmed"]
_LEVELS = ["L1", "L2", "L3"]


class LoginCodeSchema(Schema):
    code = fields.String(
        required=True,
        validate=Whole(r"^[A-Za-z -]{8,20}$"),
        metadata={"description": "the last part of the address in the page's QR code", "example": "WDJB-MJHT"},
    )


class ClientNameSchema(Schema):
    name_zh = fields.String(metadata={"example": "示范医保服务平台"})
    name_en = fields.String(metadata={"example": "Example medical insurance service"})
    host = fields.String(metadata={"description": "where the browser goes afterwards", "example": "service.example"})


class ScopeSchema(Schema):
    name = fields.String(metadata={"example": "card.read"})
    zh = fields.String(metadata={"example": "查看您的电子社保卡状态"})
    en = fields.String(metadata={"example": "See how your electronic card stands"})


class LoginRequestSchema(Schema):
    id = fields.String(metadata={"example": "lgn_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    purpose = fields.String(metadata={"example": "oauth"})
    client = fields.Nested(ClientNameSchema)
    scopes = fields.List(fields.Nested(ScopeSchema))
    needed_level = fields.String(metadata={"enum": _LEVELS})
    state = fields.String(metadata={"enum": _STATES})
    begun_at = fields.String(metadata={"format": "date-time"})
    expires_at = fields.String(metadata={"format": "date-time"})


class ApprovedSchema(Schema):
    number = fields.String(metadata={"description": "to be typed into the browser", "example": "0419"})
    return_to = fields.String(
        metadata={
            "description": "the login page, for a browser on this phone; what is behind # is sent to nobody",
        }
    )
    expires_at = fields.String(metadata={"format": "date-time"})


class DeniedSchema(Schema):
    id = fields.String(metadata={"example": "lgn_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    state = fields.String(metadata={"enum": ["denied"]})


class PageQuerySchema(Schema):
    after = fields.String(load_default=None, validate=validate.Length(max=40))
    limit = fields.Integer(load_default=20, validate=validate.Range(min=1, max=100))


class DeviceSchema(Schema):
    id = fields.String(metadata={"example": "dev_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    channel = fields.String(metadata={"description": "the app in which the card was issued", "example": "app"})
    is_caller = fields.Boolean(metadata={"description": "whether it is the phone that asks"})
    bound_at = fields.String(metadata={"format": "date-time"})
    proven_at = fields.String(
        metadata={"format": "date-time", "description": "when phone and chip card last met at a reader"}
    )


class DevicesSchema(Schema):
    items = fields.List(fields.Nested(DeviceSchema))


class DeviceEndedSchema(Schema):
    id = fields.String(metadata={"example": "dev_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    state = fields.String(metadata={"enum": ["ended"]})
    devices_left = fields.Integer(
        metadata={
            "description": "0: no phone carries the card any more, until one is enrolled at a reader",
            "example": 0,
        }
    )


class LinkClientSchema(Schema):
    id = fields.String(metadata={"example": "cli_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    name_zh = fields.String(metadata={"example": "示范银行"})
    name_en = fields.String(metadata={"example": "Example Bank"})


class LinkSchema(Schema):
    id = fields.String(metadata={"example": "grt_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    client = fields.Nested(LinkClientSchema)
    scopes = fields.List(fields.Nested(ScopeSchema))
    granted_at = fields.String(metadata={"format": "date-time"})
    expires_at = fields.String(metadata={"format": "date-time"})


class LinksSchema(Schema):
    items = fields.List(fields.Nested(LinkSchema))
    next = fields.String(allow_none=True, metadata={"description": "pass as `after` for the next page"})


class LinkEndedSchema(Schema):
    id = fields.String(metadata={"example": "grt_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    state = fields.String(metadata={"enum": ["ended"]})


class ConsentSchema(Schema):
    client = fields.Nested(LinkClientSchema)
    scopes = fields.List(fields.Nested(ScopeSchema))
    agreed_at = fields.String(metadata={"format": "date-time"})
    expires_at = fields.String(metadata={"format": "date-time"})


class ConsentsSchema(Schema):
    items = fields.List(fields.Nested(ConsentSchema))
    next = fields.String(allow_none=True, metadata={"description": "pass as `after` for the next page"})


class ConsentEndedSchema(Schema):
    client = fields.String(metadata={"example": "cli_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    state = fields.String(metadata={"enum": ["ended"]})
