"""SM3 (GB/T 32905) and HMAC over it, from the interpreter's own hashlib."""

import hashlib
import hmac
from typing import Protocol

DIGEST_SIZE = 32


def sm3(*parts: bytes) -> bytes:
    """Hash the concatenation of `parts` to 32 bytes."""
    digest = hashlib.new("sm3")
    for part in parts:
        digest.update(part)
    return digest.digest()


class RunningDigest(Protocol):
    """A hash of what comes piece by piece."""

    def update(self, data: bytes, /) -> None:
        """Take the next piece."""

    def digest(self) -> bytes:
        """Tell the 32 bytes of all pieces so far."""

    def hexdigest(self) -> str:
        """Tell the same in lower-case hexadecimal."""


def start_sm3(*parts: bytes) -> RunningDigest:
    """Begin to hash what is too large to hold, after `parts`."""
    digest = hashlib.new("sm3")
    for part in parts:
        digest.update(part)
    return digest


def hmac_sm3(key: bytes, *parts: bytes) -> bytes:
    """Authenticate the concatenation of `parts` with `key`; 32 bytes. Compare with `hmac.compare_digest`."""
    return hmac.digest(key, b"".join(parts), "sm3")
