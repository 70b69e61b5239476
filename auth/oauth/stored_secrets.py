"""Codes, tokens, references and client secrets: drawn at random, handed out once, kept only as HMAC-SM3.

256 random bits need no slow password hash: nobody can try them out, and a fast one costs no time at each request.
"""

import secrets

from sm.digest import hmac_sm3

SECRET_LENGTH = 43
"""Characters of base64url that 32 bytes take."""


class StoredSecrets:
    """Makes handles: 64 hexadecimal digits under which a secret is found again.

    Args:
        key: 32 bytes, HMAC-SM3 (``sm.city_keys.STORED_SECRETS``).
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "StoredSecrets(key=…)"

    def draw(self, kind: str) -> tuple[str, str]:
        """Draw a secret and return it with its handle."""
        secret = secrets.token_urlsafe(32)
        return secret, self.handle(kind, secret)

    def handle(self, kind: str, given: str) -> str:
        """Name what is kept for a secret; the same text of another kind has another handle."""
        return self._mac(kind, given).hex()

    def derive(self, kind: str, secret: str) -> bytes:
        """Make 32 bytes that follow from a secret and this city's key alone."""
        return self._mac(f"derived:{kind}", secret)

    def _mac(self, kind: str, text: str) -> bytes:
        return hmac_sm3(self._key, b"oauth\x00", kind.encode(), b"\x00", text.encode(errors="surrogatepass"))
