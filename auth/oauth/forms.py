"""Forms as OAuth sends them, read by hand: one spelling, each parameter once (RFC 6749 section 3.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from auth.oauth.errors import InvalidRequestError

FORM_TYPE = "application/x-www-form-urlencoded"
FORM_LIMIT = 32 * 1024
_MOST_PARAMETERS = 64
_MAY_REPEAT = frozenset({"resource", "audience"})  # RFC 8707 section 2, RFC 8693 section 2.1
_HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Form:
    """Parameters as they were given; nothing of them is believed."""

    given: Mapping[str, tuple[str, ...]]

    def get(self, name: str) -> str | None:
        """Give a parameter, or None; one without a value counts as left out (RFC 6749 section 3.2)."""
        values = self.given.get(name)
        return values[0] if values else None

    def require(self, name: str) -> str:
        """Give a parameter; raises ``InvalidRequestError``."""
        value = self.get(name)
        if value is None:
            raise InvalidRequestError(f"{name} is missing")
        return value

    def all(self, name: str) -> tuple[str, ...]:
        """Give every value of a parameter that may repeat."""
        return self.given.get(name, ())

    def __contains__(self, name: str) -> bool:
        return name in self.given


def read_form(content_type: str | None, body: bytes) -> Form:
    """Read the body of a POST; raises ``InvalidRequestError``."""
    if (content_type or "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise InvalidRequestError(f"send {FORM_TYPE}")
    return read_parameters(body)


def read_parameters(given: bytes) -> Form:
    """Read ``name=value&…``; raises ``InvalidRequestError`` for what two readers could take differently."""
    if len(given) > FORM_LIMIT:
        raise InvalidRequestError("the parameters are too long")
    pairs = given.split(b"&") if given else []
    if len(pairs) > _MOST_PARAMETERS:
        raise InvalidRequestError("too many parameters")
    found: dict[str, list[str]] = {}
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        found.setdefault(_decode(name), []).append(_decode(value))
    if any(len(values) > 1 and name not in _MAY_REPEAT for name, values in found.items()):
        raise InvalidRequestError("a parameter stands twice")
    kept = {name: tuple(value for value in values if value) for name, values in found.items()}
    return Form({name: values for name, values in kept.items() if name and values})


def _decode(given: bytes) -> str:
    try:
        text = given.decode("ascii")
        if not all(set(part[:2]) <= _HEX and len(part) >= 2 for part in text.split("%")[1:]):
            raise InvalidRequestError("a percent sign without two hexadecimal digits")
        decoded = unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise InvalidRequestError("the parameters are not UTF-8 in percent encoding") from None
    if "\x00" in decoded:
        raise InvalidRequestError("the parameters hold NUL")  # no text column keeps one
    return decoded
