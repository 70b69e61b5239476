from typing import Any

from marshmallow import Schema, fields, validate

from auth.schemas import Whole
from channels.news import NEWS_KINDS
from channels.sandbox.clock import MOST_SECONDS
from channels.sandbox.holder_acts import HOLDER_ACTS
from channels.sandbox.made_up import PASSWORD
from channels.sandbox.switches import MOST_DELAY, MOST_TIMES, NEWS_FAULTS, STATUSES


class TrialNewsSchema(Schema):
    kind = fields.String(
        required=True, validate=validate.OneOf(list(NEWS_KINDS)), metadata={"example": "card.loss_reported"}
    )
    card = fields.String(
        load_default="sandbox-card",
        validate=Whole(r"^sandbox-[A-Za-z0-9_-]{1,56}$"),
        metadata={"description": "a card that there is not; each counts its own sequence"},
    )


def _times() -> fields.Integer:
    described = {"description": "how many times more", "example": 3}
    return fields.Integer(required=True, strict=True, validate=validate.Range(1, MOST_TIMES), metadata=described)


class AnswersSwitchSchema(Schema):
    times = _times()
    delay_ms = fields.Integer(
        load_default=0,
        strict=True,
        validate=validate.Range(0, MOST_DELAY),
        metadata={"description": "in development environments; one answer at a time is delayed"},
    )
    status = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.OneOf(STATUSES),
        metadata={"description": "told in place of the answer; the request was carried out", "example": 503},
    )
    wrong_signature = fields.Boolean(
        load_default=False, metadata={"description": "the answer's signature does not verify"}
    )


class NewsSwitchSchema(Schema):
    times = _times()
    fault = fields.String(
        required=True,
        validate=validate.OneOf(NEWS_FAULTS),
        metadata={
            "description": "posted twice, lost (and tried again as after a failure), or signed wrongly",
            "example": "double",
        },
    )


class SwitchesSchema(Schema):
    answers = fields.Nested(AnswersSwitchSchema, required=True, allow_none=True)
    news = fields.Nested(NewsSwitchSchema, required=True, allow_none=True)


_CARD = {"example": "crd_0h3k2m5q8r1t4v7w9x2z5b8d1f"}


class MakeCardSchema(Schema):
    level = fields.String(
        required=True,
        validate=validate.OneOf(["L2", "L3"]),
        metadata={"description": "L3 as after a reader, L2 as on a bank's word", "example": "L3"},
    )


class MadeUpCardSchema(Schema):
    card = fields.String(required=True, metadata=_CARD)
    subject = fields.String(
        required=True, allow_none=True, metadata={"description": "the `sub` of your client's tokens; null without one"}
    )
    name = fields.String(required=True, metadata={"example": "沙箱甲"})
    social_security_number = fields.String(
        required=True,
        metadata={
            "description": "no person's: a region that there is not, and a wrong check character",
            "example": "999999199001010010",
        },
    )
    password = fields.String(required=True, metadata={"description": "the published one", "example": PASSWORD})
    level = fields.String(required=True, metadata={"enum": ["L2", "L3"], "example": "L3"})
    standing = fields.String(required=True, metadata={"enum": ["active", "suspended", "revoked"], "example": "active"})
    made_at = fields.String(required=True, metadata={"format": "date-time"})


class MadeUpCardsSchema(Schema):
    items = fields.List(fields.Nested(MadeUpCardSchema), required=True)


class HolderActSchema(Schema):
    act = fields.String(
        required=True,
        validate=validate.OneOf(list(HOLDER_ACTS)),
        metadata={
            "description": "report the card lost, lift that, end the link with your app, reset the password (to the"
            " published one), or have the card cancelled",
            "example": "report_loss",
        },
    )


class AnswerLoginSchema(Schema):
    code = fields.String(
        required=True,
        validate=Whole(r"^[A-Za-z -]{8,20}$"),
        metadata={"description": "as the login page shows it", "example": "BCDF-GHJK"},
    )
    decision = fields.String(
        load_default="approve", validate=validate.OneOf(["approve", "deny"]), metadata={"example": "approve"}
    )


class AnsweredLoginSchema(Schema):
    number = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "to be typed into the page; null where it was denied", "example": "0417"},
    )


class TakeCodeSchema(Schema):
    code = fields.String(
        required=True, validate=validate.Length(min=1, max=512), metadata={"description": "as it was scanned"}
    )
    audience = fields.Integer(
        load_default=0,
        strict=True,
        validate=validate.Range(0, 0xFFFF),
        metadata={"description": "the group of merchants that the till belongs to", "example": 0},
    )


class TakenCodeSchema(Schema):
    id = fields.String(required=True, metadata={"example": "red_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    result = fields.String(required=True, metadata={"example": "accepted"})
    purpose = fields.String(required=True, metadata={"description": "always test", "example": "test"})
    rendering = fields.String(required=True, metadata={"enum": ["signed", "counter"], "example": "signed"})
    redeemed_at = fields.String(required=True, metadata={"format": "date-time"})


def _offset(**more: Any) -> fields.Integer:
    described = {"description": "how far the sandbox's time is ahead of ours", "example": 3600}
    return fields.Integer(required=True, metadata=described, **more)


class ClockSchema(Schema):
    offset_seconds = _offset(strict=True, validate=validate.Range(0, MOST_SECONDS))


class SandboxTimeSchema(Schema):
    offset_seconds = _offset()
    now = fields.String(required=True, metadata={"format": "date-time", "description": "in the sandbox"})
