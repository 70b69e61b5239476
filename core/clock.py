from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def system_clock() -> datetime:
    """Tell the time: aware, UTC."""
    return datetime.now(UTC)


class SteppingClock:
    """A clock that stands still until told to move; for tests and the sandbox."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now

    def step(self, seconds: float) -> None:
        """Move by ``seconds``; negative goes back."""
        self.now += timedelta(seconds=seconds)


def to_millis(moment: datetime) -> int:
    """Turn an aware moment into whole milliseconds since 1970, the form in which the database keeps time.

    Counted, not multiplied: a float would lose a millisecond now and then. Raises ``TypeError`` for a naive moment.
    """
    return (moment - _EPOCH) // _MILLISECOND


def from_millis(millis: int) -> datetime:
    """Turn what the database keeps back into an aware UTC moment."""
    return _EPOCH + millis * _MILLISECOND


def to_text(moment: datetime) -> str:
    """Write RFC 3339 with milliseconds and Z, the form in which the API tells time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
