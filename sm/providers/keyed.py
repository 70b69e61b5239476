"""What every provider shares: Z, SM3 and the strict front door are ours, only the 32-byte digest reaches a provider."""

from collections.abc import Callable

from sm.digest import sm3
from sm.sm2 import read_digest, read_public_key, read_signature, z_value

SignDigest = Callable[[bytes], bytes]  # e (32) -> r ‖ s (64)
VerifyDigest = Callable[[bytes, bytes], None]  # e (32), r ‖ s (64, in range) -> returns, or raises InvalidSignature


class KeyedSigner:
    """A `sm.sm2.Signer` around a provider's signing of a digest."""

    def __init__(self, public_key: bytes, user_id: bytes, sign_digest: SignDigest) -> None:
        self.public_key = read_public_key(public_key)
        self._z = z_value(user_id, self.public_key)
        self._sign_digest = sign_digest

    def sign(self, message: bytes) -> bytes:
        """Sign SM3(Z ‖ message); 64 bytes r ‖ s."""
        return self._sign_digest(sm3(self._z, message))

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign the 32 bytes e; 64 bytes r ‖ s."""
        return self._sign_digest(read_digest(digest))


class KeyedVerifier:
    """A `sm.sm2.Verifier` around a provider's verification of a digest."""

    def __init__(self, public_key: bytes, user_id: bytes, verify_digest: VerifyDigest) -> None:
        self.public_key = read_public_key(public_key)
        self._z = z_value(user_id, self.public_key)
        self._verify_digest = verify_digest

    def verify(self, message: bytes, unverified_signature: bytes) -> None:
        """Return if the 64 bytes prove the message; otherwise raise InvalidSignature."""
        signature = read_signature(unverified_signature)
        self._verify_digest(sm3(self._z, message), signature)

    def verify_digest(self, digest: bytes, unverified_signature: bytes) -> None:
        """Return if the 64 bytes prove the digest e; otherwise raise InvalidSignature."""
        signature = read_signature(unverified_signature)
        self._verify_digest(read_digest(digest), signature)
