"""Who is signed in to the bank's app. The cookie is kept as a hash; a login is good for payments-like acts for a while.

A demonstration: whoever picks a customer is that customer. The card centre is told acr L2 and the time of this login,
as a real bank's app would after its own two factors.
"""

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass

SESSION_SECONDS = 3600
FRESH_SECONDS = 540
"""The card centre takes a login of at most 600 seconds ago for a silent return."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in customer; ``form_token`` stands in every form."""

    customer: str
    form_token: str
    authenticated_at: int

    def is_fresh(self, now: int) -> bool:
        return now - self.authenticated_at < FRESH_SECONDS


def begin_session(connection: sqlite3.Connection, customer: str, now: int) -> str:
    """Sign a customer in and return what the cookie holds."""
    cookie = secrets.token_urlsafe(32)
    connection.execute("DELETE FROM sessions WHERE expires_at <= ?", (now,))
    connection.execute(
        "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)",
        (_handle(cookie), customer, secrets.token_urlsafe(32), now, now + SESSION_SECONDS),
    )
    return cookie


def find_session(connection: sqlite3.Connection, cookie: str, now: int) -> Session | None:
    """Find the session of a cookie, if it has not ended."""
    row = connection.execute(
        "SELECT * FROM sessions WHERE handle = ? AND expires_at > ?", (_handle(cookie), now)
    ).fetchone()
    return None if row is None else Session(row["customer"], row["form_token"], row["authenticated_at"])


def end_session(connection: sqlite3.Connection, cookie: str) -> None:
    """Sign out."""
    connection.execute("DELETE FROM sessions WHERE handle = ?", (_handle(cookie),))


def _handle(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
