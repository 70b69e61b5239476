from marshmallow import Schema, fields, validate

MOST_PARTS = 10_000


class PartQuerySchema(Schema):
    part = fields.Integer(
        load_default=1,
        validate=validate.Range(min=1, max=MOST_PARTS),
        metadata={"description": "counted from 1, 20,000 lines each; the last one ends with `ESSC-STATEMENT-END`"},
    )
