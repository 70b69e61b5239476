"""The gateway form: all parameters sorted and joined, signed beside them, as at the gateways of Alipay and ICBC.

A POST carries them as a form, the JSON body as ``biz_content``; a GET in its query, among the route's own. Signed is
``path?name=value&…`` of all parameters but ``sign``, sorted by name, values unescaped. Two requests never share that
line: no value but that of ``biz_content`` holds & or =, a POST has one ``biz_content`` and a GET none.
"""

import re
from urllib.parse import unquote_plus

from auth.errors import SignatureMissing
from auth.signed_forms.parameters import (
    read_beijing_time,
    read_signature_text,
    require_fixed,
    require_name,
    require_nonce,
    sorted_line,
)
from auth.signed_forms.received import GATEWAY, Received, UnverifiedRequest
from sm.der import read_der_signature
from sm.errors import SmError

FORM = "application/x-www-form-urlencoded"
TIME = "%Y-%m-%d %H:%M:%S"
FIXED = {"sign_type": "SM2", "charset": "UTF-8", "format": "json"}
NAMES = frozenset({"app_id", "serial_no", "msg_id", "timestamp", "sign", *FIXED})
"""What every request carries; ``msg_id`` is the nonce, ``timestamp`` Beijing time."""
CONTENT = "biz_content"
MOST_PARAMETERS = 24

_SIGN = re.compile(r"(?:^|&)sign=")
_PARAMETER = re.compile(r"[a-z_]{1,32}")
_PLAIN_VALUE = re.compile(r"[ -%'-<>-~]{1,256}")  # printable ASCII without & and =
_ESCAPED = re.compile(r"(?:[A-Za-z0-9._~*!'()+-]|%[0-9A-F]{2})*")
_NEEDLESS = re.compile(r"%(?:3[0-9]|[46][1-9A-F]|[57][0-9A]|2[DE]|5F)")  # a letter, a digit, or one of - . _


def is_gateway_form(received: Received) -> bool:
    """Tell whether a request claims to be signed in this form."""
    kind = (received.header("Content-Type") or "").partition(";")[0].strip().lower()
    return kind == FORM or _SIGN.search(received.query) is not None


def read_gateway_form(received: Received) -> tuple[UnverifiedRequest, bytes]:
    """Read a request and the JSON that it carries; raises ``SignatureMissing``."""
    given = _read_parameters(received)
    for name, fixed in FIXED.items():
        require_fixed(given[name], fixed)
    content = given.get(CONTENT, "")
    unverified = UnverifiedRequest(
        algorithm=GATEWAY,
        app=require_name(given["app_id"]),
        serial=require_name(given["serial_no"]),
        timestamp=read_beijing_time(given["timestamp"], TIME),
        nonce=require_nonce(given["msg_id"]),
        signature=_read_signature(given["sign"]),
        base=sorted_line(received.path, {name: value for name, value in given.items() if name != "sign"}),
    )
    return unverified, content.encode()


def _read_parameters(received: Received) -> dict[str, str]:
    """Read the parameters of a POST's form or a GET's query, each once; the other place stays empty."""
    if received.method == "POST" and not received.query:
        given = _split(received.body.decode("latin-1"))
        required = NAMES | {CONTENT}
        if given.keys() != required:
            raise SignatureMissing(f"a POST has the parameters {', '.join(sorted(required))}, each once")
    elif received.method == "GET" and not received.body:
        given = _split(received.query)
        if not given.keys() >= NAMES or CONTENT in given:
            raise SignatureMissing(f"a GET has the parameters {', '.join(sorted(NAMES))} and no {CONTENT}")
    else:
        raise SignatureMissing("the parameters of a POST stand in its body, those of a GET in its query")
    for name, value in given.items():
        if name not in {CONTENT, "sign"} and _PLAIN_VALUE.fullmatch(value) is None:
            raise SignatureMissing("a parameter is empty, too long, or has characters that are not allowed")
    return given


def _split(text: str) -> dict[str, str]:
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


def _read_signature(given: str) -> bytes:
    try:
        return read_der_signature(read_signature_text(given))
    except SmError as error:
        raise SignatureMissing(str(error)) from error
