"""A reader of DER (X.690, 10 and 11) that takes one spelling of each value and raises nothing but Malformed.

It goes only where its caller leads it: nesting is as deep as the caller's code, and what nobody asks for stays bytes.
"""

from datetime import UTC, datetime

from sm.errors import Malformed

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID, ENUMERATED = 0x01, 0x02, 0x03, 0x04, 0x06, 0x0A
UTF8_STRING, PRINTABLE_STRING, TELETEX_STRING, IA5_STRING, BMP_STRING = 0x0C, 0x13, 0x14, 0x16, 0x1E
UTC_TIME, GENERALIZED_TIME, SEQUENCE, SET = 0x17, 0x18, 0x30, 0x31

MAX_OID_SIZE = 64

_LONG_LENGTH, _MAX_LENGTH_BYTES = 0x80, 4
_HIGH_TAG = 0x1F
_ENCODINGS = {
    UTF8_STRING: "utf-8",
    PRINTABLE_STRING: "ascii",
    TELETEX_STRING: "latin-1",  # as everybody does
    IA5_STRING: "ascii",
    BMP_STRING: "utf-16-be",
}


def context(number: int, *, constructed: bool = True) -> int:
    """Make the tag [number] of X.690, 8.1.2: constructed for explicit tags, primitive for implicit plain values."""
    return (0xA0 if constructed else 0x80) | number


class DerReader:
    """Reads elements one after the other from `data`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def is_at_end(self) -> bool:
        """Tell whether everything was read."""
        return self._at == len(self._data)

    def is_next(self, *tags: int) -> bool:
        """Tell whether the next element has one of these tags."""
        return self._at < len(self._data) and self._data[self._at] in tags

    def read(self, *tags: int) -> bytes:
        """Read the content of the next element, which has one of these tags."""
        return self._next(tags)[1]

    def read_whole(self, *tags: int) -> bytes:
        """Read the next element together with its tag and length."""
        return self._next(tags)[0]

    def enter(self, *tags: int) -> "DerReader":
        """Give a reader of the next element's content."""
        return DerReader(self.read(*tags))

    def next_tag(self) -> int:
        """Tell the tag of the next element; it may be any."""
        if self.is_at_end():
            raise Malformed("an element is missing")
        return self._data[self._at]

    def finish(self) -> None:
        """Refuse bytes that nobody has read."""
        if not self.is_at_end():
            raise Malformed("bytes after the end")

    def _next(self, tags: tuple[int, ...]) -> tuple[bytes, bytes]:
        if self.next_tag() not in tags or self.next_tag() & _HIGH_TAG == _HIGH_TAG:
            raise Malformed("another element than expected")
        start = self._at
        length, body = self._read_length(start + 1)
        if length > len(self._data) - body:
            raise Malformed("an element is cut short")
        self._at = body + length
        return self._data[start : self._at], self._data[body : self._at]

    def _read_length(self, at: int) -> tuple[int, int]:
        first = self._byte(at)
        if first < _LONG_LENGTH:
            return first, at + 1
        count = first - _LONG_LENGTH
        digits = self._data[at + 1 : at + 1 + count]
        if not 1 <= count <= _MAX_LENGTH_BYTES or len(digits) != count or digits[0] == 0:
            raise Malformed("a length is indefinite, too long, padded or cut short")
        length = int.from_bytes(digits, "big")
        if length < _LONG_LENGTH:
            raise Malformed("a length is not in its shortest form")
        return length, at + 1 + count

    def _byte(self, at: int) -> int:
        if at >= len(self._data):
            raise Malformed("an element is cut short")
        return self._data[at]


def read_only(data: bytes, tag: int) -> bytes:
    """Read the content of the one element that `data` is."""
    reader = DerReader(data)
    content = reader.read(tag)
    reader.finish()
    return content


def open_only(data: bytes, tag: int) -> DerReader:
    """Give a reader of the content of the one element that `data` is."""
    return DerReader(read_only(data, tag))


def read_number(content: bytes, max_size: int) -> int:
    """Read an INTEGER that is not negative and has at most `max_size` bytes."""
    if not 1 <= len(content) <= max_size or content[0] & 0x80:
        raise Malformed("a number is empty, too long or negative")
    if len(content) > 1 and content[0] == 0 and not content[1] & 0x80:
        raise Malformed("a number is padded")
    return int.from_bytes(content, "big")


def read_true(content: bytes) -> bool:
    """Read a BOOLEAN whose default is false: DER writes it only when it is true, as FF."""
    if content != b"\xff":
        raise Malformed("a boolean is neither left out nor FF")
    return True


def read_oid(content: bytes) -> str:
    """Read an OBJECT IDENTIFIER to its dotted form."""
    if not 1 <= len(content) <= MAX_OID_SIZE or content[-1] & 0x80:
        raise Malformed("an object identifier is empty, too long or cut short")
    arcs, value, is_fresh = [], 0, True
    for byte in content:
        if is_fresh and byte == 0x80:
            raise Malformed("an object identifier is padded")
        value, is_fresh = value << 7 | byte & 0x7F, not byte & 0x80
        if is_fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def read_bits(content: bytes) -> bytes:
    """Read a BIT STRING of whole bytes."""
    if content[:1] != b"\0":
        raise Malformed("a bit string does not end with a byte")
    return content[1:]


def read_named_bits(content: bytes, names: tuple[str, ...]) -> frozenset[str]:
    """Read a BIT STRING in which each bit has a name; DER ends it at the last bit that is set."""
    if len(content) < 2 or content[0] > 7 or not content[-1] >> content[0] & 1 or content[-1] % (1 << content[0]):
        raise Malformed("named bits are empty or not in their shortest form")
    number, count = int.from_bytes(content[1:], "big") >> content[0], (len(content) - 1) * 8 - content[0]
    if count > len(names):
        raise Malformed("a bit without a name is set")
    return frozenset(name for place, name in enumerate(names[:count]) if number >> (count - 1 - place) & 1)


def read_text(tag: int, content: bytes) -> str:
    """Read one of the string types of a name, without control characters."""
    try:
        text = content.decode(_ENCODINGS[tag])
    except (KeyError, ValueError):
        raise Malformed("not a text") from None
    if not text.isprintable():
        raise Malformed("a text holds control characters")
    return text


def read_time(tag: int, content: bytes) -> datetime:
    """Read a time to the second in UTC: two digits for the year until 2049, four from then on (RFC 5280, 4.1.2.5)."""
    size = 14 if tag == GENERALIZED_TIME else 12
    digits = content[:-1]
    if len(digits) != size or content[-1:] != b"Z" or not digits.isdigit():
        raise Malformed("a time is not YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ")
    text = digits.decode("ascii")
    full = text if size == 14 else ("19" if text >= "5" else "20") + text
    if size == 14 and full < "2050":
        raise Malformed("a time before 2050 has two digits for the year")
    parts = (full[:4], *(full[place : place + 2] for place in range(4, 14, 2)))
    year, month, day, hour, minute, second = map(int, parts)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise Malformed("there is no such time") from None
