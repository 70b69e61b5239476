"""Signatures of tokens and assertions: a closed list of algorithms, SM2 among them, and strictly read keys.

``SGD_SM3_SM2`` (GM/T 0006) signs r ‖ s under the user id ``ESSC-OAUTH-1``, so that no signature made here can pass for
one of a card, a code or a request. RS256 is not among them (FAPI 2.0 Security Profile section 5.4).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import Algorithm, OKPAlgorithm

from auth.compact import decode_base64url, encode_base64url, read_compact, sign_es256, verify_es256
from sm.errors import SmError
from sm.sm2 import FIELD_SIZE, Provider, Verifier
from sm.token_keys import ES256, SM2, open_p256

SM2_USER_ID = b"ESSC-OAUTH-1"
SM2_CURVE = "SM2"
"""``crv`` of an SM2 key in a JWK: no registered name exists."""
CLIENT_ALGORITHMS = ("ES256", "PS256", "EdDSA", "Ed25519", "SGD_SM3_SM2")
"""What a client may sign with; Ed25519 is the name of RFC 9864, EdDSA that of RFC 8037."""
_RSA_BITS = range(2048, 4097)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class Sm2Algorithm(Algorithm):
    """SM2 with SM3 for PyJWT; keys are signers and verifiers of ``sm``."""

    def prepare_key(self, key: Any) -> Any:
        """Take the key as it is: it was checked when it was opened."""
        return key

    def sign(self, msg: bytes, key: Any) -> bytes:
        """Sign; 64 bytes r ‖ s."""
        signature: bytes = key.sign(msg)
        return signature

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        """Tell PyJWT whether the signature proves the message."""
        try:
            key.verify(msg, sig)
        except SmError:
            return False
        return True

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: bool = False) -> Any:  # noqa: ARG004 - PyJWT's signature
        """Refuse: keys are written by ``write_public_jwk``."""
        raise jwt.InvalidKeyError("SM2 keys are written by write_public_jwk")

    @staticmethod
    def from_jwk(jwk: Any) -> Any:  # noqa: ARG004 - PyJWT's signature
        """Refuse: keys are read by ``read_public_jwk``."""
        raise jwt.InvalidKeyError("SM2 keys are read by read_public_jwk")


def _known_algorithms() -> jwt.PyJWS:
    known = jwt.PyJWS(algorithms=["ES256", "PS256", "EdDSA"])
    known.register_algorithm("Ed25519", OKPAlgorithm())
    known.register_algorithm(SM2.algorithm, Sm2Algorithm())
    return known


_jws = _known_algorithms()


class SignatureRefused(Exception):
    """A JWS that cannot be read or whose signature is another's; becomes a refusal where it is known of what."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key that was checked once, and the algorithms it may be used with."""

    kid: str
    algorithms: frozenset[str]
    key: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key of the service."""

    kid: str
    algorithm: str
    key: Any = field(repr=False)

    def sign(self, claims: bytes, kind: str) -> str:
        """Sign claims as a compact JWS whose ``typ`` is ``kind``."""
        if self.algorithm == ES256.algorithm:
            return sign_es256(_header(self.algorithm, kind, self.kid), claims, self.key)
        return _jws.encode(claims, self.key, algorithm=self.algorithm, headers={"typ": kind, "kid": self.kid})


@lru_cache(maxsize=100)
def _header(algorithm: str, kind: str, kid: str) -> str:
    """Write the first segment of what a key of ours signs."""
    return encode_base64url(json.dumps({"alg": algorithm, "kid": kid, "typ": kind}, separators=(",", ":")).encode())


def read_unverified(given: str, limit: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read header and claims; raises ``SignatureRefused``."""
    if len(given) > limit:
        raise SignatureRefused(f"longer than {limit} characters")
    try:
        header, claims = read_compact(given)
    except ValueError as error:
        raise SignatureRefused("not a compact JWS in its one spelling") from error
    if "crit" in header or "b64" in header:
        raise SignatureRefused("extensions are not understood")
    return header, claims


