"""Write the statement of one owner and one closed day, unsigned; memory does not grow with the day."""

from collections.abc import Callable
from datetime import date
from typing import Protocol

from qr.statements.desk import StatementDesk
from qr.statements.errors import StatementChanged
from qr.statements.form import write_end, write_head, write_rows
from qr.statements.owner import Owner
from qr.statements.records import count_records, read_pages
from qr.statements.signed_days import Written, find_basis
from sm.digest import start_sm3

Progress = Callable[[int, int], None]
"""Told rows written and rows in all."""


class Sink(Protocol):
    """What takes the file as it grows, whole lines at a time: a file, or what stores it."""

    def write(self, piece: bytes, /) -> object:
        """Take the next lines."""


def write_statement(desk: StatementDesk, owner: Owner, day: date, sink: Sink, on_progress: Progress) -> Written:
    """Write the file; raises DayNotClosed, Missing, StatementNotReady."""
    basis, database = find_basis(desk, owner, day), desk.ground.database
    count = count_records(database, owner, basis.span)
    digest, written = start_sm3(), 0

    def add(piece: bytes) -> None:
        sink.write(piece)
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
