from marshmallow import Schema, fields, validate

from auth.schemas import Whole
from channels.news import NEWS_KINDS
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
