"""SM2 by the package gmssl 3.2.2, pure Python: the independent oracle of the tests, and the last resort.

Its own signing is never called: its nonce comes from `random`, it strips leading 0 and 4 digits from keys, and it knows
one user id only. Here it gets a digest that we computed, a nonce that we drew, and a key that we set.
Slow, and not constant-time: not for a server that signs for strangers.
"""

import secrets
from collections.abc import Callable

from gmssl.sm2 import CryptSM2

from sm.errors import InvalidSignature, ProviderUnavailable
from sm.providers.keyed import KeyedSigner, KeyedVerifier
from sm.sm2 import (
    USER_ID_DEFAULT,
    N,
    PrivateKey,
    Signer,
    Verifier,
    random_private_key,
    read_public_key,
    read_signature,
)

NonceSource = Callable[[], int]
_MAX_DRAWS = 8  # a nonce is unfit once in 2^255 draws; more than one in a row is a fault


def random_nonce() -> int:
    """Draw 1 ≤ k ≤ n − 1 (GM/T 0003.2, 6.1 A3) from the operating system's generator."""
    return secrets.randbelow(N - 1) + 1


class GmsslProvider:
    """SM2 through `CryptSM2.sign` and `.verify` on the digest."""

    name = "gmssl"

    def __init__(self, draw_nonce: NonceSource = random_nonce) -> None:
        self._draw_nonce = draw_nonce

    def generate(self) -> PrivateKey:
        """Draw a fresh private key."""
        return random_private_key()

    def public_key_of(self, private_key: PrivateKey) -> bytes:
        """Compute the 64 bytes x ‖ y."""
        crypt = CryptSM2(private_key="", public_key="")
        scalar = int.from_bytes(private_key.secret_bytes(), "big")
        return read_public_key(bytes.fromhex(crypt._kg(scalar, crypt.ecc_table["g"])))  # noqa: SLF001 - no public name

    def signer(self, private_key: PrivateKey, user_id: bytes = USER_ID_DEFAULT) -> Signer:
        """Prepare to sign."""
        crypt = CryptSM2(private_key=private_key.secret_bytes().hex(), public_key="")

        def sign_digest(digest: bytes) -> bytes:
            return _sign(crypt, digest, self._draw_nonce)

        return KeyedSigner(self.public_key_of(private_key), user_id, sign_digest)

    def verifier(self, unverified_public_key: bytes, user_id: bytes = USER_ID_DEFAULT) -> Verifier:
        """Prepare to verify; raise InvalidKey for a key off the curve."""
        public_key = read_public_key(unverified_public_key)
        crypt = CryptSM2(private_key="", public_key="")
        crypt.public_key = public_key.hex()  # set afterwards: the constructor strips digits off one key in eight

        def verify_digest(digest: bytes, signature: bytes) -> None:
            _verify(crypt, digest, signature)

        return KeyedVerifier(public_key, user_id, verify_digest)

    def close(self) -> None:
        """Nothing to give back."""


def _sign(crypt: CryptSM2, digest: bytes, draw_nonce: NonceSource) -> bytes:
    for _ in range(_MAX_DRAWS):
        signature = crypt.sign(digest, f"{draw_nonce():064x}")
        if signature is not None:  # None: this nonce gives r = 0, r + k = n or s = 0 (GM/T 0003.2, 6.1 A5, A6)
            return read_signature(bytes.fromhex(signature))
    raise ProviderUnavailable("the nonce source gives unfit nonces only")


def _verify(crypt: CryptSM2, digest: bytes, signature: bytes) -> None:
    """Verify the 64 bytes that the front door let through.

    The arithmetic answers None for points it cannot add and then fails in many ways: each means invalid.
    """
    try:
        proven = crypt.verify(signature.hex(), digest) is True
    except Exception as fault:  # noqa: BLE001 - an oracle that stumbles has not said yes
        raise InvalidSignature(f"gmssl stumbled: {type(fault).__name__}") from None
    if not proven:
        raise InvalidSignature("the signature does not belong to this message, key and user id")
