"""A reader opens a session, shows it as a code, and one phone may begin with it."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.signed_requests import Terminal
from core.clock import from_millis, to_millis
from core.database import changed_one
from core.errors import Missing
from core.ground import Ground
from core.ids import new_id
from physical.errors import TerminalSessionOver
from physical.models import terminal_sessions


@dataclass(frozen=True, slots=True)
class TerminalSession:
    """``state`` is open (shown), begun (a phone took it); expiry ends both."""

    id: str
    terminal: str
    operator: str
    terminal_nonce: str
    state: str
    expires_at: datetime

    @property
    def display(self) -> str:
        """What the reader shows as a QR code and the phone scans."""
        return f"ESSC-ENROLL:1:{self.id}:{self.terminal_nonce}"


def open_terminal_session(ground: Ground, connection: Connection, terminal: Terminal, operator: str) -> TerminalSession:
    """Open a session of ``settings.enrollment_seconds`` with a fresh 16-byte nonce (chip-card.md section 3, step 1)."""
    now = ground.clock()
    session = TerminalSession(
        id=new_id("ts"),
        terminal=terminal.id,
        operator=operator,
        terminal_nonce=secrets.token_hex(16),
        state="open",
        expires_at=now + timedelta(seconds=ground.settings.enrollment_seconds),
    )
    connection.execute(
        terminal_sessions.insert().values(
            id=session.id,
            terminal=session.terminal,
            operator=session.operator,
            terminal_nonce=session.terminal_nonce,
            state=session.state,
            opened_at=to_millis(now),
            expires_at=to_millis(session.expires_at),
        )
    )
    return session


def get_terminal_session(connection: Connection, session: str, *, terminal: str) -> TerminalSession:
    """Find a terminal's own session; raises ``Missing`` for anybody else's."""
    found = find_terminal_session(connection, session)
    if found is None or found.terminal != terminal:
        raise Missing
    return found


def find_terminal_session(connection: Connection, session: str) -> TerminalSession | None:
    row = connection.execute(sa.select(terminal_sessions).where(terminal_sessions.c.id == session)).first()
    if row is None:
        return None
    return TerminalSession(
        row.id, row.terminal, row.operator, row.terminal_nonce, row.state, from_millis(row.expires_at)
    )


def take_terminal_session(
    connection: Connection, session: str, terminal_nonce: str, *, at: datetime
) -> TerminalSession:
    """Use a session up for one phone; raises ``TerminalSessionOver``, also for one that never was."""
    taken = (
        terminal_sessions.update()
        .where(
            terminal_sessions.c.id == session,
            terminal_sessions.c.terminal_nonce == terminal_nonce,
            terminal_sessions.c.state == "open",
            terminal_sessions.c.expires_at > to_millis(at),
        )
        .values(state="begun")
    )
    if not changed_one(connection, taken):
        raise TerminalSessionOver
    found = find_terminal_session(connection, session)
    assert found is not None
    return found
