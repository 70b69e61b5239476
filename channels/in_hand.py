"""Whom this process is talking to at the moment, so that its other threads turn to somebody else first."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class InHand:
    """Counts by name. A partner that is slow, but answers, would otherwise get one thread after the other."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def names(self) -> frozenset[str]:
        """Tell who is talked to."""
        with self._lock:
            return frozenset(self._counts)

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Have somebody in hand for as long as it takes."""
        with self._lock:
            self._counts[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._counts -= Counter([name])  # what is at zero is left out
