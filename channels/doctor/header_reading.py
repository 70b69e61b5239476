"""A header of ESSC-SM2-SM3 read with patience: whatever can be understood is, and each fault of spelling is named.

What ``sm.signed_request`` refuses in one sentence is taken apart here; nothing read here is ever believed.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from channels.doctor.mistakes import Finding
from sm.der import read_base64, read_der_signature
from sm.errors import SmError
from sm.signed_request import MAX_HEADER_SIZE, SCHEME
from sm.sm2 import SIGNATURE_SIZE, read_signature

FIELDS = ("app_id", "serial_no", "timestamp", "nonce", "signature")
_PAIR = re.compile(r"""\s*([A-Za-z_]+)\s*[=:]\s*(?:"([^"]*)"|'([^']*)'|“([^”]*)”|([^,\s]*))\s*(?:,|$)""")
_STRICT = re.compile(r'(?:[a-z_]{1,16}="[^"]*"(?:,|$))+')
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_SECONDS = re.compile(r"0|[1-9][0-9]{0,11}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){64,80}")
_MILLISECONDS_DIGITS = 13
_LATEST_SECONDS = 10**11
"""From here on a number of seconds lies in the year 5138: it counts milliseconds."""


@dataclass(slots=True)
class GivenHeader:
    """What a header says, as far as it can be read; ``signature`` is 64 bytes r ‖ s or None."""

    fields: dict[str, str] = field(default_factory=dict)
    timestamp: int | None = None
    signature: bytes | None = None
    findings: list[Finding] = field(default_factory=list)

    def find(self, code: str, detail: str = "") -> None:
        self.findings.append(Finding(code, detail))


def read_patiently(given: str) -> GivenHeader:
    """Read a header whatever is wrong with it, and note what is."""
    header = GivenHeader()
    scheme, _, rest = given.strip().partition(" ")
    if not given.startswith(f"{SCHEME} "):
        header.find("scheme_misspelt", f"here it is {scheme[:40]}")
    if len(given) > MAX_HEADER_SIZE:
        header.find("header_too_long", f"{len(given)} characters")
    _read_fields(header, given if "=" in scheme else rest)
    _read_timestamp(header)
    _read_nonce(header)
    if "signature" in header.fields:
        header.signature = _read_signature(header, header.fields["signature"])
    return header


def _read_fields(header: GivenHeader, rest: str) -> None:
    if _STRICT.fullmatch(rest) is None:
        header.find("header_quoting")
    for found in _PAIR.finditer(rest):
        name, value = found[1], next((text for text in found.groups()[1:] if text is not None), "")
        if name in header.fields:
            header.find("header_field_doubled", name)
        elif name not in FIELDS:
            header.find("header_field_unknown", name[:40])
        else:
            header.fields[name] = value
    for name in FIELDS:
        if name not in header.fields:
            header.find("header_field_missing", name)


def _read_timestamp(header: GivenHeader) -> None:
    given = header.fields.get("timestamp")
    if given is None:
        return
    is_number = given.isascii() and given.isdigit() and len(given) <= _MILLISECONDS_DIGITS
    if is_number and int(given) >= _LATEST_SECONDS:
        header.find("timestamp_milliseconds")
        header.timestamp = int(given) // 1000
    elif _SECONDS.fullmatch(given):
        header.timestamp = int(given)
    else:
        header.find("timestamp_malformed")
        header.timestamp = _read_date(given)


def _read_date(given: str) -> int | None:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _read_nonce(header: GivenHeader) -> None:
    given = header.fields.get("nonce")
    if given is not None and _NONCE.fullmatch(given) is None:
        header.find("nonce_malformed", f"{len(given)} characters")


def _read_signature(header: GivenHeader, given: str) -> bytes | None:
    """Read what is meant: in the one spelling, or in one of those that are often taken for it."""
    raw = _read_text(header, given)
    if raw is None:
        return None
    try:
        return read_der_signature(raw)
    except SmError as error:
        why = str(error)
    if len(raw) != SIGNATURE_SIZE:
        header.find("signature_not_der", why)
        return _read_loosely(raw)
    header.find("signature_raw")
    return _in_range(raw)


def _read_text(header: GivenHeader, given: str) -> bytes | None:
    if _HEX.fullmatch(given):  # before base64, which would take the same characters
        header.find("signature_hex")
        return bytes.fromhex(given)
    try:
        return read_base64(given)
    except SmError:
        pass
    is_url = ("-" in given or "_" in given) or not given.endswith("=")
    plain = "".join(given.split()).replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        header.find("signature_not_base64")
        return None
    header.find("signature_base64url" if is_url and len(given.split()) == 1 else "signature_not_base64")
    return raw


def _read_loosely(raw: bytes) -> bytes | None:
    """Read SEQUENCE { INTEGER, INTEGER } with zeros too many or too few, to see whose signature it would be."""
    try:
        first_size = raw[3]
        first, second = raw[4 : 4 + first_size], raw[6 + first_size :]
        return _in_range(first.lstrip(b"\0").rjust(32, b"\0") + second.lstrip(b"\0").rjust(32, b"\0"))
    except IndexError:
        return None


def _in_range(raw: bytes) -> bytes | None:
    try:
        return read_signature(raw)
    except SmError:
        return None
