"""Bytes as JOSE writes them (RFC 7515, section 2)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode


def encode(data: bytes) -> str:
    """Write bytes without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Read what ``encode`` wrote; raises ``ValueError``."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
