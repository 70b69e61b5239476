"""Made-up people: numbers that no person can have, names that say what they are, a password that everybody knows."""

import secrets
from datetime import date, timedelta

from ecard.holders import check_character

REGION = "999999"
"""No administrative division has this code: those of GB/T 2260 begin with 11 to 82."""
PASSWORD = "271828"  # noqa: S105 - published: it is the same for every made-up card, and for no other
CHIP_MARK = "SANDBOX"
"""Begins what stands for the code of a made-up card's chip; the code of a chip is 32 hex digits."""
_NAMES = ("甲", "乙", "丙", "丁", "戊", "己", "庚", "辛", "壬", "癸")
_FIRST_BIRTH = date(1900, 1, 1)
_DAYS = 36_525


def draw_number() -> str:
    """Draw a number that is wrong twice: a region that there is not, and a check character that is not the right one.

    GB 11643-1999, clause 5, gives each 17 digits one check character; whatever reads numbers here refuses another
    (``is_social_security_number``), so no person, no chip and no request of a bank ever comes under such a number.
    """
    born = _FIRST_BIRTH + timedelta(days=secrets.randbelow(_DAYS))
    digits = f"{REGION}{born:%Y%m%d}{secrets.randbelow(1000):03d}"
    return digits + ("1" if check_character(digits) == "0" else "0")


def name_of(count: int) -> str:
    """Name the next person of a sandbox that has had so many."""
    return f"沙箱{_NAMES[count % len(_NAMES)]}"


def draw_chip_code() -> str:
    """Draw what stands for the code of a chip that there is not."""
    return f"{CHIP_MARK}{secrets.token_hex(13)}"[:32]
