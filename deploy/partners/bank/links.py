"""Which customer is which holder: links, and journeys through the card service's login that are under way."""

import sqlite3
from dataclasses import dataclass, field

from bank.authorization import AppKey, Begun
from bank.keys import read_key, write_key

JOURNEY_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Link:
    """A customer's card: the holder's name here, and the key of the customer's app."""

    customer: str
    subject: str
    app_key: AppKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Journey:
    """A customer on the way through the card service's login, and for which act."""

    customer: str
    act: str
    out_request_no: str
    begun: Begun
    app_key: AppKey = field(repr=False)


def keep_journey(connection: sqlite3.Connection, journey: Journey, now: int) -> None:
    """Keep a journey, and forget those that nobody came back from."""
    connection.execute("DELETE FROM journeys WHERE begun_at <= ?", (now - JOURNEY_SECONDS,))
    begun = journey.begun
    connection.execute(
        "INSERT INTO journeys VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            begun.state,
            journey.customer,
            journey.act,
            journey.out_request_no,
            begun.nonce,
            begun.verifier,
            write_key(journey.app_key).decode(),
            now,
        ),
    )


def take_journey(connection: sqlite3.Connection, state: str, customer: str, now: int) -> Journey | None:
    """Take a customer's journey, once; None for another customer's, an old one, or one that never was."""
    row = connection.execute(
        "DELETE FROM journeys WHERE state = ? AND customer = ? AND begun_at > ? RETURNING *",
        (state, customer, now - JOURNEY_SECONDS),
    ).fetchone()
    if row is None:
        return None
    begun, key = Begun(state, row["nonce"], row["verifier"]), read_key(row["app_key"].encode())
    return Journey(customer, row["act"], row["out_request_no"], begun, key)


def keep_link(connection: sqlite3.Connection, link: Link, now: int) -> None:
    """Keep a customer's link; it takes the place of an earlier one."""
    connection.execute(
        "INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?)",
        (link.customer, link.subject, write_key(link.app_key).decode(), now),
    )


def find_link(connection: sqlite3.Connection, customer: str) -> Link | None:
    """Find a customer's link."""
    row = connection.execute("SELECT * FROM links WHERE customer = ?", (customer,)).fetchone()
    return None if row is None else Link(customer, row["subject"], read_key(row["app_key"].encode()))


def end_link(connection: sqlite3.Connection, customer: str) -> None:
    """Forget a customer's link and the key with it."""
    connection.execute("DELETE FROM links WHERE customer = ?", (customer,))
