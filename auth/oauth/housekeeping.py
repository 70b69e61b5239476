"""What the authorization server need not remember any longer."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.login.models import account_sessions, consents, logins
from auth.oauth.models import (
    authorization_codes,
    device_authorizations,
    interactions,
    oauth_grants,
    pushed_requests,
    refresh_tokens,
    revoked_tokens,
)
from core.clock import to_millis

_KEPT = {
    pushed_requests: timedelta(minutes=15),
    interactions: timedelta(minutes=15),
    logins: timedelta(days=1),
    consents: timedelta(),
    account_sessions: timedelta(),
    authorization_codes: timedelta(days=1),  # a code that comes again within a day still ends its family
    device_authorizations: timedelta(days=1),  # what an institution has allowed within a day is counted
    revoked_tokens: timedelta(),
    refresh_tokens: timedelta(days=30),
    oauth_grants: timedelta(days=400),  # for disputes, as the evidence of signed requests
}
"""How long rows of each table outlive their end."""


def forget_what_is_over(connection: Connection, at: datetime) -> None:
    """Delete rows that ended long enough ago; the worker calls this."""
    for table, kept in _KEPT.items():
        connection.execute(sa.delete(table).where(table.c.expires_at <= to_millis(at - kept)))
