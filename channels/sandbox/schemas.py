from marshmallow import Schema, fields, validate

from channels.news import NEWS_KINDS


class TrialNewsSchema(Schema):
    kind = fields.String(
        required=True, validate=validate.OneOf(list(NEWS_KINDS)), metadata={"example": "card.loss_reported"}
    )
    card = fields.String(
        load_default="sandbox-card",
        validate=validate.Regexp(r"^sandbox-[A-Za-z0-9_-]{1,56}$"),
        metadata={"description": "a card that there is not; each counts its own sequence"},
    )
