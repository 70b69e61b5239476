"""Make the statement of one institution and one closed day: written, signed once, the same bytes ever after."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.parties import require_institution
from core.clock import to_millis
from core.database import insert_if_new
from core.ground import Ground
from qr.models import statements
from qr.statements.business_day import BusinessDay, require_closed
from qr.statements.errors import StatementChanged
from qr.statements.form import file_name, write_end, write_head, write_rows
from qr.statements.records import count_records, read_pages
from qr.statements.signature import write_signature
from sm.digest import start_sm3
from sm.sm2 import Signer

Progress = Callable[[int, int], None]
"""Told rows written and rows in all."""


@dataclass(frozen=True)
class StatementDesk:
    """What making statements needs; ``certificates`` gives the signer's chain, DER, leaf first."""

    ground: Ground
    signer: Callable[[], Signer]
    certificates: Callable[[], Sequence[bytes]]


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


def plan_statement(desk: StatementDesk, institution: str, day: date) -> Plan:
    """Tell what making would do; raises DayNotClosed or Missing."""
    span = _require(desk.ground, institution, day)
    with desk.ground.database.transaction() as connection:
        is_signed = _find_kept(connection, institution, day) is not None
    return Plan(count_records(desk.ground.database, institution, span), is_signed)


def make_statement(
    desk: StatementDesk, institution: str, day: date, folder: Path, *, actor: str, on_progress: Progress
) -> Made:
    """Write the file and its signature into the folder; both appear whole or not at all, the signature first.

    Raises DayNotClosed, Missing, and StatementChanged where the rows are not those that were signed before.
    """
    path = folder / file_name(institution, day)
    with written_beside(path) as file:
        count, sm3 = write_statement(desk.ground, institution, day, file, on_progress)
        signature = _sign_once(desk, institution, day, file, count, sm3, actor)
        with written_beside(path.with_name(f"{path.name}.sig")) as beside:
            beside.write(signature.encode("ascii"))
    return Made(path, count, sm3)


def write_statement(
    ground: Ground, institution: str, day: date, file: IO[bytes], on_progress: Progress
) -> tuple[int, str]:
    """Write the unsigned file and tell its rows and the SM3 of all of it; memory does not grow with the day."""
    span = _require(ground, institution, day)
    count = count_records(ground.database, institution, span)
    digest, written = start_sm3(), 0

    def add(piece: bytes) -> None:
        file.write(piece)
        digest.update(piece)

    add(write_head(institution, day, count))
    for rows in read_pages(ground.database, institution, span):
        add(write_rows(rows))
        written += len(rows)
        on_progress(written, count)
    if written != count:
        raise StatementChanged(f"{count} rows were counted and {written} read")
    add(write_end(count, digest.hexdigest()))
    return count, digest.hexdigest()


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


def _require(ground: Ground, institution: str, day: date) -> BusinessDay:
    with ground.database.transaction() as connection:
        require_institution(connection, institution)
    return require_closed(day, ground.clock())


def _sign_once(
    desk: StatementDesk, institution: str, day: date, file: IO[bytes], count: int, sm3: str, actor: str
) -> str:
    """Give the signature that was kept for this day, or keep the one that is made now: SM2 draws a nonce each time."""
    ground = desk.ground
    with ground.database.transaction() as connection:
        kept = _find_kept(connection, institution, day)
    if kept is None:
        signature, now = write_signature(desk.signer(), file, desk.certificates()), ground.clock()
        values = {"institution": institution, "day": day.isoformat(), "row_count": count, "sm3": sm3}
        with ground.database.transaction() as connection:
            if insert_if_new(connection, statements, values | {"signature": signature, "made_at": to_millis(now)}):
                detail = {"day": day.isoformat(), "rows": count, "sm3": sm3}
                ground.audit.record(
                    connection, actor=actor, act="statement.signed", subject=institution, detail=detail, at=now
                )
            kept = _find_kept(connection, institution, day)
    if kept is None or kept[0] != sm3:
        raise StatementChanged(f"{institution} {day.isoformat()}")
    return kept[1]


def _find_kept(connection: Connection, institution: str, day: date) -> tuple[str, str] | None:
    """Find the SM3 and the signature of a day that was signed before."""
    found = sa.select(statements.c.sm3, statements.c.signature).where(
        statements.c.institution == institution, statements.c.day == day.isoformat()
    )
    row = connection.execute(found).one_or_none()
    return None if row is None else (row.sm3, row.signature)
