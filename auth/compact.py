"""The compact form of a JWS (RFC 7515 section 3.1) in its one spelling."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from auth.plain_json import read_plain_json

_ES256 = ec.ECDSA(hashes.SHA256())
_ES256_SIZE = 64  # r and s, 32 bytes each
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


def encode_base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64url(given: str) -> bytes:
    """Decode RFC 4648 section 5 without padding; raises ``ValueError`` for any second spelling of the same bytes."""
    decoded = urlsafe_b64decode(given + "=" * (-len(given) % 4))
    if encode_base64url(decoded) != given:
        raise ValueError("not canonical base64url")
    return decoded


def read_compact(given: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read header and claims of a JWS whose signature is still to be verified; raises ``ValueError``."""
    segments = _SHAPE.fullmatch(given)
    if segments is None:
        raise ValueError("not three segments of base64url")
    decode_base64url(segments[3])
    header, claims = (read_plain_json(decode_base64url(segments[number])) for number in (1, 2))
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("header and claims must be objects")  # noqa: TRY004 - it is the text that is wrong
    return header, claims


def sign_es256(header: str, claims: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    """Sign claims under ES256 (RFC 7518 section 3.4); ``header`` is the first segment, written before."""
    signed = f"{header}.{encode_base64url(claims)}"
    half = _ES256_SIZE // 2
    r, s = decode_dss_signature(key.sign(signed.encode(), _ES256))
    return f"{signed}.{encode_base64url(r.to_bytes(half, 'big') + s.to_bytes(half, 'big'))}"


def verify_es256(given: str, key: ec.EllipticCurvePublicKey, algorithm: object) -> None:
    """Verify a JWS that ``read_compact`` has read under ES256 (RFC 7518 section 3.4); raises ``ValueError``.

    The hot path of every phone's request: PyJWT would read header and claims a second time.
    """
    signed, _, signature = given.rpartition(".")
    raw = decode_base64url(signature)
    if algorithm != "ES256" or len(raw) != _ES256_SIZE:
        raise ValueError("not ES256")
    r, s = int.from_bytes(raw[: _ES256_SIZE // 2], "big"), int.from_bytes(raw[_ES256_SIZE // 2 :], "big")
    try:
        key.verify(encode_dss_signature(r, s), signed.encode(), _ES256)
    except InvalidSignature as error:
        raise ValueError("the signature does not belong to this text and key") from error
