"""Give an operator the statement of one owner and one closed day, as files: the stored one, or made anew."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from qr.statements.claims import claim_day, oldest_kept
from qr.statements.desk import StatementDesk
from qr.statements.errors import StatementChanged, StatementNotReady
from qr.statements.form import file_name
from qr.statements.owner import Owner
from qr.statements.parts import find_file, read_parts
from qr.statements.records import count_records
from qr.statements.signature import digest_message, write_signature
from qr.statements.signed_days import SOON, Signed, Written, find_basis, find_signed, keep_signed, require_unchanged
from qr.statements.storing import store_statement
from qr.statements.writing import Progress, write_statement
from sm.digest import start_sm3


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


def plan_statement(desk: StatementDesk, owner: Owner, day: date) -> Plan:
    """Tell what making would do; raises DayNotClosed, Missing, StatementNotReady."""
    basis = find_basis(desk, owner, day)
    return Plan(count_records(desk.ground.database, owner, basis.span), basis.signed is not None)


def make_statement(
    desk: StatementDesk,
    owner: Owner,
    day: date,
    folder: Path,
    *,
    actor: str,
    on_progress: Progress,
    again: bool = False,
) -> Made:
    """Write the file and its signature into the folder; both appear whole or not at all, the signature first.

    The file is the stored one, made now where the worker has not made it yet. It is made anew from the records, and
    proven to be byte for byte what was signed and what is stored, where ``again`` says so, or the day is older than
    files are kept. Raises DayNotClosed, Missing, StatementNotReady, StatementChanged.
    """
    path = folder / file_name(owner, day)
    find_basis(desk, owner, day)
    with written_beside(path) as file:
        if again or day < oldest_kept(desk.ground.clock()):
            signed = _write_anew(desk, owner, day, file, actor, on_progress)
        else:
            signed = _copy_stored(desk, owner, day, file, actor, on_progress)
        with written_beside(path.with_name(f"{path.name}.sig")) as beside:
            beside.write(signed.signature.encode("ascii"))
    return Made(path, signed.count, signed.sm3)


def _copy_stored(
    desk: StatementDesk, owner: Owner, day: date, file: IO[bytes], actor: str, on_progress: Progress
) -> Signed:
    signed, parts = _find_stored(desk, owner, day)
    if signed is None or parts is None:
        claim = claim_day(desk, owner, day)
        if claim is None:
            raise StatementNotReady("it is being made", retry_after=SOON)
        store_statement(desk, claim, actor=actor, on_progress=on_progress)
        signed, parts = _find_stored(desk, owner, day)
    assert signed is not None
    assert parts is not None
    digest = start_sm3()
    for content in read_parts(desk.ground.database, owner, day, parts):
        file.write(content)
        digest.update(content)
    require_unchanged(signed, owner, day, digest.hexdigest())
    return signed


def _find_stored(desk: StatementDesk, owner: Owner, day: date) -> tuple[Signed | None, int | None]:
    with desk.ground.database.transaction() as connection:
        return find_signed(connection, owner, day), find_file(connection, owner, day)


def _write_anew(
    desk: StatementDesk, owner: Owner, day: date, file: IO[bytes], actor: str, on_progress: Progress
) -> Signed:
    written = write_statement(desk, owner, day, file, on_progress)
    signed, parts = _find_stored(desk, owner, day)
    if signed is None:
        return _sign(desk, owner, day, file, written, actor)
    require_unchanged(signed, owner, day, written.sm3)
    if parts is not None:
        file.seek(0)
        for content in read_parts(desk.ground.database, owner, day, parts):
            if file.read(len(content)) != content:
                raise StatementChanged("what is stored is another file")
    return signed


def _sign(desk: StatementDesk, owner: Owner, day: date, file: IO[bytes], written: Written, actor: str) -> Signed:
    signer = desk.signer()
    signature = write_signature(signer, digest_message(signer.public_key, file), desk.certificates())
    with desk.ground.database.transaction() as connection:
        return keep_signed(desk, connection, owner, day, written, signature, actor)


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
