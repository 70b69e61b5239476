"""Which six digits may be the password of an e-card (feature row 41; docs/decisions/0012 lists what is refused).

Left alone, people choose few of the million: half of them meet in some hundredths of it, runs, repeats and dates above
all, and against guessing online six digits are then worth 7 bits (Wang et al., Understanding Human-Chosen PINs,
ASIACCS 2017, doi 10.1145/3052973.3053031). Refused are 46,068 of them, and some thirty more for each holder.
"""

import re
from itertools import pairwise

from ecard.errors import PasswordWeak

_SIX_DIGITS = re.compile(r"[0-9]{6}")
_THREE_EQUAL = re.compile(r"([0-9])\1\1")
_LINES = ("123", "456", "789", "147", "258", "369", "159", "357")
_KEYPAD_LINES = frozenset((*_LINES, *(line[::-1] for line in _LINES)))
"""Rows, columns and diagonals of a keypad, in both directions."""


def require_hard_to_guess(given: str, social_security_number: str) -> None:
    """Refuse a password that others would try first; raises ``PasswordWeak``, which names the rule and no digit."""
    if not _SIX_DIGITS.fullmatch(given):
        raise PasswordWeak("six_digits")
    if _is_repeat(given):
        raise PasswordWeak("repeat")
    if _is_run(given):
        raise PasswordWeak("run")
    if any(given in spelling for spelling in _spellings(social_security_number)):
        raise PasswordWeak("number")


def _is_repeat(given: str) -> bool:
    """Tell 111234, 121121, 258258, 112233 and 123321 from others: three equal digits, two different ones, patterns."""
    return (
        _THREE_EQUAL.search(given) is not None
        or len(set(given)) < 3
        or given[:3] == given[3:]
        or given[::2] == given[1::2]
        or given == given[::-1]
    )


def _is_run(given: str) -> bool:
    """Tell 123409, 890176 (0 follows 9), 135791 (one step throughout) and 147258 (lines of a keypad) from others."""
    steps = [(int(after) - int(before)) % 10 for before, after in pairwise(given)]
    threes = [steps[begin : begin + 3] for begin in range(3)]
    is_four_in_a_row = [1, 1, 1] in threes or [9, 9, 9] in threes
    return is_four_in_a_row or len(set(steps)) == 1 or {given[:3], given[3:]} <= _KEYPAD_LINES


def _spellings(number: str) -> tuple[str, ...]:
    """Write the number as people take digits from it: forward, backward, the birth date in other orders.

    An X at the end is read as 0, as banks do where it has to be typed; the birth date itself, also without its century,
    stands in the number.
    """
    digits = number.replace("X", "0")
    year, month, day = digits[6:10], digits[10:12], digits[12:14]
    dates = (day + month + year, month + day + year, day + month + year[2:], month + day + year[2:])
    return digits, digits[::-1], *dates
