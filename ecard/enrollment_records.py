"""The enrollments table: begin, move, end. Every change is guarded by the state it starts from."""

import secrets
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.proofs import DeviceProof
from core.clock import from_millis, to_millis
from core.database import changed_one, insert_if_new
from core.errors import Missing
from core.ids import is_id, new_id
from ecard.models import enrollments
from physical.terminal_sessions import TerminalSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """One row; ``state`` is pending, hello, verified, issued, refused or expired."""

    id: str
    session: str
    terminal: str
    channel: str
    thumbprint: str
    public_jwk: dict[str, str]
    device_key_sm3: str
    service_nonce: str
    state: str
    chip_card: str | None
    hello_sm3: str | None
    hello_answer: dict[str, Any] | None
    card_public_key: str | None
    complete_sm3: str | None
    holder_data: bytes | None
    card_class: str | None
    default_pin: bool | None
    level: str | None
    refused_because: str | None
    card: str | None
    device: str | None
    expires_at: datetime
    ended_at: int | None

    @property
    def is_open(self) -> bool:
        return self.ended_at is None


_COLUMNS = [enrollments.c[field.name] for field in fields(Enrollment)]


def begin_enrollment(
    connection: Connection,
    *,
    session: TerminalSession,
    channel: str,
    proof: DeviceProof,
    device_key_sm3: str,
    at: datetime,
) -> Enrollment | None:
    """Enter a new enrollment; None where this phone has another one open (the database decides)."""
    enrollment = new_id("enr")
    values = {
        "id": enrollment,
        "session": session.id,
        "terminal": session.terminal,
        "channel": channel,
        "thumbprint": proof.thumbprint,
        "public_jwk": dict(proof.public_jwk),
        "device_key_sm3": device_key_sm3,
        "device_proof": proof.text,
        "service_nonce": secrets.token_hex(16),
        "state": "pending",
        "begun_at": to_millis(at),
        "expires_at": to_millis(session.expires_at),
    }
    return get_enrollment(connection, enrollment) if insert_if_new(connection, enrollments, values) else None


def get_enrollment(connection: Connection, enrollment: str) -> Enrollment:
    """Find one; raises ``Missing``."""
    found = _first(connection, enrollments.c.id == enrollment) if is_id(enrollment, "enr") else None
    if found is None:
        raise Missing
    return found


def lock_enrollment(connection: Connection, enrollment: str) -> Enrollment:
    """Find one and hold it until the transaction ends; raises ``Missing``.

    A message that comes at the same moment waits here, and then sees what the first one has done.
    """
    locked = enrollments.c.id == enrollment
    found = _first(connection, locked, lock=True) if is_id(enrollment, "enr") else None
    if found is None:
        raise Missing
    return found


def find_enrollment_of_session(connection: Connection, session: str) -> Enrollment | None:
    return _first(connection, enrollments.c.session == session)


def move_enrollment(connection: Connection, enrollment: Enrollment, *, to: str, values: dict[str, Any]) -> bool:
    """Move from the state in which it was read; False where somebody else was faster, also with the same card."""
    guarded = (
        enrollments.c.id == enrollment.id,
        enrollments.c.state == enrollment.state,
        enrollments.c.ended_at.is_(None),
    )
    try:
        with connection.begin_nested():
            return changed_one(connection, enrollments.update().where(*guarded).values(state=to, **values))
    except sa.exc.IntegrityError:
        return False


def end_enrollment(connection: Connection, enrollment: Enrollment, *, state: str, because: str, at: datetime) -> bool:
    """End it for good, dropping the holder's data; False where it was ended already."""
    ended = (
        enrollments.update()
        .where(enrollments.c.id == enrollment.id, enrollments.c.ended_at.is_(None))
        .values(state=state, refused_because=because[:60], ended_at=to_millis(at), holder_data=None)
    )
    return changed_one(connection, ended)


def count_late_refusal(connection: Connection, enrollment: Enrollment, because: str) -> None:
    """Give an expired enrollment the reason that its reader told too late: wrong PINs count all the same."""
    late = enrollments.c.id == enrollment.id, enrollments.c.state == "expired"
    connection.execute(enrollments.update().where(*late).values(refused_because=because[:60]))


def finish_enrollment(connection: Connection, enrollment: Enrollment, *, card: str, device: str, at: datetime) -> bool:
    """Close a verified enrollment as issued and forget what was read of the holder."""
    values = {"card": card, "device": device, "ended_at": to_millis(at), "holder_data": None}
    return move_enrollment(connection, enrollment, to="issued", values=values)


def end_expired(connection: Connection, thumbprint: str, at: datetime) -> None:
    """End this phone's enrollments whose time is over, so that it may begin another one."""
    _end_expired(connection, enrollments.c.thumbprint == thumbprint, at)


def end_expired_of_card(connection: Connection, chip_card: str, at: datetime) -> None:
    """End this card's enrollments whose time is over."""
    _end_expired(connection, enrollments.c.chip_card == chip_card, at)


def end_all_expired(connection: Connection, at: datetime) -> None:
    """End every enrollment whose time is over and drop what was read of its holder."""
    _end_expired(connection, sa.true(), at)


def is_card_taken(connection: Connection, chip_card: str, enrollment: str) -> bool:
    """Tell whether another open enrollment holds this card."""
    other = enrollments.c.chip_card == chip_card, enrollments.c.ended_at.is_(None), enrollments.c.id != enrollment
    return connection.execute(sa.select(enrollments.c.id).where(*other)).first() is not None


def count_since(
    connection: Connection,
    since: datetime,
    *,
    terminal: str | None = None,
    chip_card: str | None = None,
    because: str | None = None,
) -> int:
    """Count enrollments of a terminal or a card since a moment, all of them or those that ended in one way."""
    conditions = [enrollments.c.begun_at > to_millis(since)]
    if terminal:
        conditions.append(enrollments.c.terminal == terminal)
    if chip_card:
        conditions.append(enrollments.c.chip_card == chip_card)
    if because:
        conditions.append(enrollments.c.refused_because == because)
    return connection.execute(sa.select(sa.func.count()).select_from(enrollments).where(*conditions)).scalar_one()


def _end_expired(connection: Connection, condition: sa.ColumnElement[bool], at: datetime) -> None:
    over = condition, enrollments.c.ended_at.is_(None), enrollments.c.expires_at <= to_millis(at)
    values = {"state": "expired", "ended_at": to_millis(at), "holder_data": None, "refused_because": "enrollment_over"}
    connection.execute(enrollments.update().where(*over).values(values))


def _first(connection: Connection, condition: sa.ColumnElement[bool], *, lock: bool = False) -> Enrollment | None:
    query = sa.select(*_COLUMNS).where(condition)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        return None
    return Enrollment(**{**row, "expires_at": from_millis(row["expires_at"])})
