"""News of the cards: posted to the bank (webhooks) or read from the list (feed), kept once, applied once."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bank.cards import apply_news

POSITION, READY = "feed", "statement.ready"


class NewsMalformed(ValueError):
    """A message that has not the form of news."""


@dataclass(frozen=True, slots=True)
class News:
    """One thing that happened to a card."""

    id: str
    position: int
    kind: str
    subject: str
    sequence: int
    data: Mapping[str, Any]
    happened_at: str


def read_news(given: Any) -> News:
    """Read one message; raises ``NewsMalformed``."""
    texts = {"id": "id", "kind": "type", "subject": "card", "happened_at": "timestamp"}
    numbers = ("position", "sequence")
    if not isinstance(given, dict) or not isinstance(given.get("data"), dict):
        raise NewsMalformed("news is an object with data")
    if not all(isinstance(given.get(name), str) for name in texts.values()):
        raise NewsMalformed("id, type, card and timestamp are texts")
    if not all(type(given.get(name)) is int for name in numbers):
        raise NewsMalformed("position and sequence are whole numbers")
    read = {name: given[member] for name, member in texts.items()}
    return News(**read, position=given["position"], sequence=given["sequence"], data=given["data"])


def keep_news(connection: sqlite3.Connection, news: News, came_by: str) -> bool:
    """Keep news and let it count; False where it was kept before."""
    kept = connection.execute(
        "INSERT INTO news VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            news.id,
            news.position,
            news.kind,
            news.subject,
            news.sequence,
            json.dumps(news.data, sort_keys=True),
            news.happened_at,
            came_by,
        ),
    )
    if kept.rowcount == 0:
        return False
    if news.kind != READY:  # that is about a day, and no card
        apply_news(connection, subject=news.subject, sequence=news.sequence, kind=news.kind, data=news.data)
    return True


def list_news(connection: sqlite3.Connection, subject: str) -> list[News]:
    """List what happened to a card, the newest first."""
    rows = connection.execute("SELECT * FROM news WHERE subject = ? ORDER BY sequence DESC", (subject,))
    return [_news_of(row) for row in rows]


def list_behind(connection: sqlite3.Connection, after: int, upto: int) -> list[News]:
    """List what came behind a position and up to another, the oldest first."""
    query = "SELECT * FROM news WHERE position > ? AND position <= ? ORDER BY position"
    return [_news_of(row) for row in connection.execute(query, (after, upto))]


def _news_of(row: sqlite3.Row) -> News:
    about = row["kind"], row["subject"], row["sequence"], json.loads(row["data"])
    return News(row["id"], row["position"], *about, row["happened_at"])


def read_position(connection: sqlite3.Connection) -> int:
    """Tell up to which position the list was read without a gap."""
    row = connection.execute("SELECT value FROM counters WHERE name = ?", (POSITION,)).fetchone()
    return 0 if row is None else int(row["value"])


def keep_page(connection: sqlite3.Connection, page: Mapping[str, Any]) -> int:
    """Keep a page of the list and where to go on; return how much of it was new."""
    new = sum(keep_news(connection, read_news(item), "feed") for item in page["items"])
    connection.execute(
        "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
        (POSITION, int(page["next"])),
    )
    return new
