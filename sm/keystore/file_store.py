"""A key store in a directory: one file for each key, written in whole, opened by a secret."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sm.errors import KeyExists
from sm.keystore.durable import (
    TEMPORARY_SUFFIX,
    locked,
    make_directory,
    read_private_file,
    remove_durably,
    require_private_directory,
    write_durably,
)
from sm.keystore.entries import (
    Entry,
    SealedEntry,
    new_entry,
    open_entry,
    random_key,
    read_level,
    read_name,
    read_sealed,
    seal_entry,
    write_sealed,
)
from sm.keystore.header import MAX_HEADER_SIZE, new_header, open_header, read_header, write_header
from sm.keystore.keks import FILE_SUFFIX, Keks, read_entry_file
from sm.keystore.protocol import Environment, KeyStore, read_environment, require_environment

HEADER_FILE = "store.json"
_LOCK, _ENTRIES, _KEKS = "lock", "entries", "keks"
_SLASH = "~"  # stands for "/" in file names; no name contains it


def create_file_store(directory: Path, secret: str, environment: str) -> "FileKeyStore":
    """Make a new store and open it; raise KeyExists if there is one. A crash before the end leaves no store."""
    header, key = new_header(secret, read_environment(environment))
    for path in (directory, directory / _ENTRIES, directory / _KEKS):
        make_directory(path)
    with locked(directory / _LOCK, exclusive=True):
        if (directory / HEADER_FILE).exists():
            raise KeyExists(f"there is a key store at {directory} already")
        Keks(directory / _KEKS, header.store, key).create_all()
        write_durably(directory / HEADER_FILE, write_header(header))
    return FileKeyStore(directory, secret, environment)


class FileKeyStore(KeyStore):
    """Open the store at `directory`.

    Raises KeyNotFound (no store there), WrongSecret, WrongEnvironment (made for another than `environment`),
    SealBroken or Malformed (edited), UnsafePermissions (others may read it), KeyStoreUnavailable.
    Threads may share one; processes may open the same directory, also for writing. Nothing here notices that a file,
    or all of them, went back to an older state that once was right: keep the directory's backups as safe as itself.
    """

    def __init__(self, directory: Path, secret: str, environment: str | None = None) -> None:
        require_private_directory(directory)
        self._header = read_header(read_private_file(directory / HEADER_FILE, MAX_HEADER_SIZE))
        key = open_header(self._header, secret)
        if environment is not None:
            require_environment(self, environment)
        self.directory = directory
        self._keks = Keks(directory / _KEKS, self._header.store, key)
        self._thread_lock = threading.RLock()
        self._writers = 0

    def __repr__(self) -> str:
        return f"FileKeyStore({str(self.directory)!r}, {self.environment!r})"

    @property
    def identifier(self) -> str:
        """The store's own random name."""
        return self._header.store

    @property
    def environment(self) -> Environment:
        """What the keys were made for."""
        return self._header.environment

    def names(self) -> list[str]:
        """List the names of all keys and documents, sorted."""
        paths = (self.directory / _ENTRIES).glob(f"*{FILE_SUFFIX}")
        return sorted(path.name.removesuffix(FILE_SUFFIX).replace(_SLASH, "/") for path in paths)

    def entry(self, name: str) -> Entry:
        """Tell level and kind of a name."""
        return self.read(name)[0]

    def create(self, name: str, level: str, kind: str) -> Entry:
        """Draw a key and keep it."""
        entry = new_entry(name, level, kind)
        return self.put(name, level, kind, random_key(entry.kind))

    def put(self, name: str, level: str, kind: str, key: bytes) -> Entry:
        """Keep a key that was drawn elsewhere."""
        entry = new_entry(name, level, kind)
        with self.writing():
            if self._path(name).exists():
                raise KeyExists(f"there is a {name} already")
            self._write(entry, key)
        return entry

    def write_document(self, name: str, level: str, body: bytes) -> None:
        """Write a document, replacing the former one."""
        entry = new_entry(name, level, "document")
        with self.writing():
            if self._path(name).exists() and self.entry(name) != entry:
                raise KeyExists(f"{name} is something else")
            self._write(entry, body)

    def read(self, name: str) -> tuple[Entry, bytes]:
        """Open an entry."""
        with self._reading():
            sealed = self._read_sealed(name)
            return sealed.entry, self._open(sealed)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep every other thread and process out."""
        with self._thread_lock:
            if self._writers:
                yield
                return
            with locked(self.directory / _LOCK, exclusive=True):
                self._writers += 1
                try:
                    yield
                finally:
                    self._writers -= 1

    def rewrap(self, level: str) -> int:
        """Draw a new KEK for a level and seal anew what the old one sealed; tell how many data keys and documents.

        In an order that a crash cannot harm: new KEK, each entry, then away with the old KEK. Repeating it is safe.
        """
        with self.writing():
            kek_level = read_level(level)
            self._keks.create(kek_level)
            entries = [sealed for name in self.names() if (sealed := self._read_sealed(name)).entry.level == kek_level]
            for sealed in entries:
                self._write(sealed.entry, self._open(sealed))
            self._keks.retire_older(kek_level)
            self._sweep()
            return len(entries)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._thread_lock:
            if self._writers:
                yield
                return
            with locked(self.directory / _LOCK, exclusive=False):
                yield

    def _open(self, sealed: SealedEntry) -> bytes:
        return open_entry(self.identifier, sealed, self._keks.get(sealed.entry.level, sealed.generation))

    def _write(self, entry: Entry, content: bytes) -> None:
        generation = self._keks.newest(entry.level)
        kek = self._keks.get(entry.level, generation)
        sealed = seal_entry(self.identifier, entry, generation, kek, content)
        write_durably(self._path(entry.name), write_sealed(sealed))

    def _read_sealed(self, name: str) -> SealedEntry:
        return read_sealed(read_entry_file(self._path(name), name), name)

    def _path(self, name: str) -> Path:
        return self.directory / _ENTRIES / (read_name(name).replace("/", _SLASH) + FILE_SUFFIX)

    def _sweep(self) -> None:
        """Clear away what writers that crashed have left; under the lock nobody is in the middle of a write."""
        for path in self.directory.rglob(f".*{TEMPORARY_SUFFIX}"):
            remove_durably(path)
