"""The DER, PEM and base64 spellings of SM2 signatures and keys; each value has one spelling, every other is refused."""

import base64
import binascii

from sm.errors import InvalidKey, Malformed
from sm.sm2 import FIELD_SIZE, PUBLIC_KEY_SIZE, UNCOMPRESSED, PrivateKey, read_public_key, read_signature

# Tags: X.690, 8.
_INTEGER, _BIT_STRING, _OCTET_STRING, _SEQUENCE, _CONTEXT_0, _CONTEXT_1 = 0x02, 0x03, 0x04, 0x30, 0xA0, 0xA1

_CURVE_OID = bytes.fromhex("06082a811ccf5501822d")  # 1.2.156.10197.1.301, GM/T 0006
_ALGORITHM = bytes.fromhex("301306072a8648ce3d0201") + _CURVE_OID  # id-ecPublicKey with the curve: GM/T 0009, clause 7
_SPKI_HEAD = b"\x30\x59" + _ALGORITHM + b"\x03\x42\x00" + UNCOMPRESSED
_VERSION_0 = b"\x02\x01\x00"  # RFC 5208, 5
_VERSION_1 = b"\x02\x01\x01"  # RFC 5915, 3

_MAX_INTEGER_SIZE = FIELD_SIZE + 1  # a leading zero keeps a number with its top bit set positive
_MAX_SIGNATURE_SIZE = 2 + 2 * (2 + _MAX_INTEGER_SIZE)
_MAX_PEM_SIZE = 64 * 1024
_PEM_LINE = 64  # RFC 7468, 2
_BEGIN, _END = "-----BEGIN {}-----", "-----END {}-----"


def signature_to_der(signature: bytes) -> bytes:
    """Spell 64 bytes r ‖ s as SEQUENCE { INTEGER r, INTEGER s } (GM/T 0009, 7.3)."""
    body = _integer(signature[:FIELD_SIZE]) + _integer(signature[FIELD_SIZE:])
    return bytes((_SEQUENCE, len(body))) + body


def read_der_signature(given: bytes) -> bytes:
    """Read the one DER spelling of a signature to 64 bytes r ‖ s.

    Raises Malformed for any other spelling and InvalidSignature for numbers out of range.
    """
    # At most 72 bytes, so a length is always one byte: the long form is refused with everything else that differs.
    if not 2 <= len(given) <= _MAX_SIGNATURE_SIZE or given[0] != _SEQUENCE or given[1] != len(given) - 2:
        raise Malformed("not a DER sequence of a signature's size")
    r, after_r = _read_integer(given, 2)
    s, after_s = _read_integer(given, after_r)
    if after_s != len(given):
        raise Malformed("bytes after the second integer")
    return read_signature(r + s)


def _integer(number: bytes) -> bytes:
    digits = number.lstrip(b"\0") or b"\0"
    if digits[0] & 0x80:
        digits = b"\0" + digits
    return bytes((_INTEGER, len(digits))) + digits


def _read_integer(given: bytes, start: int) -> tuple[bytes, int]:
    header = given[start : start + 2]
    if len(header) != 2 or header[0] != _INTEGER or not 1 <= header[1] <= _MAX_INTEGER_SIZE:
        raise Malformed("not an integer of at most 33 bytes")
    end = start + 2 + header[1]
    digits = given[start + 2 : end]
    if len(digits) != header[1] or digits[0] & 0x80:
        raise Malformed("an integer is cut short or negative")
    if digits[0] == 0 and len(digits) > 1 and not digits[1] & 0x80:
        raise Malformed("an integer is padded")
    if len(digits) == _MAX_INTEGER_SIZE and digits[0] != 0:
        raise Malformed("an integer is longer than 32 bytes")
    return digits[-FIELD_SIZE:].rjust(FIELD_SIZE, b"\0"), end


def export_spki(public_key: bytes) -> bytes:
    """Spell 64 bytes x ‖ y as a SubjectPublicKeyInfo."""
    return _SPKI_HEAD + read_public_key(public_key)


