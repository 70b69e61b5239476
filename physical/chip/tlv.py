"""Tag, length, value: the one-byte records of EF05 and EF06, and the nested form of a SELECT answer.

Both readers are total: any bytes give a value or `MalformedAnswer`, and no value has two spellings.
"""

from typing import NamedTuple

from physical.chip.errors import MalformedAnswer

MAX_RECORDS_LENGTH = 1024  # EF06 with all its records has 105 bytes; a bound, not a size
MAX_NESTING = 4  # SELECT's answer nests three deep (6F, A5, 9F0C)
_ABSENT = 0xFF
_CONSTRUCTED = 0x20
_MORE_TAG_BYTES = 0x1F


class Record(NamedTuple):
    """One record: a tag of one byte and a value of 0 to 255 bytes."""

    tag: int
    value: bytes


class Node(NamedTuple):
    """One nested data object (ISO 7816-4 clause 5.2.2): a tag of one or two bytes, value, and children if any."""

    tag: int
    value: bytes
    children: tuple["Node", ...]


def read_record(unverified: bytes) -> Record:
    """Read exactly one record, as READ RECORD gives it."""
    records = read_records(unverified)
    if len(records) != 1:
        raise MalformedAnswer("one record was expected")
    return records[0]


def read_records(unverified: bytes) -> tuple[Record, ...]:
    """Read concatenated records, each tag at most once.

    Raises:
        MalformedAnswer: cut short, too long, a tag twice, or a tag 00 or FF
    """
    if len(unverified) > MAX_RECORDS_LENGTH:
        raise MalformedAnswer("more records than a file can hold")
    records: dict[int, Record] = {}
    rest = unverified
    while rest:
        record, rest = _next_record(rest)
        if record.tag in records:
            raise MalformedAnswer("a record appears twice")
        records[record.tag] = record
    return tuple(records.values())


def _next_record(rest: bytes) -> tuple[Record, bytes]:
    if len(rest) < 2 or len(rest) < 2 + rest[1]:
        raise MalformedAnswer("a record is cut short")
    if rest[0] in {0, _ABSENT}:
        raise MalformedAnswer("no record has this tag")
    end = 2 + rest[1]
    return Record(rest[0], bytes(rest[2:end])), rest[end:]


def write_record(tag: int, value: bytes) -> bytes:
    """Write one record (tag, length, value)."""
    return bytes((tag, len(value))) + value


def write_records(records: tuple[Record, ...]) -> bytes:
    """Write records one after the other."""
    return b"".join(write_record(*record) for record in records)


def read_nodes(unverified: bytes, depth: int = MAX_NESTING) -> tuple[Node, ...]:
    """Read nested data objects.

    Raises:
        MalformedAnswer: cut short, nested too deep, a tag over two bytes, a length in more bytes than it needs
    """
    if not depth:
        raise MalformedAnswer("data objects are nested too deep")
    nodes = []
    rest = unverified
    while rest:
        tag, rest = _next_tag(rest)
        value, rest = _next_value(rest)
        constructed = (tag >> 8 or tag) & _CONSTRUCTED
        nodes.append(Node(tag, value, read_nodes(value, depth - 1) if constructed else ()))
    return tuple(nodes)


def _next_tag(rest: bytes) -> tuple[int, bytes]:
    if rest[0] & _MORE_TAG_BYTES != _MORE_TAG_BYTES:
        return rest[0], rest[1:]
    if len(rest) < 2 or rest[1] & 0x80:  # payment tags such as 9F0C stay below 1F: that is not refused
        raise MalformedAnswer("no such tag")
    return int.from_bytes(rest[:2], "big"), rest[2:]


def _next_value(rest: bytes) -> tuple[bytes, bytes]:
    length, rest = _next_length(rest)
    if len(rest) < length:
        raise MalformedAnswer("a data object is cut short")
    return bytes(rest[:length]), rest[length:]


def _next_length(rest: bytes) -> tuple[int, bytes]:
    size = {0x81: 1, 0x82: 2}.get(rest[0] if rest else 0x80, 0)
    if not rest or (not size and rest[0] >= 0x80) or len(rest) < 1 + size:
        raise MalformedAnswer("no length")
    length = int.from_bytes(rest[1 : 1 + size], "big") if size else rest[0]
    if (size == 1 and length < 0x80) or (size == 2 and length < 0x100):
        raise MalformedAnswer("a length in more bytes than it needs")
    return length, rest[1 + size :]


def write_node(tag: int, *parts: bytes) -> bytes:
    """Write one data object around the parts, length in as few bytes as it needs."""
    value = b"".join(parts)
    tag_bytes = tag.to_bytes(2 if tag > 0xFF else 1, "big")
    if len(value) < 0x80:
        return tag_bytes + bytes((len(value),)) + value
    size = 1 if len(value) < 0x100 else 2
    return tag_bytes + bytes((0x80 | size,)) + len(value).to_bytes(size, "big") + value
