import sqlalchemy as sa

from core.database import Json, Millis, metadata

holders = sa.Table(
    "holders",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("number_index", sa.String(64), nullable=False, unique=True),
    sa.Column("social_security_number", sa.LargeBinary, nullable=False),
    sa.Column("name_index", sa.String(64), nullable=False, index=True),
    sa.Column("name", sa.LargeBinary, nullable=False),
    sa.Column("phone_index", sa.String(64), nullable=True, index=True),
    sa.Column("phone", sa.LargeBinary, nullable=True),
    sa.Column("known_since", Millis, nullable=False),
)

electronic_cards = sa.Table(
    "electronic_cards",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("card_index", sa.BigInteger, nullable=False, unique=True),
    sa.Column("chip_card", sa.String(40), sa.ForeignKey("chip_cards.id"), nullable=False, unique=True),
    sa.Column("holder", sa.String(40), sa.ForeignKey("holders.id"), nullable=False, index=True),
    sa.Column("level", sa.String(2), nullable=False),
    sa.Column("default_pin", sa.Boolean, nullable=False),
    sa.Column("card_class", sa.String(1), nullable=False),
    sa.Column("region", sa.String(6), nullable=False),
    sa.Column("standing", sa.String(20), nullable=False),
    sa.Column("standing_since", Millis, nullable=False),
    sa.Column("credential", sa.Text, nullable=False),
    sa.Column("issued_at", Millis, nullable=False),
    sa.Column("sandbox", sa.String(40), nullable=True),
)
"""``sandbox`` marks a made-up card: the channel in whose sandbox it is, None for every real one."""
_MADE_UP = electronic_cards.c.sandbox.is_not(None)
sa.Index("ix_electronic_cards_sandbox", electronic_cards.c.sandbox, postgresql_where=_MADE_UP, sqlite_where=_MADE_UP)

card_passwords = sa.Table(
    "card_passwords",
    metadata,
    sa.Column("holder", sa.String(40), sa.ForeignKey("holders.id"), primary_key=True),
    sa.Column("salt", sa.String(32), nullable=False),
    sa.Column("mac", sa.String(64), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("tries_in_all", sa.Integer, nullable=False),
    sa.Column("locked_until", Millis, nullable=True),
    sa.Column("set_at", Millis, nullable=False),
    sa.Column("changed_at", Millis, nullable=False),
)

enrollments = sa.Table(
    "enrollments",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("session", sa.String(40), sa.ForeignKey("terminal_sessions.id"), nullable=False, unique=True),
    sa.Column("terminal", sa.String(40), nullable=False, index=True),
    sa.Column("channel", sa.String(40), nullable=False),
    sa.Column("thumbprint", sa.String(43), nullable=False, index=True),
    sa.Column("public_jwk", Json, nullable=False),
    sa.Column("device_key_sm3", sa.String(64), nullable=False),
    sa.Column("device_proof", sa.Text, nullable=False),
    sa.Column("service_nonce", sa.String(64), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("chip_card", sa.String(40), nullable=True, index=True),
    sa.Column("interface", sa.String(12), nullable=True),
    sa.Column("hello_sm3", sa.String(64), nullable=True),
    sa.Column("hello_answer", Json, nullable=True),
    sa.Column("card_public_key", sa.String(128), nullable=True),
    sa.Column("pin_tries_left", sa.Integer, nullable=True),
    sa.Column("complete_sm3", sa.String(64), nullable=True),
    sa.Column("holder_data", sa.LargeBinary, nullable=True),
    sa.Column("card_signature", sa.String(128), nullable=True),
    sa.Column("card_class", sa.String(1), nullable=True),
    sa.Column("default_pin", sa.Boolean, nullable=True),
    sa.Column("level", sa.String(2), nullable=True),
    sa.Column("refused_because", sa.String(60), nullable=True),
    sa.Column("card", sa.String(40), nullable=True),
    sa.Column("device", sa.String(40), nullable=True),
    sa.Column("begun_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False),
    sa.Column("ended_at", Millis, nullable=True),
)

# One open enrollment for each card and each device (chip-card.md section 3): the database decides.
_OPEN = enrollments.c.ended_at.is_(None)
sa.Index(
    "uq_enrollments_open_thumbprint", enrollments.c.thumbprint, unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN
)
sa.Index(
    "uq_enrollments_open_chip_card", enrollments.c.chip_card, unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN
)
