"""What a process and its children have cost: CPU time and memory, read from /proc."""

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM, _CHILD_USER, _CHILD_SYSTEM = 1, 11, 12, 13, 14  # proc(5), counted from the state field


def cpu_seconds(root: int) -> float:
    """Sum user and system time of a process, of all its living descendants, and of those that were waited for.

    The kernel tells each process in hundredths of a second: measure at least half a second at a time.
    """
    return sum(_ticks(process) for process in tree(root)) / _TICKS


def resident_megabytes(root: int) -> float:
    """Tell the resident memory of the largest process of a tree: the worker, not the one that watches it."""
    return max(_resident(process) for process in tree(root)) / 2**20


def tree(root: int) -> list[int]:
    """List a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for process, fields in _all():
        children.setdefault(int(fields[_PARENT]), []).append(process)
    found = [root]
    for process in found:
        found.extend(children.get(process, []))
    return found


def children_of(process: int) -> list[int]:
    """List the processes that this one has started."""
    return [child for child, fields in _all() if int(fields[_PARENT]) == process]


def command_of(process: int) -> str:
    """Give the command line of a process, blanks between its words."""
    return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


def _all() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(folder.name))
        if fields:
            yield int(folder.name), fields


def _stat(process: int) -> list[str]:
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()  # the name before it may hold blanks


def _ticks(process: int) -> int:
    fields = _stat(process)
    return sum(int(fields[index]) for index in (_USER, _SYSTEM, _CHILD_USER, _CHILD_SYSTEM)) if fields else 0


def _resident(process: int) -> int:
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
