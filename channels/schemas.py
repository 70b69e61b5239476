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


class CertificateSchema(Schema):
    serial = fields.String(required=True, metadata={"example": "5f1c0a9be27d4e63"})
    not_before = fields.String(required=True, metadata={"format": "date-time"})
    not_after = fields.String(
        required=True, metadata={"format": "date-time", "description": "good until strictly before"}
    )


class OwnChannelSchema(Schema):
    id = fields.String(required=True, metadata={"example": "chn_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
    name_zh = fields.String(required=True, metadata={"example": "示范第一银行"})
    name_en = fields.String(required=True, metadata={"example": "Example Bank One"})
    channel_class = fields.String(required=True, data_key="class", attribute="class", metadata={"example": "bank"})
    tier = fields.Integer(required=True, metadata={"example": 1})
    above = fields.String(
        required=True, allow_none=True, metadata={"description": "the first-tier channel of a second-tier one"}
    )
    standing = fields.String(required=True, metadata={"example": "live", "description": "with the channel above"})
    scopes = fields.List(fields.String(), required=True, metadata={"example": ["carriage", "news"]})
    algorithms = fields.List(fields.String(), required=True, metadata={"example": ["ESSC-SM2-SM3"]})
    requests_per_minute = fields.Integer(required=True, metadata={"example": 600})
    serial = fields.String(required=True, metadata={"description": "the certificate that signed this request"})
    certificates = fields.List(
        fields.Nested(CertificateSchema), required=True, metadata={"description": "those that are live"}
    )
