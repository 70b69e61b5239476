"""The parameters of the H5 entry that partners build today, sent as a form by the partner's own server.

``_api_name`` names what the holder comes for and reaches the view as the member ``act``; what else there is to say is
the JSON object in ``security``, encrypted as the data of an envelope is (``auth.signed_forms.envelope``)::

    _api_access_id, _api_name, _api_nonce, _api_serial_no, _api_signature, _api_timestamp, security

Signed is ``path?name=value&…`` of all but ``_api_signature``, sorted, with ``security`` in clear. No two requests
share that line: ``security`` comes last, and no other value holds & or =. ``_api_timestamp`` is in milliseconds.
"""

import re

from auth.errors import SignatureMissing
from auth.signed_forms.envelope import EnvelopeSecret, open_data, write_canonical
from auth.signed_forms.parameters import (
    carries_parameter,
    read_der_text,
    require_name,
    require_nonce,
    sorted_line,
    split_parameters,
)
from auth.signed_forms.received import H5, Received, UnverifiedRequest

SIGNATURE, SECURITY = "_api_signature", "security"
_NAMED = ("access_id", "name", "nonce", "serial_no", "timestamp")
NAMES = frozenset({*(f"_api_{name}" for name in _NAMED), SIGNATURE, SECURITY})
"""What every request carries, and nothing else: never a holder's name or number beside what is encrypted."""
ACT = "act"
"""The member of the content in which ``_api_name`` reaches the view."""

_API = re.compile(r"[a-z][a-z_]{0,39}")
_MILLIS = re.compile(r"[1-9][0-9]{12}")  # from 2001 to 2286: seconds are refused


def is_h5_entry(received: Received) -> bool:
    """Tell whether a request claims to be signed in this form."""
    return carries_parameter(received, SIGNATURE)


def read_h5_entry(received: Received, secret_of: EnvelopeSecret) -> tuple[UnverifiedRequest, bytes]:
    """Read a request and the JSON that it carries, decrypted; raises ``SignatureMissing``."""
    given = _read_parameters(received)
    app, serial = require_name(given["_api_access_id"]), require_name(given["_api_serial_no"])
    act, nonce = _require_api(given["_api_name"]), require_nonce(given["_api_nonce"])
    timestamp, signature = _read_seconds(given["_api_timestamp"]), read_der_text(given[SIGNATURE])
    data = open_data(secret_of, app=app, serial=serial, nonce=nonce, given=given[SECURITY])
    if ACT in data:
        raise SignatureMissing("what the holder comes for stands in _api_name alone")
    meant = given | {SECURITY: write_canonical(data).decode()}
    base = sorted_line(received.path, {name: value for name, value in meant.items() if name != SIGNATURE})
    return UnverifiedRequest(H5, app, serial, timestamp, nonce, signature, base), write_canonical(data | {ACT: act})


def _read_parameters(received: Received) -> dict[str, str]:
    if received.method != "POST" or received.query:
        raise SignatureMissing("an H5 entry is sent by POST, its parameters in the body: none stands in an address")
    given = split_parameters(received.body.decode("latin-1"))
    if given.keys() != NAMES:
        raise SignatureMissing(f"an H5 entry has the parameters {', '.join(sorted(NAMES))}, each once")
    return given


def _read_seconds(given: str) -> int:
    if _MILLIS.fullmatch(given) is None:
        raise SignatureMissing("_api_timestamp is in milliseconds since 1970")
    return int(given) // 1000


def _require_api(given: str) -> str:
    if _API.fullmatch(given) is None:
        raise SignatureMissing("_api_name is small letters and underscores")
    return given
