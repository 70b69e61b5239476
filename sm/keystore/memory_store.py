"""A key store that forgets: for tests and for keys named `mem:…`."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sm.errors import KeyExists, KeyNotFound
from sm.keystore.entries import Entry, new_entry, random_key, require_content
from sm.keystore.protocol import Environment, KeyStore, read_environment


class MemoryKeyStore(KeyStore):
    """Keeps its entries in this process only."""

    def __init__(self, environment: str = "development") -> None:
        self._environment = read_environment(environment)
        self._identifier = secrets.token_hex(16)
        self._entries: dict[str, tuple[Entry, bytes]] = {}
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"MemoryKeyStore({self._environment!r}, {len(self._entries)} entries)"

    @property
    def identifier(self) -> str:
        """The store's own random name."""
        return self._identifier

    @property
    def environment(self) -> Environment:
        """What the keys were made for."""
        return self._environment

    def names(self) -> list[str]:
        """List the names of all keys and documents, sorted."""
        return sorted(self._entries)

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
        require_content(entry.kind, key)
        with self.writing():
            if name in self._entries:
                raise KeyExists(f"there is a {name} already")
            self._entries[name] = entry, key
        return entry

    def write_document(self, name: str, level: str, body: bytes) -> None:
        """Write a document, replacing the former one."""
        entry = new_entry(name, level, "document")
        require_content("document", body)
        with self.writing():
            if name in self._entries and self._entries[name][0] != entry:
                raise KeyExists(f"{name} is something else")
            self._entries[name] = entry, body

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep the other threads out."""
        with self._lock:
            yield

    def rewrap(self, level: str) -> int:
        """Do nothing: what is kept here is sealed under no KEK."""
        return sum(entry.level == level for entry, _ in self._entries.values())

    def read(self, name: str) -> tuple[Entry, bytes]:
        """Hand out an entry."""
        if name not in self._entries:
            raise KeyNotFound(f"there is no {name}")
        return self._entries[name]
