"""Values of the card's records: `cn` = packed digits padded F, `an` = text padded 00 (chip-card.md 1.3).

A value of FF throughout, 00 throughout, or no bytes at all is an absent one.
"""

from dataclasses import dataclass
from datetime import date

from physical.chip.errors import MalformedAnswer

TEXT_ENCODING = "gb18030"
_DATE_LENGTH = 4


@dataclass(frozen=True, slots=True)
class FieldFormat:
    """One record of a file: its tag, the number of bytes of its value, and whether every card has it."""

    tag: int
    length: int
    required: bool = False

    def require_fitting(self, unverified_value: bytes | None) -> None:
        """Refuse a value of another length; no bytes at all are an absent value."""
        if unverified_value and len(unverified_value) != self.length:
            raise MalformedAnswer(f"record {self.tag:02X} does not have {self.length} bytes")


def _is_absent(value: bytes) -> bool:
    return value in {b"\xff" * len(value), b"\0" * len(value)}


def read_hex(value: bytes) -> str:
    """Read packed digits that may be hexadecimal, without padding, in upper case."""
    return value.hex().upper()


def read_digits(value: bytes) -> str | None:
    """Read packed decimal digits; None when absent.

    Raises:
        MalformedAnswer: anything but digits, or digits after the padding
    """
    if not value.strip(b"\xff"):
        return None
    digits = value.hex().rstrip("f")
    if not digits.isdecimal():
        raise MalformedAnswer("packed digits were expected")
    return digits


def write_digits(digits: str | None, length: int) -> bytes:
    """Pack decimal digits to `length` bytes, padded F; FF throughout when absent."""
    if len(digits or "") > 2 * length:
        raise ValueError("too many digits for the record")
    return bytes.fromhex((digits or "").ljust(2 * length, "F"))


def read_date(value: bytes) -> date | None:
    """Read YYYYMMDD from four bytes; None when absent.

    Raises:
        MalformedAnswer: no day of the calendar
    """
    if _is_absent(value):
        return None
    digits = value.hex()
    if not digits.isdecimal():
        raise MalformedAnswer("a date was expected")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        raise MalformedAnswer("no such day") from None


def write_date(day: date | None) -> bytes:
    """Pack YYYYMMDD to four bytes; FF throughout when absent."""
    return bytes.fromhex(day.isoformat().replace("-", "")) if day else b"\xff" * _DATE_LENGTH


def read_text(*parts: bytes) -> str | None:
    """Read text that may go on in a second record; None when absent.

    The parts are joined before they are decoded: a character can begin in one record and end in the next.

    Raises:
        MalformedAnswer: no GB18030, text after the padding, or characters that do not show
    """
    joined = b"".join(part.rstrip(b"\0") for part in parts if not _is_absent(part))
    try:
        text = joined.decode(TEXT_ENCODING)
    except UnicodeDecodeError:
        raise MalformedAnswer("text was expected") from None
    if not text.isprintable():
        raise MalformedAnswer("text with characters that do not show")
    return text or None


def write_text(text: str | None, length: int) -> bytes:
    """Encode text to `length` bytes, padded 00; FF throughout when absent."""
    if text is None:
        return b"\xff" * length
    encoded = text.encode(TEXT_ENCODING)
    if len(encoded) > length:
        raise ValueError("too long for the record")
    return encoded.ljust(length, b"\0")
