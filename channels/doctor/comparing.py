"""Two base strings beside each other: bytes so shown that none hides, and the first one that differs."""

from dataclasses import dataclass

_NAMED = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x5C: "\\\\"}
_AROUND = 12
"""So many bytes before and behind the first difference are shown."""
_LINES = ("method", "path and query", "timestamp", "nonce")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two base strings part: the offset, the line of ours it lies in, and what stands there in each."""

    offset: int
    line: str
    ours: str
    theirs: str


def escaped(content: bytes) -> str:
    r"""Write bytes in printable ASCII, each in one way: line ends, tabs and backslashes escaped, the rest as \xNN."""
    return "".join(_NAMED.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}") for byte in content)


def first_difference(ours: bytes, theirs: bytes) -> Difference | None:
    """Find the first byte that differs; None where there is none. The end of one counts as a difference."""
    if ours == theirs:
        return None
    shorter = min(len(ours), len(theirs))
    offset = next((at for at in range(shorter) if ours[at] != theirs[at]), shorter)
    return Difference(offset, _line_at(ours, offset), _piece(ours, offset), _piece(theirs, offset))


def _piece(content: bytes, offset: int) -> str:
    before, behind = content[max(0, offset - _AROUND) : offset], content[offset : offset + _AROUND]
    return f"{escaped(before)}»{escaped(behind) or 'end'}"


def _line_at(ours: bytes, offset: int) -> str:
    passed = ours[:offset].count(b"\n")
    return _LINES[passed] if passed < len(_LINES) else "body"
