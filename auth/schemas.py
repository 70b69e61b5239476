import re
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate

_MEMBER = re.compile(r"(?!.*\d{4})[a-z_][a-z0-9_]{0,39}|\d{1,3}")


def shown_member(name: object) -> str:
    """Repeat the name of a member only if it looks like one of ours: a caller may have put anything there."""
    return str(name) if _MEMBER.fullmatch(str(name)) else "?"


class Whole(validate.Regexp):
    """A pattern that the whole text must match: ``$`` alone would let a line end follow."""

    def __call__(self, value: Any) -> Any:
        if self.regex.fullmatch(value) is None:
            raise ValidationError(self._format_error(value))
        return value


def hex_field(least: int, most: int | None = None, **kwargs: Any) -> fields.String:
    """Describe ``least`` to ``most`` bytes as lower-case hex digits."""
    most = most or least
    pattern = rf"^(?:[0-9a-f]{{2}}){{{least},{most}}}$"
    return fields.String(validate=Whole(pattern), **kwargs)


def word_field(longest: int = 60, **kwargs: Any) -> fields.String:
    """Describe a short name of letters, digits, dots, dashes, underscores and colons."""
    return fields.String(validate=Whole(rf"^[A-Za-z0-9._:-]{{1,{longest}}}$"), **kwargs)


class ProblemSchema(Schema):
    """RFC 9457 problem details, as every refusal looks; some refusals add members of their own."""

    class Meta:
        unknown = INCLUDE

    type = fields.String(required=True, metadata={"example": "/docs/problems#expired"})
    title = fields.String(required=True, metadata={"example": "This code has expired."})
    status = fields.Integer(required=True, metadata={"example": 410})
    code = fields.String(required=True, metadata={"example": "expired"})
    detail = fields.String(metadata={"description": "for the developer"})
    next_step = fields.String(
        required=True, metadata={"example": "Ask the holder to refresh the code and scan the new one."}
    )
    request_id = fields.String(required=True, metadata={"example": "req_0h3k2m5q8r1t4v7w9x2z5b8d1f"})
