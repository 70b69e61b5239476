"""The holder's short session at the account page: ten minutes after a login, for one browser."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.login.desk import LoginDesk
from auth.login.errors import SessionOver
from auth.login.logins import Proven
from auth.login.models import account_sessions
from auth.models import devices
from core.clock import from_millis, to_millis

SESSION_SECONDS = 600
_KIND = "account-session"


@dataclass(frozen=True, slots=True)
class Session:
    """Who is at the account page; ``handle`` names the session, its secret is the browser's cookie alone."""

    handle: str
    card: str
    device: str
    expires_at: datetime


def start_session(desk: LoginDesk, connection: Connection, known: Proven) -> str:
    """Begin a session for whoever has logged in, and return its secret."""
    secret, handle = desk.stored.draw(_KIND)
    now = desk.ground.clock()
    ends = now + timedelta(seconds=SESSION_SECONDS)
    values = {"handle": handle, "card": known.card, "device": known.device}
    times = {"begun_at": to_millis(now), "expires_at": to_millis(ends)}
    connection.execute(account_sessions.insert().values(values | times))
    return secret


def get_session(desk: LoginDesk, connection: Connection, given: str) -> Session:
    """Find an open session by the browser's cookie; it ends with its phone. Raises ``SessionOver``."""
    sessions, now = account_sessions.c, to_millis(desk.ground.clock())
    joined = account_sessions.join(devices, devices.c.id == sessions.device)
    live = sa.and_(sessions.expires_at > now, sessions.ended_at.is_(None), devices.c.standing == "active")
    known = sa.select(account_sessions).select_from(joined).where(sessions.handle == desk.stored.handle(_KIND, given))
    row = connection.execute(known.where(live)).first() if given else None
    if row is None:
        raise SessionOver
    return Session(row.handle, row.card, row.device, from_millis(row.expires_at))


def end_session(desk: LoginDesk, connection: Connection, session: Session) -> None:
    """Sign out."""
    still_open = sa.and_(account_sessions.c.handle == session.handle, account_sessions.c.ended_at.is_(None))
    connection.execute(account_sessions.update().where(still_open).values(ended_at=to_millis(desk.ground.clock())))
