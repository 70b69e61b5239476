"""The business day: from midnight to midnight in Shanghai, and when it is closed."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from core.clock import to_millis
from physical.register import BEIJING
from qr.statements.errors import DayNotClosed

SETTLING = timedelta(minutes=15)
"""What was recorded before midnight has been committed by then: statements of the database end after 10 seconds, idle
transactions after 30, and the rest is for clocks of several machines."""


@dataclass(frozen=True, slots=True)
class BusinessDay:
    """Milliseconds since 1970: ``begin`` belongs to the day, ``end`` to the next."""

    day: date
    begin: int
    end: int


def business_day(day: date) -> BusinessDay:
    """Work out a day's first millisecond and the first one after it."""
    midnight = datetime.combine(day, time(), BEIJING)
    return BusinessDay(day, to_millis(midnight), to_millis(midnight + timedelta(days=1)))


def require_closed(day: date, now: datetime) -> BusinessDay:
    """Let a day through that nothing is added to any more; raise DayNotClosed."""
    span = business_day(day)
    if to_millis(now - SETTLING) < span.end:
        raise DayNotClosed(day.isoformat())
    return span