def verify_signature(given: str, algorithm: object, key: VerifyingKey) -> None:
    """Prove a compact JWS that ``read_unverified`` has read under one key; raises ``SignatureRefused``."""
    if not isinstance(algorithm, str) or algorithm not in key.algorithms:
        raise SignatureRefused("the key is not used with this algorithm")
    try:
        if algorithm == ES256.algorithm:
            verify_es256(given, key.key, algorithm)
        else:
            _jws.decode(given, key.key, algorithms=[algorithm])
    except (jwt.PyJWTError, ValueError) as error:
        raise SignatureRefused(type(error).__name__) from error


def read_public_jwk(given: Mapping[str, Any], kid: str, provider: Provider) -> VerifyingKey:
    """Read a public key of a client; raises ``ValueError`` for any other kind, size or second spelling."""
    if _PRIVATE & set(given):
        raise ValueError("a private key was sent")
    if given.get("use", "sig") != "sig":
        raise ValueError("the key is not for signatures")
    key, algorithms = _read_key(given, provider)
    if given.get("alg", next(iter(algorithms))) not in algorithms:
        raise ValueError("the key is of another kind than its alg")
    chosen = frozenset({given["alg"]}) if "alg" in given else algorithms
    return VerifyingKey(kid, chosen, key)


def write_public_jwk(public_key: bytes, kid: str, algorithm: str) -> dict[str, str]:
    """Write a key of the service, 64 bytes x ‖ y, as it is published."""
    x, y = (encode_base64url(half) for half in (public_key[:FIELD_SIZE], public_key[FIELD_SIZE:]))
    curve = "P-256" if algorithm == ES256.algorithm else SM2_CURVE
    return {"kty": "EC", "crv": curve, "x": x, "y": y, "use": "sig", "alg": algorithm, "kid": kid}


def _read_key(given: Mapping[str, Any], provider: Provider) -> tuple[Any, frozenset[str]]:
    match given:
        case {"kty": "EC", "crv": "P-256"}:
            return _read_p256(given), frozenset({"ES256"})
        case {"kty": "EC", "crv": "SM2"}:
            return _read_sm2(given, provider), frozenset({SM2.algorithm})
        case {"kty": "OKP", "crv": "Ed25519"}:
            key = ed25519.Ed25519PublicKey.from_public_bytes(_member(given, "x", FIELD_SIZE))
            return key, frozenset({"EdDSA", "Ed25519"})
        case {"kty": "RSA"}:
            return _read_rsa(given), frozenset({"PS256"})
    raise ValueError("a key is on P-256, SM2 or Ed25519, or it is RSA")


def _read_p256(given: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    return open_p256(_member(given, "x", FIELD_SIZE) + _member(given, "y", FIELD_SIZE))


def _read_sm2(given: Mapping[str, Any], provider: Provider) -> Verifier:
    point = _member(given, "x", FIELD_SIZE) + _member(given, "y", FIELD_SIZE)
    try:
        return provider.verifier(point, SM2_USER_ID)
    except SmError as error:
        raise ValueError("not a point of the SM2 curve") from error


def _read_rsa(given: Mapping[str, Any]) -> rsa.RSAPublicKey:
    modulus = int.from_bytes(_member(given, "n"), "big")
    if modulus.bit_length() not in _RSA_BITS or _member(given, "e") != b"\x01\x00\x01":
        raise ValueError("an RSA key has 2048 to 4096 bits and the exponent 65537")
    return rsa.RSAPublicNumbers(65537, modulus).public_key()


def _member(given: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    text = given.get(name)
    if not isinstance(text, str):
        raise ValueError(f"{name} is missing")  # noqa: TRY004 - it is the key that is wrong
    value = decode_base64url(text)
    if size is not None and len(value) != size:
        raise ValueError(f"{name} must be {size} bytes")
    return value
