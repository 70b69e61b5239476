"""Tokens and proofs that no library would make."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
MISSING = object()


def numbered(values: Iterable[Any]) -> list[Any]:
    """Name parameters by their place: values that are drawn anew in each process must not name tests."""
    return [pytest.param(value, id=str(number)) for number, value in enumerate(values)]


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def part(content: dict[str, Any] | bytes) -> str:
    """Write a header or claims; members set to ``MISSING`` are left out, bytes are taken as they are."""
    if isinstance(content, bytes):
        return encode(content)
    kept = {name: value for name, value in content.items() if value is not MISSING}
    return encode(json.dumps(kept).encode())


def jws(header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, key: Any = None) -> str:
    """Put a JWS together, signed as the key's kind says: P-256, P-384, RSA, HMAC for bytes, nothing for None."""
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{encode(_sign(text.encode(), key))}"


def _sign(text: bytes, key: Any) -> bytes:
    if key is None:
        return b""
    if isinstance(key, bytes):
        return hmac.digest(key, text, "sha256")
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256() if size == 32 else hashes.SHA384())))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def second_spelling(text: str) -> str:
    """Write the last segment's same bytes with other bits where base64 leaves some unused."""
    others, dot, last = text.rpartition(".")
    changed = last[:-1] + ALPHABET[ALPHABET.index(last[-1]) ^ 1]
    assert decode(changed) == decode(last)
    return others + dot + changed


def other_s(token: str) -> str:
    """Turn an ECDSA signature into the other one that is valid for the same text."""
    text, _, signature = token.rpartition(".")
    raw = decode(signature)
    s = P256_ORDER - int.from_bytes(raw[32:], "big")
    return f"{text}.{encode(raw[:32] + s.to_bytes(32, 'big'))}"


def sha256(data: bytes) -> str:
    return encode(hashlib.sha256(data).digest())


def jwk_of(key: ec.EllipticCurvePrivateKey, curve: str = "P-256") -> dict[str, str]:
    size = (key.curve.key_size + 7) // 8
    numbers = key.public_key().public_numbers()
    return {"kty": "EC", "crv": curve} | {
        name: encode(value.to_bytes(size, "big")) for name, value in (("x", numbers.x), ("y", numbers.y))
    }
