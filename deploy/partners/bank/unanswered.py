"""Acts that were sent and not answered: kept with their token, to be sent again under the same number while it lasts.

In memory alone: a token of a holder is on no disk. What a restart loses the book of acts still has as open.
"""

import threading
from dataclasses import dataclass, field

from bank.authorization import Token
from bank.links import Journey

OLD_SECONDS = 600
"""Behind this no token of then can go on with an act."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An act as it was sent: the token of its login, the holder's name here, and what the journey was for."""

    token: Token = field(repr=False)
    subject: str
    journey: Journey

    @property
    def number(self) -> str:
        return self.journey.out_request_no


@dataclass
class Unanswered:
    """What waits for an answer."""

    _sent: dict[str, Sent] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, sent: Sent) -> None:
        """Keep an act, to be sent again."""
        with self._lock:
            self._sent[sent.number] = sent

    def drop(self, number: str) -> None:
        """Be done with an act."""
        with self._lock:
            self._sent.pop(number, None)

    def has(self, number: str) -> bool:
        """Tell whether an act is kept."""
        with self._lock:
            return number in self._sent

    def list(self, now: float) -> list[Sent]:
        """List what can be sent again, and forget what cannot any more."""
        with self._lock:
            self._sent = {number: sent for number, sent in self._sent.items() if sent.token.expires_at > now}
            return [*self._sent.values()]
