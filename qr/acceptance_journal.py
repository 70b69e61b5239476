"""What an offline terminal accepted: kept so that a power cut takes nothing back, and uploaded later."""

import fcntl
import json
import os
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from core.clock import to_text
from qr.errors import CannotTell, CodeSpent

_DAMAGED = "the journal is damaged: keep the file and begin a new one"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One code taken at one time; the code travels to the service as it was scanned."""

    handle: bytes
    code: str = field(repr=False)
    accepted_at: str


class Journal(Protocol):
    """Where an offline terminal remembers what it accepted."""

    def record(self, acceptance: Acceptance) -> None:
        """Remember for good before returning; raise CodeSpent for a handle seen here before, CannotTell on failure."""


class MemoryJournal:
    """A journal for as long as the process lives: a trial at the desk, not a terminal."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def record(self, acceptance: Acceptance) -> None:
        """Remember until the end of the process."""
        if acceptance.handle in self._seen:
            raise CodeSpent("here")
        self._seen.add(acceptance.handle)


class FileJournal:
    """An append-only file of JSON lines, one process at a time; each line is on disk before the holder is told.

    A line is either an acceptance, ``{"accepted_at", "code", "handle"}``, or ``{"uploaded": n}``: the service has
    answered for the next n acceptances. A last line without its end was never told to anyone and is cut off.
    Raises CannotTell when the file is in use, damaged, or cannot be written; after a failed write until it is reopened.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._seen: set[bytes] = set()
        self._pending: list[Acceptance] = []
        self._broken = False
        with ExitStack() as opened:
            self._file = opened.enter_context(_open_locked(path))
            self._load()
            opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def record(self, acceptance: Acceptance) -> None:
        """Write the acceptance to disk; raise CodeSpent for a handle that stands in the file."""
        with self._lock:
            if acceptance.handle in self._seen:
                raise CodeSpent("here")
            self._append(
                {
                    "accepted_at": acceptance.accepted_at,
                    "code": acceptance.code,
                    "handle": acceptance.handle.hex(),
                }
            )
            self._seen.add(acceptance.handle)
            self._pending.append(acceptance)

    def pending(self, limit: int = 500) -> tuple[Acceptance, ...]:
        """List the oldest acceptances that the service has not answered for."""
        return tuple(self._pending[:limit])

    def settle(self, count: int) -> None:
        """Note that the service has answered for the oldest ``count`` acceptances."""
        with self._lock:
            if not 0 < count <= len(self._pending):
                raise ValueError("more than what is pending")
            self._append({"uploaded": count})
            del self._pending[:count]

    def _load(self) -> None:
        *lines, torn = self._file.readall().split(b"\n")
        if torn:
            self._file.truncate(self._file.tell() - len(torn))
        for line in lines:
            self._replay(_read_line(line))

    def _replay(self, entry: Acceptance | int) -> None:
        if isinstance(entry, Acceptance):
            self._seen.add(entry.handle)
            self._pending.append(entry)
        elif 0 < entry <= len(self._pending):
            del self._pending[:entry]
        else:
            raise CannotTell(_DAMAGED)

    def _append(self, fields: dict[str, Any]) -> None:
        line = json.dumps(fields, sort_keys=True).encode("ascii") + b"\n"
        if self._broken:
            raise CannotTell("the journal failed before and must be reopened")
        self._broken = True  # until the line is on disk, nobody knows what the file holds
        try:
            written = self._file.write(line)
            os.fsync(self._file.fileno())
        except OSError as error:
            raise CannotTell("the journal cannot be written") from error
        if written != len(line):
            raise CannotTell("the disk is full")
        self._broken = False


def upload_body(acceptances: Iterable[Acceptance]) -> bytes:
    """Write the body of ``POST /v1/offline-acceptances``; the service answers item by item."""
    items = [{"accepted_at": taken.accepted_at, "code": taken.code} for taken in acceptances]
    return json.dumps({"items": items}).encode("ascii")


def acceptance(handle: bytes, code: str, at: datetime) -> Acceptance:
    """Note that a code was taken at this moment."""
    return Acceptance(handle, code, to_text(at))


def _open_locked(path: Path) -> FileIO:
    try:
        with ExitStack() as opened:
            journal = opened.enter_context(FileIO(path, "a+", opener=_open_private))
            fcntl.flock(journal.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sync_directory(path.parent)
            journal.seek(0)
            opened.pop_all()
            return journal
    except OSError as error:
        raise CannotTell("the journal cannot be opened, or another process uses it") from error


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_directory(directory: Path) -> None:
    # A new file survives a power cut only when its directory entry does.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_line(line: bytes) -> Acceptance | int:
    try:
        fields = json.loads(line)
        if fields.keys() == {"uploaded"}:
            return int(fields["uploaded"])
        return Acceptance(bytes.fromhex(fields["handle"]), str(fields["code"]), str(fields["accepted_at"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CannotTell(_DAMAGED) from error
