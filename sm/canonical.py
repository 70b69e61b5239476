"""One spelling for what is sealed or signed as text: canonical JSON, lower-case hexadecimal, times to the second."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sm.errors import Malformed

Types = Mapping[str, type | tuple[type, ...]]

_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})*")


def canonical_json(fields: Mapping[str, Any]) -> bytes:
    """Write JSON in one form only: sorted names, no spaces, ASCII."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def read_canonical_json(given: bytes, types: Types) -> dict[str, Any]:
    """Read one object with exactly these members of these types, in canonical form; raise Malformed."""
    try:
        fields = json.loads(given.decode("ascii"))
    except (ValueError, RecursionError):
        raise Malformed("not the expected JSON") from None
    read_members(fields, types)
    if canonical_json(fields) != given:
        raise Malformed("the JSON is not in its one accepted form")
    return dict(fields)


def read_members(given: Any, types: Types) -> dict[str, Any]:
    """Let through an object with exactly these members of these types; raise Malformed."""
    if not isinstance(given, dict) or given.keys() != types.keys():
        raise Malformed("not the expected members")
    for name, kinds in types.items():
        if type(given[name]) not in (kinds if isinstance(kinds, tuple) else (kinds,)):  # a bool is no number here
            raise Malformed("a member has the wrong type")
    return given


def read_texts(given: Any) -> dict[str, str]:
    """Let through an object of texts with any names; raise Malformed."""
    if not isinstance(given, dict) or any(type(value) is not str for value in given.values()):
        raise Malformed("not an object of texts")
    return given


def read_hex(given: str, size: int | None = None) -> bytes:
    """Read lower-case hexadecimal, of `size` bytes if one is given; raise Malformed."""
    if not _HEX.fullmatch(given) or (size is not None and len(given) != 2 * size):
        raise Malformed("not lower-case hexadecimal of the right size")
    return bytes.fromhex(given)


def write_time(moment: datetime) -> str:
    """Write a time to the second: 2026-01-31T08:00:00Z."""
    return moment.astimezone(UTC).strftime(_TIME_FORMAT)


def read_time(given: str) -> datetime:
    """Read the text of `write_time`; raise Malformed."""
    if not _TIME.fullmatch(given):
        raise Malformed("not a time like 2026-01-31T08:00:00Z")
    try:
        return datetime.strptime(given, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise Malformed("there is no such time") from None
