"""The holders whom the card centre has appointed to enrol an institution's terminals, and how often each mistyped."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.models import institution_operators, institutions
from auth.parties import require_institution
from core.clock import to_millis
from core.database import changed_one, insert_if_new
from core.errors import Kind, Refusal

MOST_WRONG_CODES = 10
"""Within ``WRONG_CODES_SECONDS``, of each operator."""
WRONG_CODES_SECONDS = 3600


class NotAnOperator(Refusal):
    kind = Kind.FORBIDDEN
    code = "not_an_operator"
    title_en = "The card centre has not appointed this holder to enrol terminals of this institution."
    title_zh = "社保卡中心未指定该持卡人为此机构的终端经办人。"
    next_en = "Ask the card centre to appoint you, or choose an institution of yours."
    next_zh = "请联系社保卡中心办理指定，或选择您所属的机构。"


class TooManyWrongCodes(Refusal):
    kind = Kind.LIMITED
    code = "too_many_wrong_codes"
    title_en = "Too many codes were wrong within an hour."
    title_zh = "一小时内输入错误代码次数过多。"
    next_en = "Wait for the time given in Retry-After, then type the code that the terminal shows."
    next_zh = "请按 Retry-After 给出的时间稍候，再输入终端上显示的代码。"


@dataclass(frozen=True, slots=True)
class Appointment:
    """An institution for which a holder may act now; ``purposes`` is what its new terminals may take codes for."""

    institution: str
    name: str
    scopes: frozenset[str]
    purposes: tuple[str, ...]


def appoint_operator(
    connection: Connection, *, card: str, institution: str, at: datetime, until: datetime | None = None
) -> None:
    """Appoint a holder, or the same one again with another end; raises ``Missing`` for an unknown institution."""
    require_institution(connection, institution)
    values = {"appointed_at": to_millis(at), "until": to_millis(until) if until else None}
    if insert_if_new(connection, institution_operators, {"card": card, "institution": institution, **values}):
        return
    again = institution_operators.update().where(_is(card, institution)).values(dismissed_at=None, **values)
    connection.execute(again)


def end_appointment(connection: Connection, *, card: str, institution: str, at: datetime) -> bool:
    """End an appointment from now on; False if there is none that counts."""
    counts = institution_operators.update().where(_is(card, institution), _counts(at))
    return changed_one(connection, counts.values(dismissed_at=to_millis(at)))


def list_appointments(connection: Connection, card: str, at: datetime) -> list[Appointment]:
    """List the institutions for which a holder may act now, by name."""
    joined = institution_operators.join(institutions, institutions.c.id == institution_operators.c.institution)
    live = sa.select(institutions).select_from(joined).where(institution_operators.c.card == card, _counts(at))
    return [_appointment_of(row) for row in connection.execute(live.order_by(institutions.c.name, institutions.c.id))]


def lock_appointment(connection: Connection, card: str, institution: str, at: datetime) -> Appointment:
    """Read an appointment so that a dismissal waits for this transaction; raises ``NotAnOperator``."""
    lock = sa.select(institution_operators.c.card).where(_is(card, institution), _counts(at)).with_for_update()
    if connection.execute(lock).first() is None:
        raise NotAnOperator
    row = connection.execute(sa.select(institutions).where(institutions.c.id == institution)).one()
    return _appointment_of(row)


def list_operators(connection: Connection) -> list[sa.Row[Any]]:
    """List all appointments for the card centre, ended ones as well."""
    joined = institution_operators.join(institutions, institutions.c.id == institution_operators.c.institution)
    query = sa.select(institution_operators, institutions.c.name).select_from(joined)
    return list(connection.execute(query.order_by(institutions.c.name, institution_operators.c.appointed_at)))


def require_tries_left(connection: Connection, card: str, at: datetime) -> None:
    """Require an operator who has not mistyped too often; one holder's tries are judged one after the other.

    Raises ``NotAnOperator`` or ``TooManyWrongCodes``.
    """
    columns = institution_operators.c
    mine = sa.select(columns.wrong_codes, columns.wrong_since).where(columns.card == card, _counts(at))
    rows = connection.execute(mine.with_for_update()).all()
    if not rows:
        raise NotAnOperator
    if any(row.wrong_codes >= MOST_WRONG_CODES and row.wrong_since > _window(at) for row in rows):
        raise TooManyWrongCodes(retry_after=WRONG_CODES_SECONDS)


def count_wrong_code(connection: Connection, card: str, at: datetime) -> None:
    """Count one more wrong code of a holder, in a window that began with the first one."""
    columns = institution_operators.c
    over = columns.wrong_since <= _window(at)
    counted = {
        "wrong_codes": sa.case((over, 1), else_=columns.wrong_codes + 1),
        "wrong_since": sa.case((over, to_millis(at)), else_=columns.wrong_since),
    }
    connection.execute(institution_operators.update().where(columns.card == card).values(counted))


def _is(card: str, institution: str) -> sa.ColumnElement[bool]:
    return sa.and_(institution_operators.c.card == card, institution_operators.c.institution == institution)


def _counts(at: datetime) -> sa.ColumnElement[bool]:
    columns = institution_operators.c
    return sa.and_(columns.dismissed_at.is_(None), sa.or_(columns.until.is_(None), columns.until > to_millis(at)))


def _window(at: datetime) -> int:
    return to_millis(at) - WRONG_CODES_SECONDS * 1000


def _appointment_of(row: Any) -> Appointment:
    return Appointment(row.id, row.name, frozenset(row.scopes), tuple(row.purposes))
