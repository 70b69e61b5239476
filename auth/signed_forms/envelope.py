"""The JSON envelope, in the shape of the national medical insurance interface: data, and its signature beside it.

The body is one object in canonical form (members sorted, no blanks, nothing escaped that need not be)::

    {"appId", "data" or "encData", "encType", "nonce", "serialNo", "signData", "signType", "timestamp", "version"}

Signed is ``path?name=value&…`` of all members but ``signData`` and ``encData``, sorted by name, with ``data`` as its
JSON text: what was encrypted is signed in clear. ``signData`` is r ‖ s in base64.
"""

import json
from collections.abc import Callable
from typing import Any

from auth.errors import SignatureMissing
from auth.plain_json import read_plain_json
from auth.signed_forms.parameters import (
    read_beijing_time,
    read_signature_text,
    require_fixed,
    require_name,
    require_nonce,
    sorted_line,
)
from auth.signed_forms.received import ENVELOPE, Received, UnverifiedRequest
from sm.digest import sm3
from sm.errors import SmError
from sm.sm2 import read_signature
from sm.sm4 import KEY_SIZE, open_sealed

EnvelopeSecret = Callable[[str, str], str]
"""Give the secret under which an app (id, serial) encrypts its data."""

TIME = "%Y%m%d%H%M%S"
CLEAR, SEALED = "NONE", "SM4"
FIXED = {"signType": "SM2", "version": "1.0"}
_COMMON = frozenset({"appId", "serialNo", "nonce", "timestamp", "encType", "signData", *FIXED})
_BEGINNING = b'{"appId":'


def is_envelope(received: Received) -> bool:
    """Tell whether a request claims to be signed in this form."""
    return received.body.startswith(_BEGINNING)


def read_envelope(received: Received, secret_of: EnvelopeSecret) -> tuple[UnverifiedRequest, bytes]:
    """Read a request and the JSON that it carries, decrypted; raises ``SignatureMissing``."""
    given = _read_members(received)
    for name, fixed in FIXED.items():
        require_fixed(given[name], fixed)
    require_name(given["appId"])
    require_name(given["serialNo"])
    data = _read_data(given, secret_of)
    signed = {name: given[name] for name in _COMMON - {"signData"}} | {"data": data}
    unverified = UnverifiedRequest(
        algorithm=ENVELOPE,
        app=given["appId"],
        serial=given["serialNo"],
        timestamp=read_beijing_time(given["timestamp"], TIME),
        nonce=require_nonce(given["nonce"]),
        signature=_read_signature(given["signData"]),
        base=sorted_line(received.path, signed),
    )
    return unverified, data.encode()


def data_context(app: str, serial: str, nonce: str) -> bytes:
    """Give the additional data under which an envelope's data is sealed: it opens in this envelope alone."""
    return f"{app}\n{serial}\n{nonce}".encode()


def data_key(secret: str) -> bytes:
    """Make the SM4 key of a secret, as WeChat Pay's SM mode does: the first half of its SM3."""
    return sm3(secret.encode())[:KEY_SIZE]


def open_data(secret_of: EnvelopeSecret, *, app: str, serial: str, nonce: str, given: str) -> dict[str, Any]:
    """Decrypt base64 of nonce ‖ ciphertext ‖ tag (SM4-GCM) to an object; raises ``SignatureMissing``.

    The object was in canonical form: ``write_canonical`` gives the very bytes that were encrypted.
    """
    sealed, context = read_signature_text(given), data_context(app, serial, nonce)
    try:
        text = open_sealed(data_key(secret_of(app, serial)), sealed, context)
        data = read_plain_json(text)
    except (SmError, ValueError):
        raise SignatureMissing("what is encrypted does not open, or is no plain JSON") from None
    if not isinstance(data, dict) or write_canonical(data) != text:
        raise SignatureMissing("what is encrypted is no object in canonical form")
    return data


def write_canonical(given: dict[str, Any]) -> bytes:
    """Write an object in its one spelling: members sorted, no blanks, nothing escaped that need not be."""
    return json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _read_members(received: Received) -> dict[str, Any]:
    if received.method != "POST" or received.query:
        raise SignatureMissing("an envelope is sent by POST to an address without query")
    try:
        given = read_plain_json(received.body)
    except ValueError:
        raise SignatureMissing("the envelope is no plain JSON") from None
    wanted = _COMMON | {"encData" if isinstance(given, dict) and given.get("encType") == SEALED else "data"}
    if not isinstance(given, dict) or given.keys() != wanted or write_canonical(given) != received.body:
        raise SignatureMissing("the envelope has other members than its form, or is not in canonical form")
    if any(type(given[name]) is not str for name in wanted - {"data"}):
        raise SignatureMissing("a member of the envelope is no text")
    return given


def _read_data(given: dict[str, Any], secret_of: EnvelopeSecret) -> str:
    if given["encType"] == SEALED:
        app, serial, nonce = given["appId"], given["serialNo"], given["nonce"]
        opened = open_data(secret_of, app=app, serial=serial, nonce=nonce, given=given["encData"])
        return write_canonical(opened).decode()
    require_fixed(given["encType"], CLEAR)
    if not isinstance(given["data"], dict):
        raise SignatureMissing("data is an object")
    return write_canonical(given["data"]).decode()


def _read_signature(given: str) -> bytes:
    try:
        return read_signature(read_signature_text(given))
    except SmError as error:
        raise SignatureMissing(str(error)) from error
