"""The worker's part: the files of a closed day, each made once and stored in parts.

Short transactions only: a page is read, a part is written, and in between somebody else may write. A worker that dies
leaves a claim that runs out, and parts that nobody sees; whoever claims the day next begins anew.
"""

from collections.abc import Callable
from contextlib import suppress

from core.outbox import record_event
from qr.statements.claims import Claim, Overtaken, claim_next, end_claim, hold_claim, plan_day, put_off
from qr.statements.desk import StatementDesk
from qr.statements.errors import StatementChanged
from qr.statements.parts import PartWriter, drop_parts, find_file, show_file, store_part
from qr.statements.signature import start_message, write_signature
from qr.statements.signed_days import Written, keep_signed
from qr.statements.writing import Progress, write_statement

_WORKER = "worker"


def make_next(desk: StatementDesk) -> bool:
    """Make one file that is due; False where none is.

    Raises StatementChanged where a day is not what was signed of it: it is put off, and the others go on.
    """
    plan_day(desk)
    claim = claim_next(desk)
    if claim is None:
        return False
    with suppress(Overtaken):  # it was done twice at once, and the other one counts
        store_statement(desk, claim, actor=_WORKER, on_progress=lambda *_: None)
    return True


def store_statement(desk: StatementDesk, claim: Claim, *, actor: str, on_progress: Progress) -> None:
    """Make the file of a claim, sign it and let it be seen; raises Overtaken, StatementChanged, Missing."""
    if not _begin(desk, claim):
        return
    try:
        written, parts, signature = _write(desk, claim, on_progress)
        _finish(desk, claim, written, parts, signature, actor)
    except StatementChanged:
        put_off(desk, claim)
        raise


def _begin(desk: StatementDesk, claim: Claim) -> bool:
    """Clear away what an earlier try has left; False where the file is there already."""
    database, more = desk.ground.database, True
    with database.transaction() as connection:
        if find_file(connection, claim.owner, claim.day) is not None:
            end_claim(connection, claim)
            return False
    while more:
        with database.transaction() as connection:
            hold_claim(desk, connection, claim)
            more = drop_parts(connection, claim.owner, claim.day)
    return True


def _write(desk: StatementDesk, claim: Claim, on_progress: Progress) -> tuple[Written, int, str]:
    signer = desk.signer()
    message = start_message(signer.public_key)
    parts = PartWriter(_storing(desk, claim, message.update))
    written = write_statement(desk, claim.owner, claim.day, parts, on_progress)
    parts.close()
    return written, parts.count, write_signature(signer, message.digest(), desk.certificates())


def _storing(desk: StatementDesk, claim: Claim, sign: Callable[[bytes], object]) -> Callable[[int, bytes], None]:
    def store(part: int, content: bytes) -> None:
        sign(content)
        with desk.ground.database.transaction() as connection:
            hold_claim(desk, connection, claim)
            store_part(connection, claim.owner, claim.day, part, content)

    return store


def _finish(desk: StatementDesk, claim: Claim, written: Written, parts: int, signature: str, actor: str) -> None:
    """Keep the signature, show the file and tell its channel, all at once or nothing of it."""
    owner, day, now = claim.owner, claim.day, desk.ground.clock()
    with desk.ground.database.transaction() as connection:
        end_claim(connection, claim)
        keep_signed(desk, connection, owner, day, written, signature, actor)
        show_file(connection, owner, day, parts)
        if owner.kind == "channel":
            content = {"channel": owner.id, "day": day.isoformat()}
            record_event(connection, "statement.ready", card=None, content=content, at=now)
