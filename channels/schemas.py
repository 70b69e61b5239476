from marshmallow import Schema, fields, validate


class NoticesQuerySchema(Schema):
    after = fields.String(load_default=None, validate=validate.Length(max=40))
    limit = fields.Integer(load_default=20, validate=validate.Range(min=1, max=100))


class NoticeSchema(Schema):
    id = fields.String()
    kind = fields.String(metadata={"example": "code.redeemed"})
    card = fields.String()
    content = fields.Dict()
    happened_at = fields.String(metadata={"format": "date-time"})


class NoticesSchema(Schema):
    items = fields.List(fields.Nested(NoticeSchema))
    next = fields.String(allow_none=True, metadata={"description": "pass as `after` for the next page"})
