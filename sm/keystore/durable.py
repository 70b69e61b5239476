"""Files that are there in whole or not at all, readable by their owner only, changed by one writer at a time."""

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sm.errors import KeyNotFound, KeyStoreUnavailable, UnsafePermissions

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
TEMPORARY_SUFFIX = ".tmp"

_OTHERS = 0o077
_LOCK_TRIES, _LOCK_PAUSE = 500, 0.02  # ten seconds in all; a rewrap of a city's keys takes less than one


def make_directory(path: Path) -> None:
    """Make a directory, and those above it, that only its owner may enter; an existing one must be such already."""
    try:
        path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        sync_directory(path.parent)
    except OSError as error:
        raise KeyStoreUnavailable(f"cannot make {path}: {error.strerror}") from error
    require_private_directory(path)


def require_private_directory(path: Path) -> None:
    """Refuse a directory that others may enter, or that someone else owns."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        raise KeyNotFound(f"there is no key store at {path}") from None
    except OSError as error:
        raise KeyStoreUnavailable(f"cannot look at {path}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise UnsafePermissions(f"{path} is not a directory")
    _require_private(path, status)


def read_private_file(path: Path, max_size: int) -> bytes:
    """Read a regular file of at most `max_size` bytes that nobody else may read or write; follows no link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > max_size:
                raise UnsafePermissions(f"{path} is not a file of at most {max_size} bytes")
            _require_private(path, status)
            return file.read(max_size)
    except FileNotFoundError:
        raise KeyNotFound(f"there is no {path.name}") from None
    except OSError as error:
        raise KeyStoreUnavailable(f"cannot read {path}: {error.strerror}") from error


def write_durably(path: Path, body: bytes) -> None:
    """Put `body` at `path`: after a crash at any point the file holds the old bytes or the new, and nothing between."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    try:
        _write_new(temporary, body)
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise KeyStoreUnavailable(f"cannot write {path}: {error.strerror}") from error


def append_durably(path: Path, line: bytes) -> None:
    """Add a line to a file that only grows; what a crash left of an unfinished line goes first. Needs the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "r+b") as file:
            _require_private(path, os.fstat(descriptor))
            file.truncate(file.read().rfind(b"\n") + 1)
            file.seek(0, os.SEEK_END)
            file.write(line)
            file.flush()
            os.fsync(descriptor)
        sync_directory(path.parent)
    except OSError as error:
        raise KeyStoreUnavailable(f"cannot write {path}: {error.strerror}") from error


def remove_durably(path: Path) -> None:
    """Take a file away for good; it may be gone already."""
    try:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)
    except OSError as error:
        raise KeyStoreUnavailable(f"cannot remove {path}: {error.strerror}") from error


def sync_directory(path: Path) -> None:
    """Make names that were added to or taken from a directory outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock file of a store, together with other readers or alone; give up after ten seconds."""
    access = os.O_RDWR if exclusive else os.O_RDONLY  # so that a store on a read-only mount can be read
    try:
        descriptor = os.open(path, access | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise KeyStoreUnavailable(f"cannot open {path}: {error.strerror}") from error
    try:
        _take_lock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)  # gives the lock back, as does the end of the process


def _take_lock(descriptor: int, how: int) -> None:
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE)
        else:
            return
    raise KeyStoreUnavailable("another process is writing to the key store and does not finish")


def _write_new(path: Path, body: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(descriptor)


def _require_private(path: Path, status: os.stat_result) -> None:
    if status.st_mode & _OTHERS:
        raise UnsafePermissions(f"{path} is open to others: chmod go= it, and ask who has read it")
    if status.st_uid not in (os.geteuid(), 0):
        raise UnsafePermissions(f"{path} belongs to another user")
