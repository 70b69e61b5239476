"""Switches by which the service fails on purpose, for a channel that is not live: its own answers and its trial news.

Each use is one guarded update, so workers beside each other fail as often as was asked for and not once more.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.sandbox.errors import DevelopmentOnly
from channels.sandbox.models import sandbox_switches
from core.clock import to_millis
from core.settings import Environment

ABOUT = ("answers", "news")
MOST_TIMES = 100
MOST_DELAY = 5000
"""Milliseconds: a delayed answer holds one thread of the service."""
STATUSES = (429, 500, 503)
NEWS_FAULTS = ("double", "drop", "wrong_signature")

Switches = Mapping[str, dict[str, Any] | None]
"""For answers and for news what will go wrong and how many times, or None."""


def set_switches(
    connection: Connection, channel: str, given: Switches, *, environment: Environment, at: datetime
) -> None:
    """Put both switches as given; one that is not named is cleared. Raises ``DevelopmentOnly``."""
    answers = given.get("answers")
    if answers is not None and answers["delay_ms"] and environment is not Environment.DEVELOPMENT:
        raise DevelopmentOnly("delay_ms")  # a thread that sleeps is missing to everybody
    clear_switches(connection, channel)
    for about in ABOUT:
        switch = given.get(about)
        if switch is not None:
            fault = {name: value for name, value in switch.items() if name != "times"}
            row = {"channel": channel, "about": about, "fault": fault, "remaining": switch["times"]}
            connection.execute(sandbox_switches.insert().values(**row, changed_at=to_millis(at)))


def clear_switches(connection: Connection, channel: str) -> None:
    """Let nothing go wrong any more."""
    connection.execute(sandbox_switches.delete().where(sandbox_switches.c.channel == channel))


def list_switches(connection: Connection, channel: str) -> dict[str, dict[str, Any] | None]:
    """Tell what will go wrong, and how many times more; None where nothing will."""
    table = sandbox_switches.c
    rows = connection.execute(sa.select(sandbox_switches).where(table.channel == channel, table.remaining > 0)).all()
    found = {row.about: {**row.fault, "times": row.remaining} for row in rows}
    return {about: found.get(about) for about in ABOUT}


def take_fault(connection: Connection, channel: str, about: str) -> dict[str, Any]:
    """Use a switch once: tell what goes wrong now; empty where nothing does."""
    table = sandbox_switches.c
    mine = table.channel == channel, table.about == about, table.remaining > 0
    used = sandbox_switches.update().where(*mine).values(remaining=table.remaining - 1)
    fault: dict[str, Any] | None = connection.execute(used.returning(table.fault)).scalar()
    return fault or {}
