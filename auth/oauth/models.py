"""Tables of the authorization server. A code, token, reference or secret is in none of them, only its HMAC-SM3."""

import sqlalchemy as sa

from core.database import Json, Millis, metadata

_Id = sa.String(40)
_Handle = sa.String(64)
_Thumbprint = sa.String(43)

oauth_clients = sa.Table(
    "oauth_clients",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("profile", sa.String(20), nullable=False),
    sa.Column("name_zh", sa.String(100), nullable=False),
    sa.Column("name_en", sa.String(100), nullable=False),
    sa.Column("authentication", sa.String(30), nullable=False),
    sa.Column("tls_subject", sa.String(400), nullable=True),
    sa.Column("redirect_uris", Json, nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("audiences", Json, nullable=False),
    sa.Column("resource", sa.String(200), nullable=True),
    sa.Column("sector", sa.String(200), nullable=False),
    sa.Column("dpop", sa.Boolean, nullable=False),
    sa.Column("standing", sa.String(20), nullable=False),
    sa.Column("created_at", Millis, nullable=False),
)

oauth_client_keys = sa.Table(
    "oauth_client_keys",
    metadata,
    sa.Column("client", _Id, sa.ForeignKey("oauth_clients.id"), primary_key=True),
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("jwk", Json, nullable=True),
    sa.Column("secret", _Handle, nullable=True),
    sa.Column("not_before", Millis, nullable=False),
    sa.Column("not_after", Millis, nullable=False),
    sa.Column("withdrawn_at", Millis, nullable=True),
)

pushed_requests = sa.Table(
    "pushed_requests",
    metadata,
    sa.Column("handle", _Handle, primary_key=True),
    sa.Column("client", _Id, nullable=False),
    sa.Column("parameters", Json, nullable=False),
    sa.Column("pushed_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False, index=True),
    sa.Column("spent_at", Millis, nullable=True),
)

interactions = sa.Table(
    "interactions",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("client", _Id, nullable=False),
    sa.Column("browser", _Handle, nullable=False),
    sa.Column("pushed", _Handle, nullable=True),
    sa.Column("parameters", Json, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("begun_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False, index=True),
    sa.Column("ended_at", Millis, nullable=True),
    sa.UniqueConstraint("pushed", "browser"),
)

oauth_grants = sa.Table(
    "oauth_grants",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("client", _Id, nullable=False),
    sa.Column("card", _Id, nullable=True),
    sa.Column("subject", _Handle, nullable=True),
    sa.Column("device", _Id, nullable=True, index=True),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("resources", Json, nullable=False),
    sa.Column("acr", sa.String(8), nullable=False),
    sa.Column("amr", Json, nullable=False),
    sa.Column("authenticated_at", Millis, nullable=False),
    sa.Column("granted_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False, index=True),
    sa.Column("ended_at", Millis, nullable=True),
    sa.Column("ended_because", sa.String(40), nullable=True),
    sa.Index(None, "card", "client"),
    sa.Index(None, "subject", "client"),
)
_OPEN_LINK = sa.and_(oauth_grants.c.subject.is_not(None), oauth_grants.c.ended_at.is_(None))
sa.Index(
    "ix_oauth_grants_open_links",
    oauth_grants.c.expires_at,
    postgresql_where=_OPEN_LINK,
    sqlite_where=_OPEN_LINK,
)

authorization_codes = sa.Table(
    "authorization_codes",
    metadata,
    sa.Column("handle", _Handle, primary_key=True),
    sa.Column("client", _Id, nullable=False),
    sa.Column("grant_id", _Id, nullable=False),
    sa.Column("redirect_uri", sa.String(500), nullable=False),
    sa.Column("code_challenge", sa.String(43), nullable=False),
    sa.Column("thumbprint", _Thumbprint, nullable=True),
    sa.Column("nonce", sa.String(256), nullable=True),
    sa.Column("issued_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False, index=True),
    sa.Column("spent_at", Millis, nullable=True),
)

refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    sa.Column("handle", _Handle, primary_key=True),
    sa.Column("grant_id", _Id, nullable=False, index=True),
    sa.Column("client", _Id, nullable=False),
    sa.Column("thumbprint", _Thumbprint, nullable=True),
    sa.Column("issued_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False, index=True),
    sa.Column("spent_at", Millis, nullable=True),
)

revoked_tokens = sa.Table(
    "revoked_tokens",
    metadata,
    sa.Column("jti", _Id, primary_key=True),
    sa.Column("expires_at", Millis, nullable=False, index=True),
)

device_authorizations = sa.Table(
    "device_authorizations",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("device_code", _Handle, nullable=False, unique=True),
    sa.Column("user_code", _Handle, nullable=False, unique=True),
    sa.Column("client", _Id, nullable=False),
    sa.Column("thumbprint", _Thumbprint, nullable=False),
    sa.Column("address", sa.String(45), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("begun_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False, index=True),
    sa.Column("poll_seconds", sa.Integer, nullable=False),
    sa.Column("polled_at", Millis, nullable=True),
    sa.Column("login", _Id, nullable=True, unique=True),
    sa.Column("operator", _Id, nullable=True),
    sa.Column("institution", _Id, nullable=True),
    sa.Column("name", sa.String(200), nullable=True),
    sa.Column("site", sa.String(200), nullable=True),
    sa.Column("purposes", Json, nullable=True),
    sa.Column("decided_at", Millis, nullable=True),
    sa.Column("grant_id", _Id, nullable=True, unique=True),
    sa.Column("public_key", sa.String(128), nullable=True),
    sa.Column("terminal", _Id, nullable=True),
    sa.Column("serial", _Id, nullable=True),
    sa.Index(None, "institution", "decided_at"),
)
