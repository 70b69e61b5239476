"""What was made of key rings, held for a second at a time."""

import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from sm.keystore import KeyStore

Kept = TypeVar("Kept")

_KEYS_SECONDS = 1.0


class UntilTheRingChanges(Generic[Kept]):
    """Holds what was made of key rings and looks at them each second: another one counts within that time."""

    def __init__(
        self,
        store: KeyStore,
        documents: Sequence[str],
        load: Callable[[], Kept],
        edition: Callable[[], bytes] = bytes,
    ) -> None:
        self._store = store
        self._edition = edition
        self._documents = documents
        self._load = load
        self._lock = Lock()
        self._look_at = 0.0
        self._held: tuple[list[bytes], Kept] | None = None

    def __call__(self) -> Kept:
        held = self._held
        if held is not None and time.monotonic() < self._look_at:
            return held[1]
        with self._lock:
            rings = [*(self._store.document(name) for name in self._documents), self._edition()]
            if self._held is None or self._held[0] != rings:
                self._held = (rings, self._load())
            self._look_at = time.monotonic() + _KEYS_SECONDS
            return self._held[1]
