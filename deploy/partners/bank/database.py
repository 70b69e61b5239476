"""The bank's SQLite file: opened for each transaction, WAL, everything of a transaction or nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_WAIT_SECONDS = 10.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS customers (
    number TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    social_security_number TEXT NOT NULL UNIQUE,
    phone TEXT NOT NULL,
    financial_function TEXT NOT NULL CHECK (financial_function IN ('active', 'inactive')),
    balance_fen INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    handle TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customers,
    form_token TEXT NOT NULL,
    authenticated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS journeys (
    state TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customers,
    act TEXT NOT NULL,
    out_request_no TEXT NOT NULL,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    app_key TEXT NOT NULL,
    begun_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS links (
    customer TEXT PRIMARY KEY REFERENCES customers,
    subject TEXT NOT NULL,
    app_key TEXT NOT NULL,
    linked_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS cards (
    subject TEXT PRIMARY KEY,
    carriage TEXT,
    state TEXT NOT NULL,
    standing TEXT,
    level TEXT,
    payment_opened INTEGER NOT NULL DEFAULT 0,
    view_sequence INTEGER NOT NULL DEFAULT 0,
    news_sequence INTEGER NOT NULL DEFAULT 0,
    looked_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS shown (
    customer TEXT PRIMARY KEY REFERENCES customers,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    standing TEXT NOT NULL,
    level TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS acts (
    out_request_no TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customers,
    act TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'refused')),
    result TEXT,
    because TEXT,
    issuance TEXT UNIQUE,
    begun_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS news (
    id TEXT PRIMARY KEY,
    position INTEGER NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    data TEXT NOT NULL,
    happened_at TEXT NOT NULL,
    came_by TEXT NOT NULL CHECK (came_by IN ('webhook', 'feed'))
) STRICT;
CREATE INDEX IF NOT EXISTS news_of_a_card ON news (subject, sequence);
CREATE TABLE IF NOT EXISTS ledger (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    result TEXT,
    subject TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS ledger_of_a_day ON ledger (recorded_at);
CREATE INDEX IF NOT EXISTS ledger_of_a_card ON ledger (subject);
CREATE TABLE IF NOT EXISTS codes_shown (
    subject TEXT NOT NULL,
    shown_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS reconciled (
    day TEXT PRIMARY KEY,
    ours INTEGER NOT NULL,
    theirs INTEGER NOT NULL,
    ours_only INTEGER NOT NULL,
    theirs_only INTEGER NOT NULL,
    differing INTEGER NOT NULL,
    compared_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS asked (
    nonce TEXT PRIMARY KEY,
    issuance TEXT NOT NULL,
    told TEXT NOT NULL,
    asked_at INTEGER NOT NULL
) STRICT;
"""


class Database:
    """The bank's own tables."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit at the end of the block, and nothing of it after an exception."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=_WAIT_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        return connection
