from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from auth.schemas import Whole
from channels.issuance.records import STATES
from channels.schemas import require_no_person
from ecard.holders import is_social_security_number

_SEALED = "kept sealed while it is worked on, then erased"


def _require_number(given: str) -> None:
    if not is_social_security_number(given):
        raise ValidationError("not a number of GB 11643: 18 characters, the last one a check digit")


def _require_printable(given: str) -> None:
    if not given.isprintable() or given.strip() != given:
        raise ValidationError("a name has no line ends and no spaces around it")


def out_request_no_field(**kwargs: Any) -> fields.String:
    """Describe a channel's own number of a request, once for ever."""
    known = {"example": "B20261129-000017", "description": "your own number, once for ever over all you do"}
    return fields.String(validate=[Whole(r"^[A-Za-z0-9_-]{1,64}$"), require_no_person], metadata=known, **kwargs)


class AskSchema(Schema):
    out_request_no = out_request_no_field(required=True)
    social_security_number = fields.String(
        required=True,
        validate=[validate.Length(equal=18), _require_number],
        metadata={"example": "99010019850314012X", "description": f"of your customer; {_SEALED}"},
    )
    name = fields.String(
        required=True,
        validate=[validate.Length(min=1, max=50), _require_printable],
        metadata={"example": "测试甲", "description": f"as you know your customer; {_SEALED}"},
    )
    phone = fields.String(
        required=True,
        validate=Whole(r"^1[0-9]{10}$"),
        metadata={"example": "19900000001", "description": f"the mobile number in use with your app; {_SEALED}"},
    )


class AskedSchema(Schema):
    id = fields.String(required=True, metadata={"example": "iss_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    state = fields.String(required=True, metadata={"enum": list(STATES)})


class FindSchema(Schema):
    out_request_no = out_request_no_field(required=True)


class IssuanceSchema(AskedSchema):
    out_request_no = fields.String(required=True, metadata={"example": "B20261129-000017"})
    because = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "enum": ["not_eligible", "bank_silent", None],
            "description": "why it was refused: not eligible, without a word about why; or your port gave no answer"
            " that can be believed for 24 hours",
        },
    )
    result = fields.String(
        required=True, allow_none=True, metadata={"enum": ["001", "002", None], "description": "002: there was a card"}
    )
    carriage = fields.String(required=True, allow_none=True, metadata={"example": "crg_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    subject = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "the name (sub) of the holder in your channel: go on by token exchange"},
    )
