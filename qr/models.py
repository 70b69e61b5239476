import sqlalchemy as sa

from core.database import Json, Millis, RowNumber, metadata

redemptions = sa.Table(
    "redemptions",
    metadata,
    sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("handle", sa.String(32), nullable=False, unique=True),
    sa.Column("card", sa.String(40), nullable=False),
    sa.Column("terminal", sa.String(40), nullable=False),
    sa.Column("institution", sa.String(40), nullable=False),
    sa.Column("purpose", sa.String(12), nullable=False),
    sa.Column("rendering", sa.String(8), nullable=False),
    sa.Column("mode", sa.String(8), nullable=False),
    sa.Column("idempotency_key", sa.String(64), nullable=False),
    sa.Column("request_sm3", sa.String(64), nullable=False),
    sa.Column("request_nonce", sa.String(64), nullable=False),
    sa.Column("entitlement", Json, nullable=False),
    sa.Column("redeemed_at", Millis, nullable=False),
    sa.Column("visit_expires_at", Millis, nullable=False),
    sa.UniqueConstraint("terminal", "idempotency_key"),
)
sa.Index("ix_redemptions_card", redemptions.c.card, redemptions.c.number)

offline_duplicates = sa.Table(
    "offline_duplicates",
    metadata,
    sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
    sa.Column("handle", sa.String(32), nullable=False),
    sa.Column("card", sa.String(40), nullable=False),
    sa.Column("terminal", sa.String(40), nullable=False),
    sa.Column("accepted_at", Millis, nullable=False),
    sa.Column("first_redemption", sa.String(40), nullable=False),
    sa.Column("reported_at", Millis, nullable=False),
    sa.UniqueConstraint("handle", "terminal", "accepted_at"),
)
