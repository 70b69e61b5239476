import sqlalchemy as sa

from core.database import Millis, metadata

chip_cards = sa.Table(
    "chip_cards",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("card_identification_code", sa.String(32), nullable=False, unique=True),
    sa.Column("generation", sa.String(4), nullable=False),
    sa.Column("region", sa.String(6), nullable=False),
    sa.Column("holder_index", sa.String(64), nullable=True, index=True),
    sa.Column("historical_bytes", sa.String(26), nullable=True),
    sa.Column("issued_on", sa.Date, nullable=True),
    sa.Column("expires_on", sa.Date, nullable=True),
    sa.Column("standing", sa.String(20), nullable=False),
    sa.Column("standing_since", Millis, nullable=False),
    sa.Column("registered_at", Millis, nullable=False),
)

terminal_sessions = sa.Table(
    "terminal_sessions",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("terminal", sa.String(40), sa.ForeignKey("parties.id"), nullable=False, index=True),
    sa.Column("operator", sa.String(60), nullable=False),
    sa.Column("terminal_nonce", sa.String(32), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("opened_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False),
)
