import base64
from typing import Any

from marshmallow import Schema, fields, validate

from auth.schemas import Whole

MOST_BODY = 64 * 1024
"""A longer body says nothing more about a signature, and is hashed some hundred times."""
_BASE64 = {"description": "the same in base64, for what is no UTF-8; counts where both are given"}
_IN_BASE64 = Whole(r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")


class ClaimedRequestSchema(Schema):
    method = fields.String(required=True, validate=validate.Length(1, 16), metadata={"example": "POST"})
    target = fields.String(
        required=True,
        validate=[validate.Length(1, 4096), validate.Regexp(r"^/")],
        metadata={"example": "/v1/carriages?limit=10", "description": "path and query, as the request line has them"},
    )
    header_fields = fields.Dict(
        keys=fields.String(validate=validate.Length(max=64)),
        values=fields.String(validate=validate.Length(max=4096)),
        required=True,
        metadata={"example": {"Authorization": 'ESSC-SM2-SM3 app_id="…",serial_no="…",…'}},
    )
    body = fields.String(validate=validate.Length(max=MOST_BODY), metadata={"description": "as it was sent"})
    body_base64 = fields.String(validate=[validate.Length(max=2 * MOST_BODY), _IN_BASE64], metadata=_BASE64)
    base_string = fields.String(
        validate=validate.Length(max=2 * MOST_BODY), metadata={"description": "what your program signed"}
    )
    base_string_base64 = fields.String(validate=[validate.Length(max=3 * MOST_BODY), _IN_BASE64], metadata=_BASE64)


def content_of(given: dict[str, Any], name: str) -> bytes | None:
    """Give the bytes of a member that may be written in two ways, base64 before text; None where it is not there."""
    encoded, text = given.get(f"{name}_base64"), given.get(name)
    if encoded is not None:
        return base64.b64decode(encoded, validate=True)
    return None if text is None else str(text).encode()


class BaseStringSchema(Schema):
    escaped = fields.String(required=True, metadata={"example": "GET\\n/v1/channel\\n1772438400\\n…\\n\\n"})
    base64 = fields.String(required=True)
    bytes = fields.Integer(required=True)
    sm3 = fields.String(required=True)


class DifferenceSchema(Schema):
    offset = fields.Integer(required=True, metadata={"description": "of the first byte that differs, from 0"})
    line = fields.String(required=True, metadata={"example": "nonce"})
    ours = fields.String(required=True, metadata={"description": "» stands before the byte that differs"})
    theirs = fields.String(required=True)


class ExaminedKeySchema(Schema):
    serial_no = fields.String(required=True, allow_none=True)
    found = fields.Boolean(required=True)
    state = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "valid, withdrawn, expired, not_yet_valid or published"},
    )
    published = fields.Boolean(
        required=True, metadata={"description": "whether it is the published test key, which everybody has"}
    )
    not_before = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})
    not_after = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})


class ExaminedClockSchema(Schema):
    timestamp = fields.Integer(required=True, allow_none=True)
    server_time = fields.Integer(required=True)
    skew = fields.Integer(required=True, allow_none=True, metadata={"description": "seconds; positive is fast"})
    allowed = fields.Integer(required=True, metadata={"example": 300})


class FindingSchema(Schema):
    code = fields.String(required=True, metadata={"example": "last_newline_missing"})
    detail = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)


class ExaminationSchema(Schema):
    algorithm = fields.String(required=True, allow_none=True, metadata={"example": "ESSC-SM2-SM3"})
    base_string = fields.Nested(
        BaseStringSchema, required=True, allow_none=True, metadata={"description": "as it is computed here"}
    )
    difference = fields.Nested(DifferenceSchema, required=True, allow_none=True)
    app_id = fields.String(required=True, allow_none=True)
    app_found = fields.Boolean(required=True)
    key = fields.Nested(ExaminedKeySchema, required=True)
    clock = fields.Nested(ExaminedClockSchema, required=True)
    signature = fields.String(
        required=True, metadata={"description": "right, wrong, unreadable or not_checked", "example": "wrong"}
    )
    diagnosis = fields.List(fields.Nested(FindingSchema), required=True)
