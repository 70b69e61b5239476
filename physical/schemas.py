from marshmallow import Schema, fields

from auth.schemas import hex_field, word_field


class OpenSessionSchema(Schema):
    operator = word_field(required=True, metadata={"description": "who serves this reader", "example": "op-17"})


class TerminalSessionSchema(Schema):
    id = fields.String(metadata={"example": "ts_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    terminal_nonce = hex_field(16)
    expires_at = fields.String(metadata={"format": "date-time"})
    display = fields.String(
        metadata={"description": "text of the QR code that the reader shows", "example": "ESSC-ENROLL:1:ts_…:9f86…"}
    )


class BegunSchema(Schema):
    id = fields.String()
    service_nonce = hex_field(16)
    device_key_sm3 = hex_field(32)
    expires_at = fields.String(metadata={"format": "date-time"})


class SessionStateSchema(Schema):
    id = fields.String()
    state = fields.String(metadata={"enum": ["open", "begun", "expired"]})
    enrollment = fields.Nested(BegunSchema, allow_none=True)


class NewKeySchema(Schema):
    public_key = hex_field(64, required=True, metadata={"description": "SM2 public key, x and y", "example": "3f" * 64})
    proof = hex_field(
        64,
        required=True,
        metadata={"description": "SM2 signature r and s by it, user id 1234567812345678", "example": "5c" * 64},
    )


class InstitutionNameSchema(Schema):
    id = fields.String(metadata={"example": "ins_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    name = fields.String(metadata={"example": "示范药房"})


class RegisteredTerminalSchema(Schema):
    terminal = fields.String(metadata={"example": "trm_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    serial = fields.String(metadata={"example": "key_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    name = fields.String(metadata={"example": "1 号收银台"})
    site = fields.String(metadata={"example": "示范路 1 号"})
    institution = fields.Nested(InstitutionNameSchema)
    purposes = fields.List(fields.String(), metadata={"example": ["medical", "merchant"]})
    not_after = fields.String(metadata={"format": "date-time"})


class EnteredKeySchema(Schema):
    serial = fields.String(metadata={"example": "key_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    not_after = fields.String(metadata={"format": "date-time"})
