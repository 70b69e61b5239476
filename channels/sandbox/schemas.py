from marshmallow import Schema, fields, validate


class TrialNewsSchema(Schema):
    kind = fields.String(required=True, validate=validate.Length(max=60), metadata={"example": "card.loss_reported"})
    card = fields.String(
        load_default="sandbox-card",
        validate=validate.Regexp(r"^sandbox-[A-Za-z0-9_-]{1,56}$"),
        metadata={"description": "a card that there is not; each counts its own sequence"},
    )
    data = fields.Dict(
        keys=fields.String(),
        load_default=None,
        metadata={"description": "in the form of the kind; made up where it is left out"},
    )
