"""The business day: from midnight to midnight in Shanghai, and when it is closed."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from core.clock import to_millis
from core.errors import Malformed
from physical.register import BEIJING
from qr.statements.errors import DayNotClosed

SETTLING = timedelta(minutes=15)
"""What was recorded before midnight has been committed by then: statements of the database end after 10 seconds, idle
transactions after 30, and the rest is for clocks of several machines."""
_SPELLING = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LENGTH = 86_400_000  # milliseconds: Shanghai's clocks are never put back
_WORTH_WAITING = 2 * _LENGTH


@dataclass(frozen=True, slots=True)
class BusinessDay:
    """Milliseconds since 1970: ``begin`` belongs to the day, ``end`` to the next."""

    day: date
    begin: int
    end: int


def read_day(given: str) -> date:
    """Read the one spelling 2026-11-20; raise ``Malformed``."""
    try:
        if _SPELLING.fullmatch(given):
            return date.fromisoformat(given)
    except ValueError:
        pass
    raise Malformed("not a day such as 2026-11-20")


def business_day(day: date) -> BusinessDay:
    """Work out a day's first millisecond and the first one after it."""
    begin = to_millis(datetime.combine(day, time(), BEIJING))
    return BusinessDay(day, begin, begin + _LENGTH)


def require_closed(day: date, now: datetime) -> BusinessDay:
    """Let a day through that nothing is added to any more; raise DayNotClosed."""
    span = business_day(day)
    left = span.end - to_millis(now - SETTLING)
    if left > 0:
        # who asks for a day of next year by mistake need not wait for it
        raise DayNotClosed(day.isoformat(), retry_after=-(-left // 1000) if left <= _WORTH_WAITING else None)
    return span


def last_closed_day(now: datetime) -> date:
    """Give the last day that nothing is added to any more."""
    return (now - SETTLING).astimezone(BEIJING).date() - timedelta(days=1)
