from marshmallow import Schema, ValidationError, fields, validate

from channels.news import MOST_NEWS
from ecard.holders import is_social_security_number


def require_no_person(given: str) -> None:
    """Refuse a person's number as the number of a request: that one is kept in clear, and for ever."""
    if is_social_security_number(given):
        raise ValidationError("a number of GB 11643 names a person, not a request")


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


class OwnCertificateSchema(CertificateSchema):
    ends_soon = fields.Boolean(
        required=True,
        metadata={"description": "within 30 days; in the sandbox by its time", "example": False},
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
        fields.Nested(OwnCertificateSchema), required=True, metadata={"description": "those that are live"}
    )


class NewsQuerySchema(Schema):
    after = fields.Integer(
        load_default=0,
        validate=validate.Range(min=0, max=2**53),
        metadata={"description": "a position; 0 for the beginning"},
    )
    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=MOST_NEWS))


class NewsSchema(Schema):
    id = fields.String(required=True, metadata={"description": "the same at every try, and here"})
    type = fields.String(required=True, metadata={"example": "card.loss_reported"})
    timestamp = fields.String(required=True, metadata={"format": "date-time", "description": "when it happened"})
    channel = fields.String(required=True)
    position = fields.Integer(required=True, metadata={"example": 17, "description": "its place in your news"})
    card = fields.String(required=True, metadata={"description": "the subject (sub) under which you know the holder"})
    sequence = fields.Integer(required=True, metadata={"example": 3, "description": "counts the news of this card"})
    data = fields.Dict(required=True, metadata={"example": {"standing": "suspended"}})


class NewsPageSchema(Schema):
    items = fields.List(fields.Nested(NewsSchema), required=True)
    next = fields.Integer(required=True, metadata={"description": "pass as `after` for what follows, now or later"})
    more = fields.Boolean(required=True, metadata={"description": "whether there is another page already"})


class NewsKeySchema(Schema):
    kid = fields.String(required=True, metadata={"example": "news-ed25519-1"})
    kty = fields.String(required=True, metadata={"example": "OKP"})
    crv = fields.String(required=True, metadata={"example": "Ed25519"})
    use = fields.String(required=True, metadata={"example": "sig"})
    x = fields.String(required=True)
    y = fields.String()
    version = fields.String(required=True, metadata={"example": "v1a", "description": "marks its signatures"})
    state = fields.String(required=True, metadata={"example": "current"})
    whpk = fields.String(metadata={"description": "the same key as Standard Webhooks writes it"})


class NewsKeysSchema(Schema):
    keys = fields.List(fields.Nested(NewsKeySchema), required=True)


class PlatformCertificateSchema(CertificateSchema):
    state = fields.String(required=True, metadata={"example": "current", "description": "next, current or retired"})
    certificate = fields.String(required=True, metadata={"description": "PEM"})


class PlatformCertificatesSchema(Schema):
    certificates = fields.List(fields.Nested(PlatformCertificateSchema), required=True)
    authorities = fields.List(
        fields.String(), required=True, metadata={"description": "PEM: city, province, ministry; pin the last one"}
    )
