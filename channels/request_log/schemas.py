from marshmallow import Schema, fields, validate


class RequestsQuerySchema(Schema):
    after = fields.String(load_default=None, validate=validate.Length(max=40))
    limit = fields.Integer(load_default=50, validate=validate.Range(min=1, max=200))


class LoggedRequestSchema(Schema):
    id = fields.String(required=True, metadata={"description": "the X-Request-Id of its answer"})
    arrived_at = fields.String(required=True, metadata={"format": "date-time"})
    method = fields.String(required=True, metadata={"example": "GET"})
    route = fields.String(required=True, metadata={"example": "/v1/channel", "description": "without ids and query"})
    status = fields.Integer(required=True, metadata={"example": 200})
    code = fields.String(required=True, allow_none=True, metadata={"description": "of the problem, if it was refused"})
    algorithm = fields.String(required=True, metadata={"example": "ESSC-SM2-SM3"})
    serial = fields.String(required=True, metadata={"description": "the certificate that signed it"})


class LoggedRequestsSchema(Schema):
    items = fields.List(fields.Nested(LoggedRequestSchema), required=True)
    next = fields.String(
        required=True, allow_none=True, metadata={"description": "pass as `after` for the requests before these"}
    )
