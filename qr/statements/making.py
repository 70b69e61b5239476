"""Make the statement of one owner and one closed day: written, signed once, the same bytes ever after."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.parties import require_institution
from core.clock import from_millis, to_millis
from core.database import insert_if_new
from core.ground import Ground
from core.outbox import is_waiting
from qr.models import statements
from qr.statements.business_day import BusinessDay, require_closed
from qr.statements.errors import StatementChanged, StatementNotReady
from qr.statements.form import file_name, write_end, write_head, write_rows
from qr.statements.owner import Owner
from qr.statements.records import count_records, read_pages
from qr.statements.signature import write_signature
from sm.digest import start_sm3
from sm.sm2 import Signer

TOLD_SOON = 60  # seconds
Progress = Callable[[int, int], None]
"""Told rows written and rows in all."""


@dataclass(frozen=True)
class StatementDesk:
    """What making statements needs; ``certificates`` gives the signer's chain, DER, leaf first.

    ``sector_of`` tells in which sector a channel has its names of cards, None where it has none, and raises ``Missing``
    for a channel that there is not; ``name`` names a card (second) to a sector (first).
    """

    ground: Ground
    signer: Callable[[], Signer]
    certificates: Callable[[], Sequence[bytes]]
    sector_of: Callable[[Connection, str], str | None]
    name: Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What making would do: rows of the file, and whether this day was signed before."""

    count: int
    is_signed: bool


@dataclass(frozen=True, slots=True)
class Made:
    """A statement on disk, its signature beside it."""

    path: Path
    count: int
    sm3: str


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: ``sm3`` of the whole file, ``sector`` in which its cards are named."""

    count: int
    sm3: str
    sector: str | None


def plan_statement(desk: StatementDesk, owner: Owner, day: date) -> Plan:
    """Tell what making would do; raises DayNotClosed or Missing."""
    basis = _find_basis(desk, owner, day)
    return Plan(count_records(desk.ground.database, owner, basis.span), basis.signature is not None)


def make_statement(
    desk: StatementDesk, owner: Owner, day: date, folder: Path, *, actor: str, on_progress: Progress
) -> Made:
    """Write the file and its signature into the folder; both appear whole or not at all, the signature first.

    Raises DayNotClosed, Missing, and StatementChanged where the rows are not those that were signed before.
    """
    path = folder / file_name(owner, day)
    with written_beside(path) as file:
        written = write_statement(desk, owner, day, file, on_progress)
        signature = sign_once(desk, owner, day, file, written, actor)
        with written_beside(path.with_name(f"{path.name}.sig")) as beside:
            beside.write(signature.encode("ascii"))
    return Made(path, written.count, written.sm3)


def write_statement(desk: StatementDesk, owner: Owner, day: date, file: IO[bytes], on_progress: Progress) -> Written:
    """Write the unsigned file; memory does not grow with the day."""
    basis, database = _find_basis(desk, owner, day), desk.ground.database
    count = count_records(database, owner, basis.span)
    digest, written = start_sm3(), 0

    def add(piece: bytes) -> None:
        file.write(piece)
        digest.update(piece)

    def name(card: str) -> str:
        return "" if basis.sector is None else desk.name(basis.sector, card)

    add(write_head(owner, day, count))
    for rows in read_pages(database, owner, basis.span, name):
        add(write_rows(rows))
        written += len(rows)
        on_progress(written, count)
    if written != count:
        raise StatementChanged(f"{count} rows were counted and {written} read")
    add(write_end(count, digest.hexdigest()))
    return Written(count, digest.hexdigest(), basis.sector)


def sign_once(desk: StatementDesk, owner: Owner, day: date, file: IO[bytes], written: Written, actor: str) -> str:
    """Give the signature that was kept for this day, or keep the one that is made now: SM2 draws a nonce each time.

    Raises StatementChanged where another file was signed before.
    """
    ground = desk.ground
    with ground.database.transaction() as connection:
        kept = _find_kept(connection, owner, day)
    if kept is None:
        signature = write_signature(desk.signer(), file, desk.certificates())
        with ground.database.transaction() as connection:
            _keep(ground, connection, owner, day, written, signature, actor)
            kept = _find_kept(connection, owner, day)
    if kept is None or kept.sm3 != written.sm3:
        raise StatementChanged(f"{owner.id} {day.isoformat()}")
    return str(kept.signature)


def find_signature(desk: StatementDesk, owner: Owner, day: date) -> str | None:
    """Find the signature under which a day was handed out before; raises DayNotClosed or Missing."""
    return _find_basis(desk, owner, day).signature


@contextmanager
def written_beside(path: Path) -> Iterator[IO[bytes]]:
    """Write a file under another name and give it its own when it is complete and on disk; mode 0600."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Basis:
    """What a day's statement is made of; ``signature`` is the one that was kept, if there is one."""

    span: BusinessDay
    sector: str | None
    signature: str | None


def _find_basis(desk: StatementDesk, owner: Owner, day: date) -> _Basis:
    """Look whose it is, whether the day is closed, and how it was made before.

    A day that was signed keeps its names: the channel may have another client in another sector by now.
    """
    with desk.ground.database.transaction() as connection:
        sector = None
        if owner.kind == "institution":
            require_institution(connection, owner.id)
        else:
            sector = desk.sector_of(connection, owner.id)
        kept = _find_kept(connection, owner, day)
        span = require_closed(day, desk.ground.clock())
        if owner.kind == "channel":
            _require_told(connection, span)
    return _Basis(span, sector, None) if kept is None else _Basis(span, kept.sector, kept.signature)


def _require_told(connection: Connection, span: BusinessDay) -> None:
    """Wait until all that happened on the day is in the book of carriages: the worker enters it as it tells it."""
    if is_waiting(connection, before=from_millis(span.end)):
        raise StatementNotReady("something of that day is still being told", retry_after=TOLD_SOON)


def _keep(
    ground: Ground, connection: Connection, owner: Owner, day: date, written: Written, signature: str, actor: str
) -> None:
    """Keep the first signature of a day; another process may have been faster."""
    now, said = ground.clock(), {"day": day.isoformat(), "rows": written.count, "sm3": written.sm3}
    values = {
        "owner": owner.id,
        "day": day.isoformat(),
        "row_count": written.count,
        "sm3": written.sm3,
        "sector": written.sector,
        "signature": signature,
        "made_at": to_millis(now),
    }
    if insert_if_new(connection, statements, values):
        ground.audit.record(connection, actor=actor, act="statement.signed", subject=owner.id, detail=said, at=now)


def _find_kept(connection: Connection, owner: Owner, day: date) -> Any:
    kept = sa.select(statements).where(statements.c.owner == owner.id, statements.c.day == day.isoformat())
    return connection.execute(kept).one_or_none()
