"""The keys that sign news for channels: Ed25519 (`v1a` of Standard Webhooks) and SM2, side by side, in rings."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sm.errors import InvalidKey
from sm.keyring import RingKey
from sm.token_keys import TokenRing


@dataclass(frozen=True, slots=True)
class Ed25519RingKey(RingKey):
    """A key of a ring on edwards25519; 32 bytes (RFC 8032 section 5.1.2)."""

    def require_public_key(self) -> None:
        """Raise InvalidKey unless the public key has the form of one."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key)
        except ValueError as error:
            raise InvalidKey("the public key is not one of Ed25519") from error


V1A = TokenRing("v1a", "news-ed25519", "ed25519", Ed25519RingKey, "news")
V1SM2 = TokenRing("v1sm2", "news-sm2", "sm2", RingKey, "news")
NEWS_RINGS = (V1A, V1SM2)
