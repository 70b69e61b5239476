"""What the card's proofs are over, in the one form that agent and service both build (chip-card.md 3).

Fields are written with their length before them, after a label for each use: no two lists of fields share an
encoding, and no proof made for one use stands for another.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sm.digest import sm3
from sm.sm2 import message_digest

CARD_USER_ID = b"ESSC-ENROLL-1"
"""The SM2 user id of the card's signature: its own, so that no other signature of the card key is an enrollment."""

BINDING_VERSION = 1
INTERNAL_CHALLENGE_LENGTH = 16
NONCE_MIN_LENGTH = 16
DIGEST_LENGTH = 32
_BINDING_LABEL = b"ESSC-ENROLL binding"
_CHALLENGE_LABEL = b"ESSC-ENROLL internal authentication"
_MAX_FIELD = 0xFFFF
_THUMBPRINT_MEMBERS = ("crv", "kty", "x", "y")  # of an EC key (RFC 7638 clause 3.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Everything that one enrollment ties together; the card signs it, the service rebuilds it."""

    enrollment: str
    service_nonce: bytes
    terminal_nonce: bytes
    terminal: str
    device_key_sm3: bytes
    card_identification_code: str
    holder_sm3: bytes
    version: int = BINDING_VERSION

    def __post_init__(self) -> None:
        _require_nonces(self.service_nonce, self.terminal_nonce)
        _require_digests(self.device_key_sm3, self.holder_sm3)

    def encode(self) -> bytes:
        """Write the canonical bytes."""
        return _canonical(
            _BINDING_LABEL,
            self.version.to_bytes(1, "big"),
            self.enrollment.encode(),
            self.service_nonce,
            self.terminal_nonce,
            self.terminal.encode(),
            self.device_key_sm3,
            self.card_identification_code.encode(),
            self.holder_sm3,
        )

    def digest(self, card_public_key: bytes, user_id: bytes = CARD_USER_ID) -> bytes:
        """Compute e = SM3(Z ‖ binding), the 32 bytes that the card signs with the key x ‖ y."""
        return message_digest(user_id, card_public_key, self.encode())


def internal_challenge(enrollment: str, service_nonce: bytes, terminal: str, device_key_sm3: bytes) -> bytes:
    """Make the 16 bytes for INTERNAL AUTHENTICATE, so that a card without certificate is bound as well.

    The flow in public use feeds the card its own random numbers, and a recorded answer can be replayed.
    """
    _require_nonces(service_nonce)
    _require_digests(device_key_sm3)
    fields = (enrollment.encode(), service_nonce, terminal.encode(), device_key_sm3)
    return sm3(_canonical(_CHALLENGE_LABEL, *fields))[:INTERNAL_CHALLENGE_LENGTH]


def holder_digest(holder_records: bytes) -> bytes:
    """Hash the records of EF06 as the card gave them; 32 bytes."""
    return sm3(holder_records)


def device_key_digest(public_jwk: Mapping[str, str]) -> bytes:
    """Hash an EC public key in the canonical JSON of RFC 7638 clause 3, with SM3; 32 bytes.

    Raises:
        KeyError: a member that the key type requires is absent
    """
    members = {name: public_jwk[name] for name in _THUMBPRINT_MEMBERS}
    return sm3(json.dumps(members, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode())


def _canonical(label: bytes, *fields: bytes) -> bytes:
    return b"".join(_with_length(field) for field in (label, *fields))


def _with_length(field: bytes) -> bytes:
    if len(field) > _MAX_FIELD:
        raise ValueError("a field is too long")
    return len(field).to_bytes(2, "big") + field


def _require_nonces(*nonces: bytes) -> None:
    if any(len(nonce) < NONCE_MIN_LENGTH for nonce in nonces):
        raise ValueError("a nonce has 16 bytes at least")


def _require_digests(*digests: bytes) -> None:
    if any(len(digest) != DIGEST_LENGTH for digest in digests):
        raise ValueError("a digest has 32 bytes")
