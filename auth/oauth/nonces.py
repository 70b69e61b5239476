"""Nonces for DPoP proofs (RFC 9449 section 8): made from the clock and a key, so that nobody has to remember them."""

from datetime import datetime
from hmac import compare_digest

from auth.compact import encode_base64url
from sm.digest import hmac_sm3

NONCE_SECONDS = 120
"""A nonce is good in the window it was made in and in the next one."""


class ProofNonces:
    """Makes and recognises nonces.

    Args:
        key: 32 bytes, HMAC-SM3.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "ProofNonces(key=…)"

    def current(self, at: datetime) -> str:
        """Make the nonce of this moment."""
        return self._nonce(_window(at))

    def is_good(self, given: object, at: datetime) -> bool:
        """Tell whether a nonce was made here and lately."""
        if not isinstance(given, str):
            return False
        window, encoded = _window(at), given.encode(errors="replace")
        return any(compare_digest(self._nonce(made).encode(), encoded) for made in (window, window - 1))

    def _nonce(self, window: int) -> str:
        return encode_base64url(hmac_sm3(self._key, b"dpop-nonce\x00", window.to_bytes(8, "big"))[:18])


def _window(at: datetime) -> int:
    return int(at.timestamp()) // NONCE_SECONDS
