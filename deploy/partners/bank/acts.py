"""What the bank has asked the card centre for: written down before it is asked, with a number that is never used twice.

The bank's own book: what became of each act, to be compared with the card centre's account of the day.
"""

import secrets
import sqlite3
from dataclasses import dataclass

SIGN, CHECK, PAY, LOSS, END, ISSUE = "sign", "check", "pay", "loss", "end", "issue"
SIGNED = (SIGN, CHECK, PAY)
"""Acts that sign the card, with a login of their own each: what comes back is the result of signing."""
UNCONFIRMED = "unconfirmed"
"""Why an act counts as refused that was never answered, and that nobody can ask for any more."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act for one customer; ``state`` is open, done or refused, ``result`` one of 001 to 006."""

    out_request_no: str
    customer: str
    act: str
    state: str
    result: str | None
    because: str | None
    issuance: str | None
    begun_at: int
    ended_at: int | None


def new_number(act: str) -> str:
    """Draw a number for an act; it names it for ever."""
    return f"{act}-{secrets.token_hex(12)}"


def begin_act(connection: sqlite3.Connection, out_request_no: str, customer: str, act: str, now: int) -> None:
    """Write an act down; the same again changes nothing."""
    connection.execute(
        "INSERT INTO acts (out_request_no, customer, act, state, begun_at) VALUES (?, ?, ?, 'open', ?)"
        " ON CONFLICT (out_request_no) DO NOTHING",
        (out_request_no, customer, act, now),
    )


def end_act(connection: sqlite3.Connection, out_request_no: str, *, result: str | None, now: int) -> None:
    """Write down that an act was done, and its result."""
    _close(connection, out_request_no, "done", result, None, now)


def refuse_act(connection: sqlite3.Connection, out_request_no: str, because: str, now: int) -> None:
    """Write down that an act was refused, and the code that says why."""
    _close(connection, out_request_no, "refused", None, because, now)


def name_issuance(connection: sqlite3.Connection, out_request_no: str, issuance: str) -> None:
    """Keep the card centre's name of an issuance."""
    connection.execute("UPDATE acts SET issuance = ? WHERE out_request_no = ?", (issuance, out_request_no))


def latest_act(connection: sqlite3.Connection, customer: str) -> Act | None:
    """Give the act that a customer began last."""
    row = connection.execute(
        "SELECT * FROM acts WHERE customer = ? ORDER BY begun_at DESC, rowid DESC LIMIT 1", (customer,)
    ).fetchone()
    return None if row is None else _act_of(row)


def list_open(connection: sqlite3.Connection, act: str, customer: str | None = None) -> list[Act]:
    """List acts of one kind whose outcome is not known, the oldest first; of one customer or of all."""
    found = connection.execute(
        "SELECT * FROM acts WHERE state = 'open' AND act = ? AND customer = coalesce(?, customer) ORDER BY begun_at",
        (act, customer),
    )
    return [_act_of(row) for row in found]


def list_acts(connection: sqlite3.Connection) -> list[Act]:
    """List the whole book."""
    return [_act_of(row) for row in connection.execute("SELECT * FROM acts ORDER BY begun_at, rowid")]


def _close(
    connection: sqlite3.Connection, out_request_no: str, state: str, result: str | None, because: str | None, now: int
) -> None:
    connection.execute(
        "UPDATE acts SET state = ?, result = ?, because = ?, ended_at = ? WHERE out_request_no = ? AND state = 'open'",
        (state, result, because, now, out_request_no),
    )


def _act_of(row: sqlite3.Row) -> Act:
    return Act(**{name: row[name] for name in row.keys()})  # noqa: SIM118 - a Row has no other way
