"""Personal data at rest: SM4-GCM bound to its place, and a blind index to find it again (PIPL; threats.md A4, A5)."""

import unicodedata

from sm.digest import hmac_sm3
from sm.errors import SmError
from sm.sm4 import open_sealed, seal

_VERSION = b"\x01"


class FieldBroken(Exception):
    """A sealed field does not open: it was moved, changed, or sealed with another key. A fault, not a refusal."""


class SealedFields:
    """Seals text for one column of one row.

    Args:
        key: 16 bytes, SM4; rotate before 2^32 fields (random 96-bit nonces).
        index_key: 32 bytes, HMAC-SM3; another key than ``key``.
    """

    def __init__(self, key: bytes, index_key: bytes) -> None:
        self._key = key
        self._index_key = index_key

    def __repr__(self) -> str:
        return "SealedFields(key=…)"

    def seal(self, table: str, column: str, row: str, text: str) -> bytes:
        """Encrypt ``text`` so that it opens only in this column of this row."""
        return _VERSION + seal(self._key, text.encode(), _place(table, column, row))

    def open(self, table: str, column: str, row: str, sealed: bytes) -> str:
        """Decrypt a field; raises ``FieldBroken`` where it does not belong there."""
        if sealed[:1] != _VERSION:
            raise FieldBroken(f"{table}.{column}")
        try:
            return open_sealed(self._key, sealed[1:], _place(table, column, row)).decode()
        except SmError as error:
            raise FieldBroken(f"{table}.{column}") from error

    def index(self, kind: str, text: str) -> str:
        """Make the blind index of a value: 64 hex digits, the same for the same value, no way back without the key."""
        plain = unicodedata.normalize("NFKC", text).strip().upper()
        return hmac_sm3(self._index_key, kind.encode(), b"\x00", plain.encode()).hex()


def _place(table: str, column: str, row: str) -> bytes:
    return f"{table}\x00{column}\x00{row}".encode()
