"""How else a base string may have been signed: another user id, a hash of it, another hash, another key."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sm.digest import sm3
from sm.errors import SmError
from sm.sm2 import FIELD_SIZE, USER_ID_DEFAULT, Provider, Verifier, z_value

OTHER_USER_IDS = (b"", b"0", b"12345678", b"1234567812345678\0", b"31323334353637383132333435363738")
"""Z without a user id, and the default misspelt: cut, ended as a C string, or written in hex."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to sign; ``holds`` tells whether a signature holds in it."""

    code: str
    detail: str
    holds: Callable[[bytes, bytes], bool]


def right_way(provider: Provider, public_key: bytes) -> Way:
    """Give the way in which requests are signed."""
    return Way("", "", _of_message(provider.verifier(public_key)))


def other_ways(provider: Provider, public_key: bytes, user_ids: tuple[bytes, ...]) -> Iterator[Way]:
    """List the other ways, with this key; ``user_ids`` are those that this developer may have used."""
    verifier = provider.verifier(public_key)
    for user_id in dict.fromkeys((*user_ids, *OTHER_USER_IDS)):
        if user_id != USER_ID_DEFAULT:
            shown = user_id.decode("ascii", "replace") or "empty"
            yield Way("user_id", shown, _of_message(provider.verifier(public_key, user_id)))
    yield from _hashed(verifier)
    yield Way("digest_without_z", "", _of_digest(verifier, sm3))
    z = z_value(USER_ID_DEFAULT, public_key)
    yield Way("sha256", "without Z", _of_digest(verifier, lambda base: hashlib.sha256(base).digest()))
    yield Way("sha256", "with Z", _of_digest(verifier, lambda base: hashlib.sha256(z + base).digest()))
    yield Way("halves_swapped", "", _swapped(verifier))


def _hashed(verifier: Verifier) -> Iterator[Way]:
    for name, digest in (("SM3", sm3), ("SHA-256", lambda base: hashlib.sha256(base).digest())):
        for spelling, spell in (
            ("its bytes", bytes),
            ("in hex", lambda raw: raw.hex().encode()),
            ("in capital hex", lambda raw: raw.hex().upper().encode()),
        ):
            yield Way("hash_signed", f"{name}, {spelling}", _of_hash(verifier, digest, spell))


def _of_hash(
    verifier: Verifier, digest: Callable[[bytes], bytes], spell: Callable[[bytes], bytes]
) -> Callable[[bytes, bytes], bool]:
    return lambda base, signature: _holds(verifier.verify, spell(digest(base)), signature)


def _of_message(verifier: Verifier) -> Callable[[bytes, bytes], bool]:
    return lambda base, signature: _holds(verifier.verify, base, signature)


def _of_digest(verifier: Verifier, digest: Callable[[bytes], bytes]) -> Callable[[bytes, bytes], bool]:
    return lambda base, signature: _holds(verifier.verify_digest, digest(base), signature)


def _swapped(verifier: Verifier) -> Callable[[bytes, bytes], bool]:
    return lambda base, signature: _holds(verifier.verify, base, signature[FIELD_SIZE:] + signature[:FIELD_SIZE])


def _holds(verify: Callable[[bytes, bytes], None], content: bytes, signature: bytes) -> bool:
    """Tell whether it holds; nothing is let in by this answer, it explains a refusal."""
    try:
        verify(content, signature)
    except SmError:
        return False
    return True
