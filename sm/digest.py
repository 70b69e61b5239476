"""SM3 (GB/T 32905) and HMAC over it, from the interpreter's own hashlib."""

import hashlib
import hmac

DIGEST_SIZE = 32


def sm3(*parts: bytes) -> bytes:
    """Hash the concatenation of `parts` to 32 bytes."""
    digest = hashlib.new("sm3")
    for part in parts:
        digest.update(part)
    return digest.digest()


def hmac_sm3(key: bytes, *parts: bytes) -> bytes:
    """Authenticate the concatenation of `parts` with `key`; 32 bytes. Compare with `hmac.compare_digest`."""
    return hmac.digest(key, b"".join(parts), "sm3")
