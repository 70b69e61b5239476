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
    sa.Column("recorded_at", Millis, nullable=False, server_default="0"),
    sa.Column("channel", sa.String(40), nullable=True),
    sa.UniqueConstraint("terminal", "idempotency_key"),
)
"""``redeemed_at`` is when the code was taken; ``recorded_at`` when the service heard of it: later for offline ones.
``channel`` is the one in whose app the code was shown; none for the holder's own phone."""
sa.Index("ix_redemptions_card", redemptions.c.card, redemptions.c.number)
sa.Index("ix_redemptions_recorded", redemptions.c.institution, redemptions.c.recorded_at)
_SHOWN = redemptions.c.channel.is_not(None)
sa.Index(
    "ix_redemptions_channel",
    redemptions.c.channel,
    redemptions.c.recorded_at,
    postgresql_where=_SHOWN,
    sqlite_where=_SHOWN,
)

card_faces = sa.Table(
    "card_faces",
    metadata,
    sa.Column("card_index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("card", sa.String(40), sa.ForeignKey("electronic_cards.id"), nullable=False, index=True),
    sa.Column("channel", sa.String(40), nullable=False),
    sa.Column("link", sa.String(40), nullable=False),
    sa.Column("ended_at", Millis, nullable=True),
)

carriage_records = sa.Table(
    "carriage_records",
    metadata,
    sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
    sa.Column("channel", sa.String(40), nullable=False),
    sa.Column("id", sa.String(40), nullable=False),
    sa.Column("kind", sa.String(60), nullable=False),
    sa.Column("card", sa.String(40), nullable=False, index=True),
    sa.Column("result", sa.String(40), nullable=False),
    sa.Column("recorded_at", Millis, nullable=False),
    sa.UniqueConstraint("channel", "id"),
)
"""What happened to the cards that a channel carries, beside their codes: only added to, never changed."""
sa.Index("ix_carriage_records_recorded", carriage_records.c.channel, carriage_records.c.recorded_at)

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

statements = sa.Table(
    "statements",
    metadata,
    sa.Column("owner", sa.String(40), primary_key=True),
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("row_count", sa.Integer, nullable=False),
    sa.Column("sm3", sa.String(64), nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Column("made_at", Millis, nullable=False),
    sa.Column("sector", sa.String(200), nullable=True),
)
"""What was signed first for a closed day of an institution or a channel: SM3 of the whole file, the signature's file as
it was handed out, and for a channel the sector by whose names its cards are in it."""

statement_days = sa.Table(
    "statement_days",
    metadata,
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("planned_at", Millis, nullable=False),
)
"""Days whose files were entered to be made, each once for everybody."""

statement_makings = sa.Table(
    "statement_makings",
    metadata,
    sa.Column("owner", sa.String(40), primary_key=True),
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", Millis, nullable=False),
)
"""Files that are to be made or are being made."""

statement_files = sa.Table(
    "statement_files",
    metadata,
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("owner", sa.String(40), primary_key=True),
    sa.Column("parts", sa.Integer, nullable=False),
)
"""Files all of whose parts are there."""

statement_parts = sa.Table(
    "statement_parts",
    metadata,
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("owner", sa.String(40), primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
