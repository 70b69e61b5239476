import sqlalchemy as sa

from core.database import Json, Millis, metadata

sandbox_switches = sa.Table(
    "sandbox_switches",
    metadata,
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), primary_key=True),
    sa.Column("about", sa.String(10), primary_key=True),
    sa.Column("fault", Json, nullable=False),
    sa.Column("remaining", sa.Integer, nullable=False),
    sa.Column("changed_at", Millis, nullable=False),
)
