"""Switches that let the bank fail on purpose, for tests and demonstrations; all off when it starts."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

FAULTS: Mapping[str, tuple[str, ...]] = {
    "port": ("ok", "broken", "slow", "lie", "wrong_signature", "other_nonce", "down"),
    "webhooks": ("ok", "broken", "slow", "gone", "down"),
}
"""What can fail, and how. ``down`` cuts the connection without an answer; ``lie`` calls everybody an active customer
of this bank with that phone."""
MOST_SECONDS = 3600


class NoSuchSwitch(ValueError):
    """A switch, a position of it or a time that there is not."""


@dataclass
class Switches:
    """How the bank fails now, and until when; ``slow_seconds`` is how long ``slow`` waits."""

    ticks: Callable[[], float] = time.monotonic
    slow_seconds: float = 12.0
    _set: dict[str, tuple[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, name: str, fault: str, seconds: float = 60.0) -> None:
        """Let something fail for a while; raises ``NoSuchSwitch``."""
        if fault not in FAULTS.get(name, ()) or not 0 < seconds <= MOST_SECONDS:
            raise NoSuchSwitch(f"switches are {dict(FAULTS)}, for at most {MOST_SECONDS} seconds")
        with self._lock:
            self._set[name] = (fault, self.ticks() + seconds)

    def get(self, name: str) -> str:
        """Tell how something fails now; ``ok`` where it does not."""
        with self._lock:
            fault, until = self._set.get(name, ("ok", 0.0))
            return fault if self.ticks() < until else "ok"

    def show(self) -> dict[str, str]:
        """Tell how all of them stand."""
        return {name: self.get(name) for name in FAULTS}
