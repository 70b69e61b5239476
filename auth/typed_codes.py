"""Codes that people read on one screen and type on another: eight letters, written BCDF-GHJK.

The alphabet is that of RFC 8628 section 6.1: no vowels, so no words; no digits to take for letters.
"""

import unicodedata

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8
"""20^8 codes are 34.6 bits: enough for minutes and where tries are counted, and for nothing else."""
_LONGEST_INPUT = 64


def write_code(entropy: bytes) -> str:
    """Write at least 16 random bytes as a code."""
    number = int.from_bytes(entropy, "big")
    letters = "".join(ALPHABET[number // 20**place % 20] for place in range(LENGTH))
    return f"{letters[:4]}-{letters[4:]}"


def find_code(typed: str) -> str | None:
    """Find the code in what was typed, in the one spelling of ``write_code``; None if it is none.

    Case and whatever is neither letter nor digit do not count (RFC 8628 section 6.1), nor does the full-width form
    that a Chinese input method writes.
    """
    if len(typed) > _LONGEST_INPUT:
        return None
    plain = unicodedata.normalize("NFKC", typed).upper()
    letters = "".join(letter for letter in plain if letter.isalnum())
    if len(letters) != LENGTH or not set(letters) <= set(ALPHABET):
        return None
    return f"{letters[:4]}-{letters[4:]}"
