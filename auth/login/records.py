"""The logins table: begin, find, move. Every change is guarded by the state it starts from, and by its time.

waiting → seen → approved → confirmed → used, and from each of them but the last denied.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.login.models import logins
from core.clock import from_millis, to_millis
from core.database import changed_one, insert_if_new
from core.ids import is_id

LOGIN_SECONDS = 600
"""From the first page to the answer; as long as the authorization request behind it may wait."""
MOST_WRONG_NUMBERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One browser's attempt to have a holder proven.

    Attributes:
        browser: handle of the cookie of the browser that began it.
        purpose: what it is for: oauth, account or device.
        reference: what the purpose knows it by, e.g. the id of an authorization request.
        needed_level: the least assurance level that would do.
        card, device: who saw it, once somebody has.
        acr, amr, authenticated_at: what has been proven, from ``confirmed`` on.
    """

    id: str
    browser: str
    purpose: str
    reference: str
    needed_level: str
    state: str
    card: str | None
    device: str | None
    wrong_numbers: int
    acr: str | None
    amr: tuple[str, ...]
    authenticated_at: datetime | None
    begun_at: datetime
    approved_at: datetime | None
    expires_at: datetime
    ended_because: str | None


def enter_login(connection: Connection, values: dict[str, Any], now: datetime) -> bool:
    """Write a new login in state waiting; False where its browser has one open, or its code is taken."""
    ends = now + timedelta(seconds=LOGIN_SECONDS)
    times = {"state": "waiting", "begun_at": to_millis(now), "expires_at": to_millis(ends)}
    return insert_if_new(connection, logins, values | times)


def find_login(connection: Connection, given_id: str) -> Login | None:
    return _first(connection, logins.c.id == given_id) if is_id(given_id, "lgn") else None


def find_login_by_code(connection: Connection, code: str) -> Login | None:
    """Find a login by the handle of its code."""
    return _first(connection, logins.c.code == code)


def find_open_login(connection: Connection, browser: str, purpose: str, reference: str) -> Login | None:
    """Find the login with which a browser that comes again goes on."""
    return _first(connection, _of_browser(browser, purpose, reference))


def lock_login(connection: Connection, login: Login) -> Login:
    """Read a login as it stands now and hold its row until the transaction ends."""
    row = connection.execute(sa.select(logins).where(logins.c.id == login.id).with_for_update()).one()
    return _login_of(row)


def end_expired(connection: Connection, browser: str, purpose: str, reference: str, now: datetime) -> None:
    """Make room for a new login where the last one's time is over."""
    expired = sa.and_(_of_browser(browser, purpose, reference), logins.c.expires_at <= to_millis(now))
    connection.execute(logins.update().where(expired).values(_denied("expired", now)))


def move_login(
    connection: Connection, condition: sa.ColumnElement[bool], *, frm: str, to: str, now: datetime, **values: Any
) -> bool:
    """Take a login one step on; False unless it stands where the step begins and its time is not over."""
    here = sa.and_(condition, logins.c.state == frm, logins.c.ended_at.is_(None), logins.c.expires_at > to_millis(now))
    if to == "used":
        values |= {"ended_at": to_millis(now), "ended_because": "used"}
    return changed_one(connection, logins.update().where(here).values(state=to, **values))


def count_wrong_number(connection: Connection, login: Login, now: datetime) -> int | None:
    """Count a wrong number and end the login with the third; give how many there were, None if it has moved on."""
    columns, wrong = logins.c, logins.c.wrong_numbers + 1
    is_last = wrong >= MOST_WRONG_NUMBERS
    denied = {name: sa.case((is_last, value), else_=columns[name]) for name, value in _denied("numbers", now).items()}
    here = sa.and_(columns.id == login.id, columns.state == "approved", columns.expires_at > to_millis(now))
    counted = logins.update().where(here).values(wrong_numbers=wrong, **denied).returning(columns.wrong_numbers)
    return connection.execute(counted).scalar_one_or_none()


def deny(connection: Connection, condition: sa.ColumnElement[bool], because: str, now: datetime) -> int:
    """End open logins without a result and return how many that were."""
    still_open = logins.update().where(condition, logins.c.ended_at.is_(None))
    return connection.execute(still_open.values(_denied(because, now))).rowcount


def _denied(because: str, now: datetime) -> dict[str, Any]:
    return {"state": "denied", "ended_at": to_millis(now), "ended_because": because}


def _of_browser(browser: str, purpose: str, reference: str) -> sa.ColumnElement[bool]:
    columns = logins.c
    same = (columns.browser == browser, columns.purpose == purpose, columns.reference == reference)
    return sa.and_(*same, columns.ended_at.is_(None))


def _first(connection: Connection, condition: sa.ColumnElement[bool]) -> Login | None:
    row = connection.execute(sa.select(logins).where(condition)).first()
    return _login_of(row) if row else None


def _login_of(row: Any) -> Login:
    return Login(
        id=row.id,
        browser=row.browser,
        purpose=row.purpose,
        reference=row.reference,
        needed_level=row.needed_level,
        state=row.state,
        card=row.card,
        device=row.device,
        wrong_numbers=row.wrong_numbers,
        acr=row.acr,
        amr=tuple(json.loads(row.amr) if isinstance(row.amr, str) else row.amr or ()),
        authenticated_at=_moment(row.authenticated_at),
        begun_at=from_millis(row.begun_at),
        approved_at=_moment(row.approved_at),
        expires_at=from_millis(row.expires_at),
        ended_because=row.ended_because,
    )


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else from_millis(millis)
