"""How an enrollment ends without a card: for good, with its reason in the audit trail and in the news."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Connection

from core.clock import to_millis
from core.errors import Kind, Refusal
from core.ground import Ground
from core.outbox import record_event
from ecard.enrollment_records import Enrollment, end_enrollment
from ecard.errors import EnrollmentOver


@contextmanager
def refusals_are_final(ground: Ground, connection: Connection, enrollment: Enrollment, *, actor: str) -> Iterator[None]:
    """Burn the enrollment on any refusal and keep that; only "cannot tell now" leaves it open.

    What the transaction has written before a refusal is kept with it: check first, write afterwards.
    """
    try:
        yield
    except Refusal as refusal:
        if refusal.kind is not Kind.UNAVAILABLE and enrollment.is_open:
            refuse_enrollment(ground, connection, enrollment, refusal.code, actor=actor)
            refusal.recorded = True
        raise


def refuse_enrollment(
    ground: Ground, connection: Connection, enrollment: Enrollment, because: str, *, actor: str
) -> None:
    """End an open enrollment: as expired where its time was over, as refused for everything else."""
    now = ground.clock()
    state = "expired" if because == EnrollmentOver.code else "refused"
    if not end_enrollment(connection, enrollment, state=state, because=because, at=now):
        return
    content = {"enrollment": enrollment.id, "because": because, "terminal": enrollment.terminal}
    record_event(connection, f"enrollment.{state}", card=None, content=content, at=now)
    detail = {"because": because, "terminal": enrollment.terminal, "at": to_millis(now)}
    ground.audit.record(
        connection, actor=actor, act=f"enrollment.{state}", subject=enrollment.id, detail=detail, at=now
    )