def import_spki(given: bytes) -> bytes:
    """Read a SubjectPublicKeyInfo of an uncompressed SM2 key to 64 bytes; raise Malformed or InvalidKey."""
    if len(given) != len(_SPKI_HEAD) + PUBLIC_KEY_SIZE or not given.startswith(_SPKI_HEAD):
        raise Malformed("not an SM2 SubjectPublicKeyInfo")
    return read_public_key(given[len(_SPKI_HEAD) :])


def export_pkcs8(private_key: PrivateKey) -> bytes:
    """Spell a private key as PKCS #8 around RFC 5915, in clear: the caller wraps it."""
    inner = _VERSION_1 + _wrap(_OCTET_STRING, private_key.secret_bytes())
    return _wrap(_SEQUENCE, _VERSION_0 + _ALGORITHM + _wrap(_OCTET_STRING, _wrap(_SEQUENCE, inner)))


def import_pkcs8(given: bytes) -> PrivateKey:
    """Read PKCS #8 around RFC 5915, with or without its optional parts; raise Malformed or InvalidKey.

    A public key inside is looked at for its form only: the provider computes the true one from the scalar.
    """
    outer = _read_only(given, _SEQUENCE)
    head = _VERSION_0 + _ALGORITHM
    if not outer.startswith(head):
        raise Malformed("not PKCS #8 of an SM2 key")
    inner = _read_only(_read_only(outer[len(head) :], _OCTET_STRING), _SEQUENCE)
    if not inner.startswith(_VERSION_1):
        raise Malformed("not an ECPrivateKey")
    secret, rest = _read_element(inner[len(_VERSION_1) :], _OCTET_STRING)
    _require_known_options(rest)
    return PrivateKey(secret)


def _require_known_options(given: bytes) -> None:
    rest = given.removeprefix(_wrap(_CONTEXT_0, _CURVE_OID))
    if not rest:
        return
    bits = _read_only(_read_only(rest, _CONTEXT_1), _BIT_STRING)
    if not bits.startswith(b"\0" + UNCOMPRESSED):
        raise InvalidKey("the public key inside is not an uncompressed point")
    read_public_key(bits[1:])


def _wrap(tag: int, body: bytes) -> bytes:
    """Every element written here is shorter than 128 bytes: one length byte."""
    return bytes((tag, len(body))) + body


def _read_only(given: bytes, tag: int) -> bytes:
    body, rest = _read_element(given, tag)
    if rest:
        raise Malformed("bytes after the end")
    return body


def _read_element(given: bytes, tag: int) -> tuple[bytes, bytes]:
    """Split off one element of at most 255 bytes: no SM2 key has a longer one."""
    if len(given) < 2 or given[0] != tag:
        raise Malformed("another element than expected")
    length, start = given[1], 2
    if length == 0x81:  # one length byte follows, needed only from 128 on: X.690, 10.1
        length, start = (given[2], 3) if len(given) > 2 and given[2] >= 0x80 else (0, 0)
    if not start or (length > 0x7F and start == 2) or len(given) < start + length:
        raise Malformed("a length is not minimal, or too long")
    return given[start : start + length], given[start + length :]


def write_pem(label: str, der: bytes) -> str:
    """Spell DER as one PEM block (RFC 7468)."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[start : start + _PEM_LINE] for start in range(0, len(text), _PEM_LINE)]
    return "\n".join((_BEGIN.format(label), *lines, _END.format(label), ""))


def read_pem(label: str, given: str) -> bytes:
    """Read the one PEM block of this label to DER; raise Malformed for text around it or another label."""
    if len(given) > _MAX_PEM_SIZE:
        raise Malformed("too long for a PEM block")
    lines = [line.strip() for line in given.strip().splitlines()]
    if len(lines) < 3 or lines[0] != _BEGIN.format(label) or lines[-1] != _END.format(label):
        raise Malformed(f"not one PEM block {label}")
    return read_base64("".join(lines[1:-1]))


def read_base64(given: str) -> bytes:
    """Read padded base64 (RFC 4648, 4) in its one canonical spelling; raise Malformed.

    Python's decoder takes 16 different last characters for the same byte: the text is spelled again and compared.
    """
    try:
        decoded = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("not base64") from None
    if base64.b64encode(decoded) != given.encode("ascii"):
        raise Malformed("another spelling of the same base64")
    return decoded
