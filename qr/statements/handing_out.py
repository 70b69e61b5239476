"""Hand a stored statement out over the network, in parts: an answer is signed as a whole, so its size is bounded."""

from datetime import date
from typing import NoReturn

from sqlalchemy.engine import Connection

from core.errors import Missing
from qr.statements.business_day import require_closed
from qr.statements.claims import find_last_planned, is_planned
from qr.statements.desk import StatementDesk
from qr.statements.errors import StatementNotKept, StatementNotReady
from qr.statements.owner import Owner
from qr.statements.parts import find_file, get_part
from qr.statements.signed_days import SOON, find_signed


def read_part(desk: StatementDesk, connection: Connection, owner: Owner, day: date, part: int) -> bytes:
    """Give a part of a stored file, counted from 1; all parts one after the other are the file.

    Raises DayNotClosed, StatementNotReady, StatementNotKept, and Missing for a part behind the last one.
    """
    if part > _require_stored(desk, connection, owner, day):
        raise Missing("the file has no such part")
    return get_part(connection, owner, day, part)


def read_signature(desk: StatementDesk, connection: Connection, owner: Owner, day: date) -> str:
    """Give the signature's file, also of a day whose file is not kept any more.

    Raises DayNotClosed, StatementNotReady, StatementNotKept.
    """
    signed = find_signed(connection, owner, day)
    if signed is None:
        _require_stored(desk, connection, owner, day)
        raise Missing
    return signed.signature


def _require_stored(desk: StatementDesk, connection: Connection, owner: Owner, day: date) -> int:
    parts = find_file(connection, owner, day)
    return _refuse(desk, connection, owner, day) if parts is None else parts


def _refuse(desk: StatementDesk, connection: Connection, owner: Owner, day: date) -> NoReturn:
    """Say when there will be a file, or that there is none any more."""
    require_closed(day, desk.ground.clock())
    if is_planned(connection, owner, day) or day.isoformat() > find_last_planned(connection):
        raise StatementNotReady(retry_after=SOON)
    raise StatementNotKept
