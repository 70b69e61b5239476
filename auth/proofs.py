"""DPoP proofs (RFC 9449): a phone shows that it holds the key, for this one request.

Beyond the RFC a proof may carry ``digest``, the base64url SHA-256 of the request's body. Requests made before the phone
has a token must carry it: the body is then proven by the device key as well (chip-card.md section 3, steps 2 and 7).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hmac import compare_digest
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from auth.compact import decode_base64url, encode_base64url, read_compact, verify_es256
from auth.errors import ProofWrong
from core.ground import Ground

PROOF_LIMIT = 2048
PROOF_SECONDS = 60
"""How long after ``iat`` a proof is good; its jti is remembered for longer than that."""
_FUTURE_SECONDS = 5
_JTI = re.compile(r"[\x21-\x7e]{8,128}")
_COORDINATE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class DeviceProof:
    """A verified proof: the key that signed it and what it was made for; ``nonce`` is not judged yet."""

    thumbprint: str
    public_jwk: Mapping[str, str]
    jti: str
    text: str
    nonce: object = None
    issued_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ProvenRequest:
    """What a proof has to agree with; ``future_seconds`` is how far ahead it may have been made."""

    method: str
    address: str
    body: bytes | None = None
    access_token: str | None = None
    future_seconds: int = _FUTURE_SECONDS


def verify_proof(ground: Ground, given: str | None, request: ProvenRequest) -> DeviceProof:
    """Check one DPoP header; raises ``ProofWrong`` with the reason in ``detail``. Does not yet spend the jti."""
    header, claims, public_jwk = _read_proof(given)
    _require_header(header)
    _require_request(claims, request)
    _require_time(ground, claims, request.future_seconds)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not _JTI.fullmatch(jti):
        raise ProofWrong("jti must be 8 to 128 visible characters")
    assert given is not None
    return DeviceProof(thumbprint(public_jwk), public_jwk, jti, given, claims.get("nonce"), float(claims["iat"]))


def spent_key(proof: DeviceProof) -> str:
    """Name the proof in the short memory: one use for each key and jti."""
    return f"dpop:{hashlib.sha256(f'{proof.thumbprint}.{proof.jti}'.encode()).hexdigest()}"


def thumbprint(public_jwk: Mapping[str, str]) -> str:
    """Compute the RFC 7638 thumbprint (SHA-256, base64url) of a P-256 key."""
    return _thumbprint(canonical_jwk(public_jwk))


@lru_cache(maxsize=20_000)
def _thumbprint(canonical: bytes) -> str:
    return encode_base64url(hashlib.sha256(canonical).digest())


def canonical_jwk(public_jwk: Mapping[str, str]) -> bytes:
    """Write the key as RFC 7638 section 3 hashes it: required members, sorted, no blanks."""
    members = {name: public_jwk[name] for name in ("crv", "kty", "x", "y")}
    return json.dumps(members, separators=(",", ":"), sort_keys=True).encode()


def _read_proof(given: str | None) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, str]]:
    if not given:
        raise ProofWrong("the DPoP header is missing")
    if len(given) > PROOF_LIMIT:
        raise ProofWrong(f"the DPoP header is longer than {PROOF_LIMIT} characters")
    try:
        header, claims = read_compact(given)
        public_jwk = _read_public_jwk(header.get("jwk"))
        verify_es256(given, _public_key(public_jwk["x"], public_jwk["y"]), header.get("alg"))
    except ValueError as error:
        raise ProofWrong(type(error).__name__) from error
    return header, claims, public_jwk


def _read_public_jwk(given: object) -> Mapping[str, str]:
    if not isinstance(given, dict) or given.get("kty") != "EC" or given.get("crv") != "P-256" or "d" in given:
        raise ProofWrong("jwk must be a public P-256 key")
    x, y = given.get("x"), given.get("y")
    if not isinstance(x, str) or not isinstance(y, str):
        raise ProofWrong("jwk needs x and y")
    if not _COORDINATE.fullmatch(x) or not _COORDINATE.fullmatch(y):
        raise ProofWrong("jwk coordinates must be base64url of 32 bytes")
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


@lru_cache(maxsize=20_000)
def _public_key(x: str, y: str) -> ec.EllipticCurvePublicKey:
    """Open a key; raises ``ValueError`` for a second spelling of a coordinate and for a point off the curve."""
    x_number, y_number = (int.from_bytes(decode_base64url(coordinate), "big") for coordinate in (x, y))
    return ec.EllipticCurvePublicNumbers(x_number, y_number, ec.SECP256R1()).public_key()


def _require_header(header: Mapping[str, Any]) -> None:
    if header.get("typ") != "dpop+jwt" or "crit" in header or "b64" in header:
        raise ProofWrong("typ must be dpop+jwt, without crit and b64")


def _require_request(claims: Mapping[str, Any], request: ProvenRequest) -> None:
    if claims.get("htm") != request.method:
        raise ProofWrong("htm is not this method")
    if _normal_address(claims.get("htu")) != _normal_address(request.address):
        raise ProofWrong(f"htu is not {request.address}")
    if request.access_token is not None:
        _require_hash(claims, "ath", request.access_token.encode())
    if request.body is not None:
        _require_hash(claims, "digest", request.body)


def _require_hash(claims: Mapping[str, Any], name: str, content: bytes) -> None:
    given = claims.get(name)
    expected = encode_base64url(hashlib.sha256(content).digest())
    if not isinstance(given, str) or not compare_digest(given.encode(), expected.encode()):
        raise ProofWrong(f"{name} does not match")


def _require_time(ground: Ground, claims: Mapping[str, Any], ahead: int) -> None:
    now = ground.clock().timestamp()
    issued = _number(claims, "iat")
    if issued is None or not now - PROOF_SECONDS < issued <= now + ahead:
        raise ProofWrong(f"iat must lie within the last {PROOF_SECONDS} seconds")
    expires, begins = _number(claims, "exp"), _number(claims, "nbf")
    if expires is not None and now >= expires:
        raise ProofWrong("exp has passed")
    if begins is not None and begins > now + ahead:
        raise ProofWrong("nbf lies ahead")


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise ProofWrong(f"{name} must be a number of seconds")
    return float(value)


def _normal_address(address: object) -> tuple[object, ...] | None:
    """Compare addresses as RFC 9449 section 4.3 does: without query and fragment, case and default port levelled."""
    return _split_address(address) if isinstance(address, str) else None


@lru_cache(maxsize=10_000)
def _split_address(address: str) -> tuple[object, ...] | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    default = {"https": 443, "http": 80}.get(parts.scheme)
    host = parts.hostname or ""
    return parts.scheme, parts.username, parts.password, host, default if port is None else port, parts.path or "/"
