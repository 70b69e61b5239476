r"""Signed requests and answers, ESSC-SM2-SM3: who you are in each request, and that an answer is the service's.

A request signs METHOD\npath?query\ntimestamp\nnonce\nbody\n, an answer STATUS\npath?query\ntimestamp\nnonce\nbody\n
with path, query and nonce of its request. Certificates of the answer keys are believed because they lead up to the
ministry's certificate that you have pinned, never because the service showed them.
"""

import base64
import binascii
import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from asn1crypto import pem, x509

from ecard_client import sm2
from ecard_client.errors import NotProven

SCHEME = "ESSC-SM2-SM3"
ANSWER_HEADER = "ESSC-Signature"
PLATFORM_PURPOSE = "2.25.216496411078038850163260663630861635375"
_SM2_WITH_SM3 = "1.2.156.10197.1.501"  # GM/T 0006
_SKEW_SECONDS = 300
_FIELDS = re.compile(r'(app_id|serial_no|timestamp|nonce|signature)="([^"]{1,128})"')
_ANSWER_NAMES = frozenset({"serial_no", "timestamp", "nonce", "signature"})
_REQUEST_NAMES = _ANSWER_NAMES | {"app_id"}


def base_string(first: str, target: str, timestamp: int, nonce: str, body: bytes) -> bytes:
    """Build what is signed; ``first`` is the method of a request or the status of an answer."""
    return f"{first}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def sign_request(
    key: sm2.SigningKey,
    *,
    app_id: str,
    serial_no: str,
    method: str,
    target: str,
    body: bytes,
    timestamp: int,
    nonce: str,
) -> str:
    """Give the value of the Authorization header; ``nonce`` is 16 to 64 characters and used once."""
    signature = base64.b64encode(key.sign(base_string(method, target, timestamp, nonce, body))).decode()
    fields = {"app_id": app_id, "serial_no": serial_no, "timestamp": timestamp, "nonce": nonce, "signature": signature}
    return f"{SCHEME} " + ",".join(f'{name}="{value}"' for name, value in fields.items())


class AnswerKeys:
    """The service's answer keys by serial number, each proven up to the pinned certificate.

    Args:
        pinned: the ministry's certificate, PEM, given to you when your channel was registered.
    """

    def __init__(self, pinned: str) -> None:
        self._pinned = load_certificate(pinned)
        self._keys: dict[str, tuple[bytes, datetime, datetime]] = {}

    def has(self, serial: str) -> bool:
        """Tell whether a key is known; if not, fetch the published ones."""
        return serial in self._keys

    def take(self, published: Mapping[str, Any], now: float | None = None) -> None:
        """Take what /v1/platform-certificates answered; raises ``NotProven`` where a chain does not hold."""
        at = datetime.fromtimestamp(time.time() if now is None else now, UTC)
        authorities = [load_certificate(one) for one in published["authorities"]]
        found = {}
        for row in published["certificates"]:
            leaf = load_certificate(row["certificate"])
            require_chain(leaf, authorities, self._pinned, at, PLATFORM_PURPOSE)
            found[f"{leaf.serial_number:x}"] = (public_key_of(leaf), leaf.not_valid_before, leaf.not_valid_after)
        self._keys = found

    def verify_request(self, header: str, *, method: str, target: str, body: bytes, now: float | None = None) -> str:
        """Return the nonce of a request that the service has signed (a question to a bank's port).

        Args:
            header: the value of its Authorization.
            method: of HTTP.
            target: path and query, as they came.
            body: as it came.
            now: seconds since 1970; the clock's if left out.

        Raises ``NotProven``. Take each nonce once.
        """
        fields = _read_fields(header.removeprefix(f"{SCHEME} "), _REQUEST_NAMES)
        if not header.startswith(f"{SCHEME} "):
            raise NotProven("the request is not signed")
        signed = base_string(method, target, int(fields["timestamp"]), fields["nonce"], body)
        self._prove(fields, signed, time.time() if now is None else now)
        return fields["nonce"]

    def verify(
        self, header: str, *, status: int, target: str, nonce: str, body: bytes, now: float | None = None
    ) -> None:
        """Return if the answer to the request with this target and nonce is the service's, else raise ``NotProven``."""
        fields = _read_fields(header)
        if fields["nonce"] != nonce:
            raise NotProven("the answer is not to this request")
        signed = base_string(f"{status:03d}", target, int(fields["timestamp"]), nonce, body)
        self._prove(fields, signed, time.time() if now is None else now)

    def _prove(self, fields: Mapping[str, str], signed: bytes, at: float) -> None:
        public_key, begins, ends = self._keys.get(fields["serial_no"], (b"", None, None))
        if begins is None or ends is None or not begins <= datetime.fromtimestamp(at, UTC) < ends:
            raise NotProven("a signature names a key that is not known or not valid now")
        if abs(int(fields["timestamp"]) - at) > _SKEW_SECONDS:
            raise NotProven("this was not signed now")
        sm2.verify(public_key, signed, _base64(fields["signature"]))


