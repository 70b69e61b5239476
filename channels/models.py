import sqlalchemy as sa

from core.database import Json, Millis, RowNumber, metadata

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("card", sa.String(40), nullable=False),
    sa.Column("device", sa.String(40), nullable=True),
    sa.Column("kind", sa.String(60), nullable=False),
    sa.Column("content", Json, nullable=False),
    sa.Column("happened_at", Millis, nullable=False),
    sa.UniqueConstraint("event", "device"),
)
sa.Index("ix_notices_card", notices.c.card, notices.c.number)
