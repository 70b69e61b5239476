"""What the forms of others share: parameters split and joined in one spelling, a sorted line, Beijing's clock."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote_plus

from auth.errors import SignatureMissing
from auth.signed_forms.received import NAME, NONCE, Received
from sm.der import read_base64, read_der_signature
from sm.errors import SmError

FORM = "application/x-www-form-urlencoded"
BEIJING = timezone(timedelta(hours=8))
MOST_PARAMETERS = 24

_FIXED = "a parameter has another value than the form has"
_PARAMETER = re.compile(r"[a-z_]{1,32}")
_ESCAPED = re.compile(r"(?:[A-Za-z0-9._~*!'()+-]|%[0-9A-F]{2})*")
_NEEDLESS = re.compile(r"%(?:3[0-9]|[46][1-9A-F]|[57][0-9A]|2[DE]|5F)")  # a letter, a digit, or one of - . _


def carries_parameter(received: Received, name: str) -> bool:
    """Tell whether a parameter stands in the query, or in a body that is a form."""
    kind = (received.header("Content-Type") or "").partition(";")[0].strip().lower()
    places = [received.query, received.body.decode("latin-1") if kind == FORM else ""]
    return any(place.startswith(f"{name}=") or f"&{name}=" in place for place in places)


def split_parameters(text: str) -> dict[str, str]:
    """Split ``name=value&…``, each name once, and undo the escapes; raises ``SignatureMissing``."""
    given: dict[str, str] = {}
    parts = text.split("&", MOST_PARAMETERS)
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals or _PARAMETER.fullmatch(name) is None or name in given or len(parts) > MOST_PARAMETERS:
            raise SignatureMissing("a parameter is doubled, misspelt or one too many")
        given[name] = _unescape(value)
    return given


def _unescape(value: str) -> str:
    """Undo the escapes of a form: those that are needed, in capital digits, of UTF-8; anything else is refused."""
    if _ESCAPED.fullmatch(value) is None or _NEEDLESS.search(value) is not None:
        raise SignatureMissing("a parameter is escaped in another way than it has to be")
    try:
        return unquote_plus(value, errors="strict")
    except UnicodeDecodeError:
        raise SignatureMissing("a parameter is not UTF-8") from None


def sorted_line(path: str, parameters: Mapping[str, str]) -> bytes:
    """Join path?name=value&… in the order of the names' characters; the values stand as they are, not escaped."""
    line = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    return f"{path}?{line}".encode()


def require_name(given: str) -> str:
    """Let through an app's id or a serial number; raises ``SignatureMissing``."""
    return _require("an app id or serial number", NAME, given)


def require_nonce(given: str) -> str:
    """Let through 16 to 64 letters, digits, dashes and underscores; raises ``SignatureMissing``."""
    return _require("a nonce", NONCE, given)


def require_fixed(given: str, fixed: str) -> None:
    """Raise ``SignatureMissing`` unless a parameter has the one value that the form allows."""
    if given != fixed:
        raise SignatureMissing(_FIXED)


def read_beijing_time(given: str, form: str) -> int:
    """Read a time of Beijing to seconds since 1970, in one spelling; raises ``SignatureMissing``."""
    try:
        moment = datetime.strptime(given, form).replace(tzinfo=BEIJING)
    except ValueError:
        raise SignatureMissing("the timestamp is not of the form's spelling") from None
    if moment.strftime(form) != given or moment.year < 1970:
        raise SignatureMissing("the timestamp is not of the form's spelling")
    return int(moment.timestamp())


def read_signature_text(given: str) -> bytes:
    """Read base64 in its one spelling; raises ``SignatureMissing``."""
    try:
        return read_base64(given)
    except SmError as error:
        raise SignatureMissing(str(error)) from error


def read_der_text(given: str) -> bytes:
    """Read a signature in base64 of DER to r ‖ s; raises ``SignatureMissing``."""
    try:
        return read_der_signature(read_signature_text(given))
    except SmError as error:
        raise SignatureMissing(str(error)) from error


def _require(what: str, pattern: re.Pattern[str], given: str) -> str:
    if pattern.fullmatch(given) is None:
        raise SignatureMissing(f"{what} has characters or a length that are not allowed")
    return given
