"""The bank's own ledger: what it saw of the cards in its app, to be compared with the card service's file of the day.

It is written from the news in their order, and from answers to the bank's own questions. Nothing in it comes from the
files with which it is compared.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from bank.news import News, list_behind, read_position

SHANGHAI = timezone(timedelta(hours=8))
_TAKEN, _SIGNED = "code.redeemed", "carriage.signed"
_OF_CARRIAGE = {_SIGNED: "result", "carriage.suspended": "", "carriage.resumed": "", "carriage.ended": "because"}
_OF_CARD = ("card.loss_reported", "card.loss_lifted", "card.cancelled")
_BEGIN_OR_END = (_SIGNED, "carriage.ended", "card.cancelled")
_POSITION = "ledger"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened; ``result`` is None where the bank was not told any."""

    id: str
    kind: str
    recorded_at: str
    result: str | None
    subject: str


@dataclass(frozen=True, slots=True)
class Day:
    """A business day, midnight to midnight in Shanghai, as times in the bank's tables are written."""

    day: date
    begin: datetime
    end: datetime


def day_of(day: date) -> Day:
    """Tell when a day begins and when the next one does."""
    begin = datetime.combine(day, time(), SHANGHAI).astimezone(UTC)
    return Day(day, begin, begin + timedelta(days=1))


def write_ledger(connection: sqlite3.Connection) -> int:
    """Enter the news that came since, in their order and up to the first gap; return how many entries that made."""
    row = connection.execute("SELECT value FROM counters WHERE name = ?", (_POSITION,)).fetchone()
    written, upto = 0, read_position(connection)
    for news in list_behind(connection, 0 if row is None else int(row["value"]), upto):
        entry = _entry_of(connection, news)
        written += 0 if entry is None else _enter(connection, entry)
    connection.execute(
        "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (_POSITION, upto)
    )
    return written


def note_uses(connection: sqlite3.Connection, subject: str, uses: Sequence[Mapping[str, Any]]) -> None:
    """Note what the card service has answered about uses: how a code was taken, and those that no news told yet."""
    for use in uses:
        if use["mode"] == "online":  # of an offline one the answer does not tell when it was recorded
            _enter(connection, Entry(use["id"], _TAKEN, use["redeemed_at"], use["mode"], subject))
        connection.execute("UPDATE ledger SET result = ? WHERE id = ?", (use["mode"], use["id"]))


def note_code(connection: sqlite3.Connection, subject: str, now: int) -> None:
    """Note that a code was shown; never the code."""
    connection.execute("INSERT INTO codes_shown VALUES (?, ?)", (subject, now))


def count_codes(connection: sqlite3.Connection, day: Day) -> int:
    """Count the codes that were shown on a day."""
    span = int(day.begin.timestamp()), int(day.end.timestamp())
    query = "SELECT count(*) FROM codes_shown WHERE shown_at >= ? AND shown_at < ?"
    return int(connection.execute(query, span).fetchone()[0])


def list_entries(connection: sqlite3.Connection, day: Day) -> list[Entry]:
    """List what happened on a day."""
    span = _text(day.begin), _text(day.end)
    query = "SELECT id, kind, recorded_at, result, subject FROM ledger WHERE recorded_at >= ? AND recorded_at < ?"
    return [Entry(*row) for row in connection.execute(query, span)]


def _entry_of(connection: sqlite3.Connection, news: News) -> Entry | None:
    """Make an entry of news that is about a card in the bank's app; the file has the same under the same id."""
    if news.kind == _TAKEN:
        return Entry(str(news.data["redemption"]), _TAKEN, news.happened_at, None, news.subject)
    if news.kind in _OF_CARRIAGE:
        result = str(news.data.get(_OF_CARRIAGE[news.kind], ""))
        return Entry(news.id, news.kind, news.happened_at, result, news.subject)
    if news.kind in _OF_CARD and _is_carried(connection, news.subject):
        return Entry(news.id, news.kind, news.happened_at, str(news.data["standing"]), news.subject)
    return None


def _is_carried(connection: sqlite3.Connection, subject: str) -> bool:
    marks = ", ".join("?" * len(_BEGIN_OR_END))
    query = f"SELECT kind FROM ledger WHERE subject = ? AND kind IN ({marks}) ORDER BY rowid DESC LIMIT 1"  # noqa: S608 - marks alone
    row = connection.execute(query, (subject, *_BEGIN_OR_END)).fetchone()
    return row is not None and row["kind"] == _SIGNED


def _enter(connection: sqlite3.Connection, entry: Entry) -> int:
    values = (entry.id, entry.kind, entry.recorded_at, entry.result, entry.subject)
    return connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values).rowcount


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
