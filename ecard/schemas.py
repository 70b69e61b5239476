from marshmallow import Schema, fields, validate

from auth.schemas import Whole, hex_field, word_field

_STATES = ["pending", "hello", "verified", "issued", "refused", "expired"]
_REASONS = ["wrong_pin", "last_try_kept", "pin_locked", "card_removed", "card_mute", "card_error", "operator"]


def _id_field(prefix: str, **kwargs: object) -> fields.String:
    return fields.String(validate=Whole(rf"^{prefix}_[0-9a-z]{{26}}$"), **kwargs)  # type: ignore[arg-type]


class StartSchema(Schema):
    session = _id_field("ts", required=True)
    terminal_nonce = hex_field(16, required=True)
    channel = word_field(40, load_default="app", metadata={"description": "the app that the phone runs"})


class TerminalNameSchema(Schema):
    id = fields.String()
    name = fields.String(metadata={"example": "中山路社区服务中心 2 号窗口"})


class StartedSchema(Schema):
    id = fields.String(metadata={"example": "enr_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    state = fields.String(metadata={"enum": _STATES})
    service_nonce = hex_field(16)
    expires_at = fields.String(metadata={"format": "date-time"})
    terminal = fields.Nested(TerminalNameSchema)


class HelloSchema(Schema):
    atr = hex_field(2, 33, required=True, metadata={"example": "3b6d00000081a1b2c3d4e5f60718293a4b"})
    interface = fields.String(required=True, validate=validate.OneOf(["contact", "contactless"]))
    algorithm = fields.String(required=True, validate=validate.OneOf(["SM4", "DES", "SSF33"]))
    issuer_data = hex_field(1, 512, required=True, metadata={"description": "records of EF05 as read"})
    internal_authentication = hex_field(8, required=True)
    certificate = hex_field(
        1, 1020, required=True, allow_none=True, metadata={"description": "DER, or null before 3.0"}
    )
    challenge = hex_field(8, required=True, metadata={"description": "the card's random for EXTERNAL AUTHENTICATE"})
    pin_tries_left = fields.Integer(required=True, strict=True, allow_none=True, validate=validate.Range(min=0, max=15))
    round_trip_ms = fields.Integer(required=True, strict=True, validate=validate.Range(min=0, max=600_000))


class HelloAnswerSchema(Schema):
    state = fields.String(metadata={"enum": _STATES})
    external_authentication = hex_field(16)
    proof = fields.String(metadata={"enum": ["signature", "pin"]})


class CompleteSchema(Schema):
    holder_data = hex_field(1, 512, required=True, metadata={"description": "records of EF06 as read"})
    signature = hex_field(64, required=True, allow_none=True, metadata={"description": "the card's r ‖ s"})
    pin_verified = fields.Boolean(required=True, truthy={True}, falsy={False})
    default_pin = fields.Boolean(required=True, truthy={True}, falsy={False})


class CompletedSchema(Schema):
    state = fields.String(metadata={"enum": _STATES})
    level = fields.String(metadata={"enum": ["L1", "L2", "L3"]})


class AbandonSchema(Schema):
    reason = fields.String(required=True, validate=validate.OneOf(_REASONS))
    pin_tries_left = fields.Integer(load_default=None, strict=True, allow_none=True, validate=validate.Range(0, 15))


class StateSchema(Schema):
    state = fields.String(metadata={"enum": _STATES})


class RefusedSchema(Schema):
    code = fields.String(metadata={"example": "chip_card_lost"})


class EnrollmentSchema(Schema):
    id = fields.String()
    state = fields.String(metadata={"enum": _STATES})
    holder_name = fields.String(allow_none=True, metadata={"example": "**华"})
    terminal = fields.Nested(TerminalNameSchema)
    level = fields.String(allow_none=True, metadata={"enum": ["L1", "L2", "L3"]})
    chip_card = fields.String(allow_none=True)
    refusal = fields.Nested(RefusedSchema, allow_none=True)


class ConfirmSchema(Schema):
    chip_card = _id_field("chp", required=True)
    confirmed = fields.Boolean(required=True, truthy={True}, falsy={False})


class IssuedSchema(Schema):
    id = fields.String(metadata={"example": "crd_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    device = fields.String(metadata={"example": "dev_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    level = fields.String(metadata={"enum": ["L1", "L2", "L3"]})
    state = fields.String(metadata={"enum": ["active", "suspended", "revoked"]})
    credential = fields.String(metadata={"description": "JWT, SGD_SM3_SM2, user id ESSC-CARD-1"})
    issued_at = fields.String(metadata={"format": "date-time"})


class CardSchema(Schema):
    id = fields.String()
    state = fields.String(metadata={"enum": ["active", "suspended", "revoked"]})
    level = fields.String(metadata={"enum": ["L1", "L2", "L3"]})
    payment = fields.Boolean(metadata={"description": "false while the chip has its first PIN or the level is low"})
    holder_name = fields.String(metadata={"example": "**华"})
    region = fields.String()
    issued_at = fields.String(metadata={"format": "date-time"})


class CardStateSchema(Schema):
    id = fields.String()
    state = fields.String(metadata={"enum": ["active", "suspended", "revoked"]})


class CredentialSchema(Schema):
    credential = fields.String()


_SIX_DIGITS = {
    "format": "password",
    "example": "274958",
    "description": "six digits; docs/decisions/0012 lists what is refused",
}


class SetPasswordSchema(Schema):
    password = fields.String(required=True, validate=validate.Length(max=64), metadata=_SIX_DIGITS)
    current = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=64),
        metadata={"format": "password", "example": "830472", "description": "to change it; not to set or reset it"},
    )


class PasswordSchema(Schema):
    set = fields.Boolean()
    locked = fields.Boolean()
    locked_until = fields.String(
        allow_none=True,
        metadata={"format": "date-time", "description": "null while locked: until the password is set anew"},
    )
    tries_left = fields.Integer(metadata={"description": "wrong tries until the next lock"})
    changed_at = fields.String(allow_none=True, metadata={"format": "date-time"})
