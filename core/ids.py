import re
import secrets
from collections.abc import Callable

# Crockford's base 32 without look-alikes: an id can be read out over the telephone.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26  # 26 x 5 = 130 bits: unguessable, and no two ever meet
_SHAPE = re.compile(rf"[a-z]{{2,4}}_[{_ALPHABET}]{{{_LENGTH}}}")

Randomness = Callable[[int], bytes]


def new_id(prefix: str) -> str:
    """Make an opaque id such as ``crd_0h3k…``: 130 random bits behind the prefix of its kind."""
    number = secrets.randbits(5 * _LENGTH)
    return f"{prefix}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(0, 5 * _LENGTH, 5))


def is_id(given: str, prefix: str) -> bool:
    """Tell whether ``given`` has the shape of an id of this kind, before any look-up is spent on it."""
    return given.startswith(prefix + "_") and _SHAPE.fullmatch(given) is not None
