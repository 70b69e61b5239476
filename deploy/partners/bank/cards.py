"""What the bank knows of the cards in its app, by the names under which it knows their holders.

Two sources: views that were fetched, and news. Each counts for itself (``view_sequence``, ``news_sequence``), and what
is older than what is known changes nothing. After news the view is fetched again: whatever came in which order, the
bank ends where the card service is.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OVER = ("revoked", "ended")
_STANDINGS = ("card.loss_reported", "card.loss_lifted", "card.cancelled")
_STATES = {"carriage.signed": "active", "carriage.suspended": "suspended", "carriage.resumed": "active"}
_STATES |= {"carriage.ended": "revoked"}


@dataclass(frozen=True, slots=True)
class Card:
    """A card in the bank's app: how the carriage stands, and how the card itself."""

    subject: str
    carriage: str | None
    state: str
    standing: str | None
    level: str | None
    payment_opened: bool
    view_sequence: int
    news_sequence: int

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def may_show(self) -> bool:
        return self.state == "active" and self.standing in (None, "active")


def find_card(connection: sqlite3.Connection, subject: str) -> Card | None:
    """Find a card by the name of its holder here."""
    row = connection.execute("SELECT * FROM cards WHERE subject = ?", (subject,)).fetchone()
    return None if row is None else _card_of(row)


def list_cards(connection: sqlite3.Connection) -> list[Card]:
    """List all cards that the bank has ever carried."""
    return [_card_of(row) for row in connection.execute("SELECT * FROM cards ORDER BY subject")]


def has_unowned(connection: sqlite3.Connection) -> bool:
    """Tell whether cards are carried of which nobody knows whose they are: the database was lost and made anew."""
    query = "SELECT 1 FROM cards WHERE state <> 'revoked' AND subject NOT IN (SELECT subject FROM links) LIMIT 1"
    return connection.execute(query).fetchone() is not None


def keep_view(connection: sqlite3.Connection, view: Mapping[str, Any]) -> None:
    """Keep a carriage as the card service shows it; an older view than the one that is known changes nothing."""
    connection.execute(
        "INSERT INTO cards (subject, carriage, state, standing, level, payment_opened, view_sequence)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (subject) DO UPDATE SET carriage = excluded.carriage,"
        " state = excluded.state, standing = excluded.standing, level = excluded.level,"
        " payment_opened = excluded.payment_opened, view_sequence = excluded.view_sequence"
        " WHERE excluded.view_sequence >= cards.view_sequence OR excluded.carriage IS NOT cards.carriage",
        (
            view["subject"],
            view["id"],
            view["state"],
            view["card_standing"],
            view["level"],
            int(view["payment_opened"]),
            view["sequence"],
        ),
    )


def apply_news(
    connection: sqlite3.Connection, *, subject: str, sequence: int, kind: str, data: Mapping[str, Any]
) -> bool:
    """Let news count for a card unless something newer has; tell whether it did."""
    connection.execute(
        "INSERT INTO cards (subject, state) VALUES (?, 'pending') ON CONFLICT (subject) DO NOTHING", (subject,)
    )
    newer = connection.execute(
        "UPDATE cards SET news_sequence = ? WHERE subject = ? AND news_sequence < ?",
        (sequence, subject, sequence),
    )
    if newer.rowcount == 0:
        return False
    if kind in _STANDINGS:
        _set(connection, subject, "standing", str(data.get("standing", "")))
    if kind in _STATES:
        _set(connection, subject, "state", _STATES[kind])
        _set(connection, subject, "carriage", str(data.get("carriage", "")) or None)
    return True


def end_card(connection: sqlite3.Connection, subject: str) -> None:
    """Note that the bank carries this card no more."""
    _set(connection, subject, "state", "revoked")


def list_stale(connection: sqlite3.Connection) -> list[Card]:
    """List the cards of which there was news since their view was fetched."""
    found = connection.execute("SELECT * FROM cards WHERE news_sequence > looked_at AND carriage IS NOT NULL")
    return [_card_of(row) for row in found]


def mark_looked(connection: sqlite3.Connection, card: Card) -> None:
    """Note up to which news a card's view is known; what came meanwhile makes it stale again."""
    connection.execute("UPDATE cards SET looked_at = ? WHERE subject = ?", (card.news_sequence, card.subject))


def note_loss(connection: sqlite3.Connection, subject: str) -> None:
    """Note that the holder has reported the chip card lost here."""
    _set(connection, subject, "standing", "suspended")


def note_shown(connection: sqlite3.Connection, customer: str, card: Card) -> bool:
    """Note how a customer is shown a card; tell whether it was shown otherwise before."""
    now = (card.subject, card.state, card.standing or "", card.level or "")
    row = connection.execute(
        "SELECT subject, state, standing, level FROM shown WHERE customer = ?", (customer,)
    ).fetchone()
    connection.execute("INSERT OR REPLACE INTO shown VALUES (?, ?, ?, ?, ?)", (customer, *now))
    return row is not None and row["subject"] == card.subject and tuple(row) != now


def _set(connection: sqlite3.Connection, subject: str, column: str, value: str | None) -> None:
    connection.execute(f"UPDATE cards SET {column} = ? WHERE subject = ?", (value, subject))  # noqa: S608 - our names


def _card_of(row: sqlite3.Row) -> Card:
    return Card(
        subject=row["subject"],
        carriage=row["carriage"],
        state=row["state"],
        standing=row["standing"],
        level=row["level"],
        payment_opened=bool(row["payment_opened"]),
        view_sequence=row["view_sequence"],
        news_sequence=row["news_sequence"],
    )
