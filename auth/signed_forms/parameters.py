"""What the gateway form and the envelope share: named values sorted into one line, and Beijing's clock."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from auth.errors import SignatureMissing
from auth.signed_forms.received import NAME, NONCE
from sm.der import read_base64
from sm.errors import SmError

BEIJING = timezone(timedelta(hours=8))

_FIXED = "a parameter has another value than the form has"


def sorted_line(path: str, parameters: Mapping[str, str]) -> bytes:
    """Join path?name=value&… in the order of the names' characters; the values stand as they are, not escaped."""
    line = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    return f"{path}?{line}".encode()


def require_name(given: str) -> str:
    """Let through an app's id or a serial number; raises ``SignatureMissing``."""
    return _require(NAME, given)


def require_nonce(given: str) -> str:
    """Let through 16 to 64 letters, digits, dashes and underscores; raises ``SignatureMissing``."""
    return _require(NONCE, given)


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


def _require(pattern: re.Pattern[str], given: str) -> str:
    if pattern.fullmatch(given) is None:
        raise SignatureMissing("a parameter has characters or a length that are not allowed")
    return given
