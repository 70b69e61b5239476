"""Hand a statement out over the network, in parts: an answer is signed as a whole, so its size is bounded."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO

from core.errors import Missing
from qr.statements.making import StatementDesk, find_signature, sign_once, write_statement
from qr.statements.owner import Owner

PART_LINES = 100_000
_IN_MEMORY = 1 << 24  # bytes; a longer file is on disk while it is made


def read_part(desk: StatementDesk, owner: Owner, day: date, part: int, *, actor: str) -> bytes:
    """Make the file and give its part, counted from 1; all parts one after the other are the file.

    Raises DayNotClosed, StatementChanged, and Missing for a part behind the last one.
    """
    with _made(desk, owner, day, actor) as (file, _):
        file.seek(0)
        lines = list(islice(file, (part - 1) * PART_LINES, part * PART_LINES))
    if not lines:
        raise Missing("the file has no such part")
    return b"".join(lines)


def read_signature(desk: StatementDesk, owner: Owner, day: date, *, actor: str) -> str:
    """Give the signature's file; the day is made where it was not before. Raises DayNotClosed, StatementChanged."""
    kept = find_signature(desk, owner, day)
    if kept is not None:
        return kept
    with _made(desk, owner, day, actor) as (_, signature):
        return signature


@contextmanager
def _made(desk: StatementDesk, owner: Owner, day: date, actor: str) -> Iterator[tuple[IO[bytes], str]]:
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        written = write_statement(desk, owner, day, file, lambda *_: None)
        yield file, sign_once(desk, owner, day, file, written, actor)
