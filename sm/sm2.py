"""SM2 signatures (GB/T 32918.2, GM/T 0003.2): values, the strict front door, and what a provider offers.

Public keys are 64 bytes x ‖ y and signatures 64 bytes r ‖ s, all big-endian; `sm.der` has the other spellings.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from sm.digest import DIGEST_SIZE, sm3
from sm.errors import InvalidKey, InvalidSignature, Malformed

# The recommended curve sm2p256v1: GM/T 0003.5, clause 2 (GB/T 32918.5).
P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
GX = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
GY = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0

FIELD_SIZE = 32
PUBLIC_KEY_SIZE = 64
SIGNATURE_SIZE = 64
UNCOMPRESSED = b"\x04"  # GM/T 0003.1, 4.2.8: PC of an uncompressed point

USER_ID_DEFAULT = b"1234567812345678"  # GM/T 0009, clause 10: where the parties agreed on no other
MAX_USER_ID_SIZE = 0xFFFF // 8  # ENTL counts bits in two bytes: GM/T 0003.2, 5.5

_CURVE_BYTES = b"".join(number.to_bytes(FIELD_SIZE, "big") for number in (A, B, GX, GY))


@dataclass(frozen=True, slots=True, eq=False)
class PrivateKey:
    """A private scalar d, 1 ≤ d ≤ n − 2 (GM/T 0003.1, 6.1), never shown by repr; out of range raises InvalidKey."""

    _secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self._secret) != FIELD_SIZE or not 1 <= int.from_bytes(self._secret, "big") <= N - 2:
            raise InvalidKey("a private key is 32 bytes between 1 and n - 2")

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        return isinstance(other, PrivateKey) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self._secret)

    def secret_bytes(self) -> bytes:
        """Hand out the 32 bytes of the scalar: for wrapping and for providers only."""
        return self._secret


class Signer(Protocol):
    """One private key under one user id, ready to sign from any thread."""

    @property
    def public_key(self) -> bytes:
        """The 64 bytes x ‖ y that verify what is signed here."""

    def sign(self, message: bytes) -> bytes:
        """Sign SM3(Z ‖ message); 64 bytes r ‖ s."""

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign the 32 bytes e = SM3(Z ‖ message) that the caller computed; 64 bytes r ‖ s."""


class Verifier(Protocol):
    """One checked public key under one user id, ready to verify from any thread."""

    @property
    def public_key(self) -> bytes:
        """The 64 bytes x ‖ y."""

    def verify(self, message: bytes, unverified_signature: bytes) -> None:
        """Return if the 64 bytes prove the message; otherwise raise InvalidSignature."""

    def verify_digest(self, digest: bytes, unverified_signature: bytes) -> None:
        """Do the same for the 32 bytes e = SM3(Z ‖ message) that the caller computed."""


class Provider(Protocol):
    """One implementation of SM2."""

    @property
    def name(self) -> str:
        """The name that `open_provider` knows it by."""

    def generate(self) -> PrivateKey:
        """Draw a fresh private key."""

    def public_key_of(self, private_key: PrivateKey) -> bytes:
        """Compute the 64 bytes x ‖ y that belong to the private key."""

    def signer(self, private_key: PrivateKey, user_id: bytes = USER_ID_DEFAULT) -> Signer:
        """Prepare to sign; worth keeping, for the key is loaded and Z is computed once."""

    def verifier(self, unverified_public_key: bytes, user_id: bytes = USER_ID_DEFAULT) -> Verifier:
        """Prepare to verify; raise InvalidKey for a key off the curve. Worth keeping for the same reasons."""

    def close(self) -> None:
        """Give back devices and sessions; signers and verifiers of this provider are not used afterwards."""


def random_private_key() -> PrivateKey:
    """Draw a private scalar from the operating system's generator."""
    return PrivateKey((secrets.randbelow(N - 2) + 1).to_bytes(FIELD_SIZE, "big"))


def read_public_key(given: bytes) -> bytes:
    """Read 64 bytes x ‖ y, or 65 with 04 before them, to the 64; raise InvalidKey unless it is a point of the curve."""
    point = given[1:] if len(given) == PUBLIC_KEY_SIZE + 1 and given[:1] == UNCOMPRESSED else given
    if len(point) != PUBLIC_KEY_SIZE:
        raise InvalidKey("a public key is 64 bytes x, y, or 65 with 04 before them")
    _require_on_curve(int.from_bytes(point[:FIELD_SIZE], "big"), int.from_bytes(point[FIELD_SIZE:], "big"))
    return bytes(point)


def _require_on_curve(x: int, y: int) -> None:
    # (0, 0) is how some libraries write the point at infinity; it is refused by name, not only because b is not 0.
    if x >= P or y >= P or (x, y) == (0, 0) or (y * y - (x * x + A) * x - B) % P:
        raise InvalidKey("the public key is not a point of sm2p256v1")


def read_signature(given: bytes) -> bytes:
    """Let through exactly 64 bytes r ‖ s with 1 ≤ r, s < n and r + s ≠ n (GM/T 0003.2, 7.1 B1, B2, B5).

    The strict front door before every provider; raises InvalidSignature.
    """
    if len(given) != SIGNATURE_SIZE:
        raise InvalidSignature("a signature is 64 bytes r, s")
    r, s = int.from_bytes(given[:FIELD_SIZE], "big"), int.from_bytes(given[FIELD_SIZE:], "big")
    if not (1 <= r < N and 1 <= s < N) or r + s == N:
        raise InvalidSignature("r or s is out of range")
    return bytes(given)


def read_digest(given: bytes) -> bytes:
    """Let through exactly 32 bytes; raise Malformed."""
    if len(given) != DIGEST_SIZE:
        raise Malformed("a digest is 32 bytes")
    return bytes(given)


@lru_cache(maxsize=4096)
def z_value(user_id: bytes, public_key: bytes) -> bytes:
    """Compute Z = SM3(ENTL ‖ user id ‖ a ‖ b ‖ G ‖ key), GM/T 0003.2, 5.5; 32 bytes."""
    if len(user_id) > MAX_USER_ID_SIZE:
        raise Malformed(f"a user id has at most {MAX_USER_ID_SIZE} bytes")
    if len(public_key) != PUBLIC_KEY_SIZE:
        raise InvalidKey("a public key is 64 bytes x, y")
    return sm3((len(user_id) * 8).to_bytes(2, "big"), user_id, _CURVE_BYTES, public_key)


def message_digest(user_id: bytes, public_key: bytes, message: bytes) -> bytes:
    """Compute e = SM3(Z ‖ message), GM/T 0003.2, 6.1 A1 and A2; 32 bytes."""
    return sm3(z_value(user_id, public_key), message)
