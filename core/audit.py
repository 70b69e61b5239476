"""Who did what to which card: append-only, chained by SM3 (feature row 42).

An entry is written in the transaction it tells of and carries a MAC from its first moment; the worker then seals
entries into one chain, so that no request waits for another one's chain link (docs/decisions/0004).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.clock import to_millis
from core.database import Millis, RowNumber, Statement, metadata
from core.ids import new_id
from sm.digest import hmac_sm3, sm3

GENESIS = sm3(b"ecard audit chain v1").hex()

audit_entries = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("happened_at", Millis, nullable=False),
    sa.Column("actor", sa.String(60), nullable=False),
    sa.Column("act", sa.String(60), nullable=False),
    sa.Column("subject", sa.String(60), nullable=True),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("mac", sa.String(64), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=True, unique=True),
    sa.Column("link", sa.String(64), nullable=True),
)
_UNSEALED = audit_entries.c.sequence.is_(None)
sa.Index("ix_audit_entries_unsealed", audit_entries.c.number, postgresql_where=_UNSEALED, sqlite_where=_UNSEALED)
sa.Index("ix_audit_entries_subject", audit_entries.c.subject, audit_entries.c.number)

RECORD = Statement(
    "INSERT INTO audit_entries (id, happened_at, actor, act, subject, detail, mac)"
    " VALUES (:audit_id, :audit_at, :audit_actor, :audit_act, :audit_subject, :audit_detail, :audit_mac)"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with the chain: ``what`` is changed, removed, reordered or cut_off."""

    what: str
    sequence: int
    entry: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a look at the whole chain found."""

    sealed: int
    unsealed: int
    head: str
    faults: list[Fault]


class AuditTrail:
    """Writes entries, seals them into the chain and checks the chain.

    Args:
        key: 32 bytes; MACs entries from their first moment on.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "AuditTrail(key=…)"

    def values(
        self, *, actor: str, act: str, subject: str | None, detail: dict[str, Any], at: datetime
    ) -> dict[str, Any]:
        """Make the values of an entry for a statement that writes it together with something else."""
        entry_id, millis = new_id("aud"), to_millis(at)
        text = json.dumps(detail, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        content = _content(entry_id, millis, actor, act, subject, text)
        return {
            "audit_id": entry_id,
            "audit_at": millis,
            "audit_actor": actor,
            "audit_act": act,
            "audit_subject": subject,
            "audit_detail": text,
            "audit_mac": hmac_sm3(self._key, content).hex(),
        }

    def record(
        self,
        connection: Connection,
        *,
        actor: str,
        act: str,
        subject: str | None,
        detail: dict[str, Any],
        at: datetime,
    ) -> None:
        """Write an entry in the running transaction; what it tells of stands or falls with it."""
        RECORD.run(connection, self.values(actor=actor, act=act, subject=subject, detail=detail, at=at))

    def seal(self, connection: Connection, *, most: int = 1000) -> tuple[int, int, str]:
        """Chain the oldest unsealed entries, one sealer at a time; return how many, and the new head."""
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SEALER_LOCK})
        sequence, link = _head(connection)
        unsealed = sa.select(audit_entries).where(audit_entries.c.sequence.is_(None))
        rows = connection.execute(unsealed.order_by(audit_entries.c.number).limit(most)).all()
        sealed = []
        for row in rows:
            sequence += 1
            link = _link(link, sequence, row)
            sealed.append({"row": row.number, "new_sequence": sequence, "new_link": link})
        if sealed:
            connection.execute(_SEAL, sealed)
        return len(sealed), sequence, link

    def head(self, connection: Connection) -> tuple[int, str]:
        """Give sequence and link of the last sealed entry."""
        return _head(connection)

    def check(
        self,
        connection: Connection,
        *,
        expected_head: tuple[int, str] | None = None,
        on_progress: Callable[[int], None] = lambda _count: None,
    ) -> Report:
        """Walk the chain from its beginning and report each changed, removed or reordered entry.

        ``expected_head`` is a sequence and link that were kept elsewhere: the only proof against a chain that was made
        anew as a whole or cut off at its end.
        """
        faults: list[Fault] = []
        sequence, link = 0, GENESIS
        for row in _walk(connection):
            sequence, link = self._check_entry(row, sequence, link, faults)
            if sequence % 1000 == 0:
                on_progress(sequence)
            if expected_head and sequence == expected_head[0] and link != expected_head[1]:
                faults.append(Fault("changed", sequence, row.id))
        if expected_head and sequence < expected_head[0]:
            faults.append(Fault("cut_off", sequence, None))
        unsealed = self._check_unsealed(connection, faults)
        return Report(sequence, unsealed, link, faults)

    def _check_entry(self, row: Any, sequence: int, link: str, faults: list[Fault]) -> tuple[int, str]:
        """Judge one entry; whatever a tamperer has put into its columns is told, never stumbled over."""
        if row.sequence != sequence + 1:
            faults.append(Fault("removed", sequence + 1, None))
        if not self._is_whole(row):
            faults.append(Fault("changed", row.sequence, row.id))
        elif row.sequence == sequence + 1 and row.link != _link(link, row.sequence, row):
            faults.append(Fault("reordered", row.sequence, row.id))
        return row.sequence, row.link or ""

    def _check_unsealed(self, connection: Connection, faults: list[Fault]) -> int:
        rows = connection.execute(sa.select(audit_entries).where(audit_entries.c.sequence.is_(None))).all()
        faults.extend(Fault("changed", 0, row.id) for row in rows if not self._is_whole(row))
        return len(rows)

    def _is_whole(self, row: Any) -> bool:
        content = _content(row.id, row.happened_at, row.actor, row.act, row.subject, row.detail)
        return compare_digest(hmac_sm3(self._key, content).hex().encode(), row.mac.encode())


_SEALER_LOCK = 0x4543415244  # "ECARD"
_SEAL = (
    audit_entries.update()
    .where(audit_entries.c.number == sa.bindparam("row"))
    .values(sequence=sa.bindparam("new_sequence"), link=sa.bindparam("new_link"))
)


def _content(entry_id: str, millis: int, actor: str, act: str, subject: str | None, detail: str) -> bytes:
    parts = [entry_id, millis, actor, act, subject, detail]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()


def _link(previous: str, sequence: int, row: Any) -> str:
    content = _content(row.id, row.happened_at, row.actor, row.act, row.subject, row.detail)
    return sm3(previous.encode(), sequence.to_bytes(8, "big", signed=True), row.mac.encode(), content).hex()


def _head(connection: Connection) -> tuple[int, str]:
    last = sa.select(audit_entries.c.sequence, audit_entries.c.link).where(audit_entries.c.sequence.is_not(None))
    row = connection.execute(last.order_by(audit_entries.c.sequence.desc()).limit(1)).first()
    return (row.sequence, row.link or "") if row else (0, GENESIS)


def _walk(connection: Connection, page: int = 5000) -> Iterator[Any]:
    after = -(2**63)  # also what somebody numbered below the first
    while True:
        sealed = sa.select(audit_entries).where(audit_entries.c.sequence > after)
        rows = connection.execute(sealed.order_by(audit_entries.c.sequence).limit(page)).all()
        if not rows:
            return
        yield from rows
        after = rows[-1].sequence
