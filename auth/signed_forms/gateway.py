"""The gateway form: all parameters sorted and joined, signed beside them, as at the gateways of Alipay and ICBC.

A POST carries them as a form, the JSON body as ``biz_content``; a GET in its query, among the route's own. Signed is
``path?name=value&…`` of all parameters but ``sign``, sorted by name, values unescaped. Two requests never share that
line: no value but that of ``biz_content`` holds & or =, a POST has one ``biz_content`` and a GET none.
"""

import re

from auth.errors import SignatureMissing
from auth.signed_forms.parameters import (
    carries_parameter,
    read_beijing_time,
    read_der_text,
    require_fixed,
    require_name,
    require_nonce,
    sorted_line,
    split_parameters,
)
from auth.signed_forms.received import GATEWAY, Received, UnverifiedRequest

TIME = "%Y-%m-%d %H:%M:%S"
FIXED = {"sign_type": "SM2", "charset": "UTF-8", "format": "json"}
NAMES = frozenset({"app_id", "serial_no", "msg_id", "timestamp", "sign", *FIXED})
"""What every request carries; ``msg_id`` is the nonce, ``timestamp`` Beijing time."""
CONTENT = "biz_content"

_PLAIN_VALUE = re.compile(r"[ -%'-<>-~]{1,256}")  # printable ASCII without & and =


def is_gateway_form(received: Received) -> bool:
    """Tell whether a request claims to be signed in this form."""
    return carries_parameter(received, "sign")


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
        signature=read_der_text(given["sign"]),
        base=sorted_line(received.path, {name: value for name, value in given.items() if name != "sign"}),
    )
    return unverified, content.encode()


def _read_parameters(received: Received) -> dict[str, str]:
    """Read the parameters of a POST's form or a GET's query, each once; the other place stays empty."""
    if received.method == "POST" and not received.query:
        given = split_parameters(received.body.decode("latin-1"))
        required = NAMES | {CONTENT}
        if given.keys() != required:
            raise SignatureMissing(f"a POST has the parameters {', '.join(sorted(required))}, each once")
    elif received.method == "GET" and not received.body:
        given = split_parameters(received.query)
        if not given.keys() >= NAMES or CONTENT in given:
            raise SignatureMissing(f"a GET has the parameters {', '.join(sorted(NAMES))} and no {CONTENT}")
    else:
        raise SignatureMissing("the parameters of a POST stand in its body, those of a GET in its query")
    for name, value in given.items():
        if name not in {CONTENT, "sign"} and _PLAIN_VALUE.fullmatch(value) is None:
            raise SignatureMissing("a parameter is empty, too long, or has characters that are not allowed")
    return given
