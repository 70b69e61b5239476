"""The scheme ESSC-SM2-SM3: one SM2 signature over a request, carried in its Authorization header.

The shape of WeChat Pay's SM mode: user id 1234567812345678, signature as DER in base64.
The time window, the rate limit and the memory of nonces are the caller's; here stand only form and proof.
"""

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass

from sm.der import read_base64, read_der_signature, signature_to_der
from sm.errors import InvalidSignature, Malformed
from sm.sm2 import Signer, Verifier

SCHEME = "ESSC-SM2-SM3"
MAX_HEADER_SIZE = 512

_FIELDS = {
    "app_id": re.compile(r"[A-Za-z0-9._:-]{1,64}"),  # an id of a party; ours is the host of the issuer
    "serial_no": re.compile(r"[A-Za-z0-9_-]{1,64}"),
    "timestamp": re.compile(r"0|[1-9][0-9]{0,11}"),  # seconds, one spelling
    "nonce": re.compile(r"[A-Za-z0-9_-]{16,64}"),
    "signature": re.compile(r"[A-Za-z0-9+/]{8,96}={0,2}"),  # 72 bytes of DER are 96 characters
}
_PAIR = re.compile(r'([a-z_]{1,16})="([^"]{0,128})"')
_METHOD = re.compile(r"[A-Z]{1,16}")
_TARGET = re.compile(r"/[\x21-\x7e]*")  # RFC 9112, 3.2.1, as received; no space, no line end


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A well-formed header. Nothing is proved yet; `signature` is 64 bytes r ‖ s in range."""

    app_id: str
    serial_no: str
    timestamp: int
    nonce: str
    signature: bytes


def base_string(method: str, target: str, timestamp: int, nonce: str, body: bytes) -> bytes:
    r"""Build what is signed: METHOD\npath?query\ntimestamp\nnonce\nbody\n, path and body byte for byte as received.

    Only the body may hold line ends, and it comes last: no two requests share a base string. Otherwise Malformed.
    """
    head = (_require("method", _METHOD, method), _require("path", _TARGET, target))
    stamp = (_require_field("timestamp", str(timestamp)), _require_field("nonce", nonce))
    return b"".join(line.encode("ascii") + b"\n" for line in head + stamp) + body + b"\n"


def sign_request(
    signer: Signer, *, app_id: str, serial_no: str, method: str, target: str, body: bytes, timestamp: int, nonce: str
) -> str:
    """Sign a request; give back the value of its Authorization header. `nonce` is 16 to 64 characters, used once."""
    signature = signer.sign(base_string(method, target, timestamp, nonce, body))
    fields = {
        "app_id": _require_field("app_id", app_id),
        "serial_no": _require_field("serial_no", serial_no),
        "timestamp": str(timestamp),
        "nonce": nonce,
        "signature": base64.b64encode(signature_to_der(signature)).decode("ascii"),
    }
    return f"{SCHEME} " + ",".join(f'{name}="{value}"' for name, value in fields.items())


def read_header(given: str) -> SignedHeader:
    """Read an Authorization header: the five fields once each in any order, nothing between them but a comma.

    Raises Malformed for everything else, and for a signature with a second spelling or out of range.
    """
    if len(given) > MAX_HEADER_SIZE or not given.startswith(f"{SCHEME} "):
        raise Malformed(f"not a header of {SCHEME}")
    fields = read_fields(given.removeprefix(f"{SCHEME} "), _FIELDS)
    return SignedHeader(
        app_id=fields["app_id"],
        serial_no=fields["serial_no"],
        timestamp=int(fields["timestamp"]),
        nonce=fields["nonce"],
        signature=read_signature(fields["signature"]),
    )


def verify_request(verifier: Verifier, header: SignedHeader, *, method: str, target: str, body: bytes) -> None:
    """Verify the header's signature over the request as received; raise InvalidSignature or Malformed.

    `verifier` holds the key that the caller found under the header's app id and serial number.
    """
    verifier.verify(base_string(method, target, header.timestamp, header.nonce, body), header.signature)


def read_fields(given: str, names: Collection[str]) -> dict[str, str]:
    """Read name="value" pairs: each of the names once, in any order, a comma between them; raises Malformed."""
    fields: dict[str, str] = {}
    for part in given.split(","):
        pair = _PAIR.fullmatch(part)
        if pair is None or pair[1] not in names or pair[1] in fields:
            raise Malformed("a field is unknown, doubled or misspelt")
        fields[pair[1]] = _require_field(pair[1], pair[2])
    if len(fields) != len(names):
        raise Malformed("a field is missing")
    return fields


def read_signature(given: str) -> bytes:
    """Read DER in base64 as 64 bytes r ‖ s; raises Malformed for a second spelling or what is out of range."""
    try:
        return read_der_signature(read_base64(given))
    except InvalidSignature as refusal:
        raise Malformed(str(refusal)) from None


def _require_field(name: str, text: str) -> str:
    return _require(name, _FIELDS[name], text)


def _require(name: str, pattern: re.Pattern[str], text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise Malformed(f"{name} has characters or a length that are not allowed")
    return text
