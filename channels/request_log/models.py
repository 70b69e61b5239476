import sqlalchemy as sa

from core.database import Millis, RowNumber, metadata

channel_requests = sa.Table(
    "channel_requests",
    metadata,
    sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("channel", sa.String(40), nullable=False),
    sa.Column("arrived_at", Millis, nullable=False, index=True),
    sa.Column("method", sa.String(10), nullable=False),
    sa.Column("route", sa.String(200), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("code", sa.String(60), nullable=True),
    sa.Column("algorithm", sa.String(20), nullable=False),
    sa.Column("serial", sa.String(40), nullable=False),
)
sa.Index("ix_channel_requests_channel", channel_requests.c.channel, channel_requests.c.number)
