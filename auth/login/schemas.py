from marshmallow import Schema, fields

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
