"""Logins, remembered consents, sessions of the account page.

Neither a login's code nor its number is kept: one as a handle, the other not.
"""

import sqlalchemy as sa

from core.database import Json, Millis, metadata

_Id = sa.String(40)
_Handle = sa.String(64)

logins = sa.Table(
    "logins",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("browser", _Handle, nullable=False),
    sa.Column("purpose", sa.String(20), nullable=False),
    sa.Column("reference", sa.String(64), nullable=False),
    sa.Column("needed_level", sa.String(8), nullable=False),
    sa.Column("code", _Handle, nullable=False, unique=True),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("card", _Id, nullable=True),
    sa.Column("device", _Id, nullable=True, index=True),
    sa.Column("wrong_numbers", sa.Integer, nullable=False, server_default="0"),
    sa.Column("acr", sa.String(8), nullable=True),
    sa.Column("amr", Json, nullable=True),
    sa.Column("authenticated_at", Millis, nullable=True),
    sa.Column("begun_at", Millis, nullable=False),
    sa.Column("seen_at", Millis, nullable=True),
    sa.Column("approved_at", Millis, nullable=True),
    sa.Column("confirmed_at", Millis, nullable=True),
    sa.Column("expires_at", Millis, nullable=False, index=True),
    sa.Column("ended_at", Millis, nullable=True),
    sa.Column("ended_because", sa.String(40), nullable=True),
)

# A browser has one open login for one thing: loading the page again goes on with it.
_OPEN = logins.c.ended_at.is_(None)
sa.Index(
    "uq_logins_open",
    logins.c.browser,
    logins.c.purpose,
    logins.c.reference,
    unique=True,
    postgresql_where=_OPEN,
    sqlite_where=_OPEN,
)

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("card", _Id, primary_key=True),
    sa.Column("client", _Id, primary_key=True),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("agreed_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False, index=True),
)

account_sessions = sa.Table(
    "account_sessions",
    metadata,
    sa.Column("handle", _Handle, primary_key=True),
    sa.Column("card", _Id, nullable=False),
    sa.Column("device", _Id, nullable=False),
    sa.Column("begun_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False, index=True),
    sa.Column("ended_at", Millis, nullable=True),
)
