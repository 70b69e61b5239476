import sqlalchemy as sa

from core.database import Json, Millis, RowNumber, metadata

sandbox_switches = sa.Table(
    "sandbox_switches",
    metadata,
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), primary_key=True),
    sa.Column("about", sa.String(10), primary_key=True),
    sa.Column("fault", Json, nullable=False),
    sa.Column("remaining", sa.Integer, nullable=False),
    sa.Column("changed_at", Millis, nullable=False),
)

sandbox_redemptions = sa.Table(
    "sandbox_redemptions",
    metadata,
    sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), nullable=False, index=True),
    sa.Column("card", sa.String(40), sa.ForeignKey("electronic_cards.id"), nullable=False, index=True),
    sa.Column("handle", sa.String(32), nullable=False, unique=True),
    sa.Column("rendering", sa.String(8), nullable=False),
    sa.Column("redeemed_at", Millis, nullable=False),
)
"""Codes of made-up cards that the sandbox's till has taken."""

sandbox_clocks = sa.Table(
    "sandbox_clocks",
    metadata,
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), primary_key=True),
    sa.Column("ahead_seconds", sa.Integer, nullable=False),
    sa.Column("changed_at", Millis, nullable=False),
)
"""How far each channel has put its sandbox's time ahead of ours."""