def sign_answer(
    key: sm2.SigningKey, *, serial_no: str, status: int, target: str, timestamp: int, nonce: str, body: bytes
) -> str:
    """Give the value of ESSC-Signature for your answer to a request of the service's with this target and nonce."""
    signature = base64.b64encode(key.sign(base_string(f"{status:03d}", target, timestamp, nonce, body))).decode()
    fields = {"serial_no": serial_no, "timestamp": timestamp, "nonce": nonce, "signature": signature}
    return ",".join(f'{name}="{value}"' for name, value in fields.items())


def serial_in(header: str) -> str:
    """Tell which key an answer, or a request of the service's, names; nothing is proven by it."""
    if header.startswith(f"{SCHEME} "):
        return _read_fields(header.removeprefix(f"{SCHEME} "), _REQUEST_NAMES)["serial_no"]
    return _read_fields(header)["serial_no"]


def _read_fields(header: str, names: frozenset[str] = _ANSWER_NAMES) -> dict[str, str]:
    pairs = [_FIELDS.fullmatch(part) for part in header.split(",")]
    fields = {pair[1]: pair[2] for pair in pairs if pair}
    if len(pairs) != len(names) or fields.keys() != names or not re.fullmatch(r"[0-9]{1,12}", fields["timestamp"]):
        raise NotProven("there is no readable signature")
    return fields


def _base64(given: str) -> bytes:
    try:
        return base64.b64decode(given, validate=True)
    except binascii.Error as fault:
        raise NotProven("a signature is no base64") from fault


def load_certificate(given: str) -> x509.Certificate:
    """Read a certificate from PEM."""
    _, _, der = pem.unarmor(given.encode())
    return x509.Certificate.load(der, strict=True)


def require_chain(
    leaf: x509.Certificate,
    authorities: Iterable[x509.Certificate],
    pinned: x509.Certificate,
    at: datetime,
    purpose: str,
) -> None:
    """Return if a certificate is for this purpose and leads up to the pinned one; its own dates are the caller's."""
    purposes = leaf.extended_key_usage_value.native if leaf.extended_key_usage_value else ()
    if leaf.ca or purpose not in purposes:
        raise NotProven("this certificate is for another purpose")
    known = [*authorities, pinned]
    issued = leaf
    for place in range(4):
        if not issued.not_valid_before <= at < issued.not_valid_after and place:
            raise NotProven("an authority's certificate is not valid now")
        issuer = next((one for one in known if one.subject == issued.issuer and one.ca), None)
        if issuer is None:
            break
        _require_issued(issued, issuer)
        if issuer.dump() == pinned.dump():
            return
        issued = issuer
    raise NotProven("the certificate does not lead up to the pinned one")


def _require_issued(issued: x509.Certificate, issuer: x509.Certificate) -> None:
    if issued["signature_algorithm"]["algorithm"].dotted != _SM2_WITH_SM3:
        raise NotProven("a certificate is not signed with SM2")
    sm2.verify(public_key_of(issuer), issued["tbs_certificate"].dump(), issued["signature_value"].native)


def public_key_of(certificate: x509.Certificate) -> bytes:
    """Give the 64 bytes x ‖ y."""
    return bytes(certificate.public_key["public_key"].native)[1:]
