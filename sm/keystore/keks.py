"""The key-encryption keys of the three levels, each generation in a file of its own."""

from pathlib import Path

from sm.errors import KeyNotFound, KeyStoreError, Malformed
from sm.keystore.durable import read_private_file, remove_durably, write_durably
from sm.keystore.entries import (
    LEVELS,
    MAX_FILE_SIZE,
    Entry,
    Level,
    open_entry,
    random_key,
    read_sealed,
    seal_entry,
    write_sealed,
)

FILE_SUFFIX = ".json"

_STORE_KEY = 0  # generation of the key that seals the ministry's KEK


class Keks:
    """The KEKs of the three levels, each generation in a file of its own, sealed under the level above."""

    def __init__(self, directory: Path, store: str, store_key: bytes) -> None:
        self._directory = directory
        self._store = store
        self._store_key = store_key
        self._opened: dict[tuple[Level, int], bytes] = {}

    def create_all(self) -> None:
        """Make the first KEK of each level; what an unfinished creation left is worth nothing and is replaced."""
        for path in self._directory.glob(f"*{FILE_SUFFIX}"):
            remove_durably(path)
        for level in LEVELS:
            self.create(level)

    def create(self, level: Level) -> None:
        """Draw a KEK of the next generation."""
        generations = self._generations(level)
        self._write(level, max(generations, default=0) + 1, random_key("kek"))

    def newest(self, level: Level) -> int:
        generations = self._generations(level)
        if not generations:
            raise KeyStoreError(f"the key store has lost the KEK of the {level}")
        return max(generations)

    def get(self, level: Level, generation: int) -> bytes:
        """Open a KEK by those above it; each only once."""
        if (level, generation) not in self._opened:
            self._opened[level, generation] = self._open(level, generation)
        return self._opened[level, generation]

    def retire_older(self, level: Level) -> None:
        """Seal the KEKs one level down under the newest of this level, then remove the older ones."""
        newest = self.newest(level)
        for below in LEVELS[LEVELS.index(level) + 1 :][:1]:
            for generation in self._generations(below):
                self._write(below, generation, self.get(below, generation))
        for generation in self._generations(level):
            if generation != newest:
                remove_durably(self._path(level, generation))
                self._opened.pop((level, generation), None)

    def _write(self, level: Level, generation: int, kek: bytes) -> None:
        sealing_generation, sealing_key = self._above(level)
        entry = _kek_entry(level, generation)
        sealed = seal_entry(self._store, entry, sealing_generation, sealing_key, kek)
        write_durably(self._path(level, generation), write_sealed(sealed))

    def _open(self, level: Level, generation: int) -> bytes:
        entry = _kek_entry(level, generation)
        sealed = read_sealed(read_entry_file(self._path(level, generation), entry.name), entry.name)
        if sealed.entry != entry:
            raise Malformed(f"{entry.name} is something else")
        if level == LEVELS[0]:
            return open_entry(self._store, sealed, self._store_key)
        return open_entry(self._store, sealed, self.get(LEVELS[LEVELS.index(level) - 1], sealed.generation))

    def _above(self, level: Level) -> tuple[int, bytes]:
        """Tell generation and bytes of the key under which a KEK of this level is sealed now."""
        if level == LEVELS[0]:
            return _STORE_KEY, self._store_key
        above = LEVELS[LEVELS.index(level) - 1]
        generation = self.newest(above)
        return generation, self.get(above, generation)

    def _generations(self, level: Level) -> list[int]:
        words = (path.name.split(".")[1] for path in self._directory.glob(f"{level}.*{FILE_SUFFIX}"))
        return [int(word) for word in words if word.isascii() and word.isdigit()]

    def _path(self, level: Level, generation: int) -> Path:
        return self._directory / f"{level}.{generation}{FILE_SUFFIX}"


def _kek_entry(level: Level, generation: int) -> Entry:
    return Entry(f"kek/{level}/{generation}", level, "kek")


def read_entry_file(path: Path, name: str) -> bytes:
    """Read the file of an entry; the error names the entry, not the file."""
    try:
        return read_private_file(path, MAX_FILE_SIZE)
    except KeyNotFound:
        raise KeyNotFound(f"there is no {name}") from None
