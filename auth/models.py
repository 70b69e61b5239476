import sqlalchemy as sa

from core.database import Json, Millis, RowNumber, metadata

institutions = sa.Table(
    "institutions",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(30), nullable=False),
    sa.Column("audience", sa.Integer, nullable=False, server_default="0"),
    sa.Column("region", sa.String(6), nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("purposes", Json, nullable=False, server_default="[]"),
    sa.Column("created_at", Millis, nullable=False),
)

institution_operators = sa.Table(
    "institution_operators",
    metadata,
    sa.Column("card", sa.String(40), primary_key=True),
    sa.Column("institution", sa.String(40), sa.ForeignKey("institutions.id"), primary_key=True, index=True),
    sa.Column("appointed_at", Millis, nullable=False),
    sa.Column("until", Millis, nullable=True),
    sa.Column("dismissed_at", Millis, nullable=True),
    sa.Column("wrong_codes", sa.Integer, nullable=False, server_default="0"),
    sa.Column("wrong_since", Millis, nullable=False, server_default="0"),
)

parties = sa.Table(
    "parties",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("site", sa.String(200), nullable=False),
    sa.Column("institution", sa.String(40), sa.ForeignKey("institutions.id"), nullable=False),
    sa.Column("purposes", Json, nullable=False),
    sa.Column("standing", sa.String(20), nullable=False),
    sa.Column("created_at", Millis, nullable=False),
)

party_keys = sa.Table(
    "party_keys",
    metadata,
    sa.Column("party", sa.String(40), sa.ForeignKey("parties.id"), primary_key=True),
    sa.Column("serial", sa.String(40), primary_key=True),
    sa.Column("public_key", sa.String(128), nullable=False),
    sa.Column("not_before", Millis, nullable=False),
    sa.Column("not_after", Millis, nullable=False),
    sa.Column("withdrawn_at", Millis, nullable=True),
)

signed_requests = sa.Table(
    "signed_requests",
    metadata,
    sa.Column("party", sa.String(40), primary_key=True),
    sa.Column("nonce", sa.String(64), primary_key=True),
    sa.Column("serial", sa.String(40), nullable=False),
    sa.Column("base_sm3", sa.String(64), nullable=False),
    sa.Column("signature", sa.String(128), nullable=False),
    sa.Column("signed_at", Millis, nullable=False),
    sa.Column("received_at", Millis, nullable=False, index=True),
    sa.Column("algorithm", sa.String(20), nullable=False, server_default="ESSC-SM2-SM3"),
)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("card", sa.String(40), nullable=False, index=True),
    sa.Column("channel", sa.String(40), nullable=False),
    sa.Column("thumbprint", sa.String(43), nullable=False, index=True),
    sa.Column("public_jwk", Json, nullable=False),
    sa.Column("standing", sa.String(20), nullable=False),
    sa.Column("bound_at", Millis, nullable=False),
    sa.Column("proven_at", Millis, nullable=False, server_default="0"),
    sa.Column("ended_at", Millis, nullable=True),
    sa.Column("ended_because", sa.String(40), nullable=True),
)

idempotent_answers = sa.Table(
    "idempotent_answers",
    metadata,
    sa.Column("handle", sa.String(64), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("claim", sa.String(40), nullable=False),
    sa.Column("lease_until", Millis, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=True),
    sa.Column("expires_at", Millis, nullable=False, index=True),
)

_ACTIVE = devices.c.standing == "active"
sa.Index(
    "uq_devices_active",
    devices.c.card,
    devices.c.thumbprint,
    unique=True,
    postgresql_where=_ACTIVE,
    sqlite_where=_ACTIVE,
)
