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

channels = sa.Table(
    "channels",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name_zh", sa.String(100), nullable=False, unique=True),
    sa.Column("name_en", sa.String(100), nullable=False),
    sa.Column("channel_class", sa.String(20), nullable=False),
    sa.Column("above", sa.String(40), sa.ForeignKey("channels.id"), nullable=True, index=True),
    sa.Column("standing", sa.String(12), nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("algorithms", Json, nullable=False),
    sa.Column("requests_per_minute", sa.Integer, nullable=False),
    sa.Column("client", sa.String(40), nullable=True, unique=True),
    sa.Column("contacts", sa.LargeBinary, nullable=False),
    sa.Column("applied_at", Millis, nullable=False),
    sa.Column("changed_at", Millis, nullable=False),
)

channel_certificates = sa.Table(
    "channel_certificates",
    metadata,
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), primary_key=True),
    sa.Column("serial", sa.String(40), primary_key=True),
    sa.Column("public_key", sa.String(128), nullable=False, unique=True),
    sa.Column("certificate", sa.Text, nullable=False),
    sa.Column("not_before", Millis, nullable=False),
    sa.Column("not_after", Millis, nullable=False),
    sa.Column("added_at", Millis, nullable=False),
    sa.Column("withdrawn_at", Millis, nullable=True),
    sa.Column("warned_on", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("serial"),
)

channel_changes = sa.Table(
    "channel_changes",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("detail", Json, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("proposed_by", sa.String(40), nullable=False),
    sa.Column("proposal_signature", sa.String(128), nullable=True),
    sa.Column("proposed_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False),
    sa.Column("decided_by", sa.String(40), nullable=True),
    sa.Column("decision_signature", sa.String(128), nullable=True),
    sa.Column("decided_at", Millis, nullable=True),
)
_PROPOSED = channel_changes.c.state == "proposed"
sa.Index(
    "uq_channel_changes_proposed",
    channel_changes.c.channel,
    channel_changes.c.kind,
    unique=True,
    postgresql_where=_PROPOSED,
    sqlite_where=_PROPOSED,
)

news = sa.Table(
    "news",
    metadata,
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(40), nullable=False),
    sa.Column("kind", sa.String(60), nullable=False),
    sa.Column("card", sa.String(64), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("content", Json, nullable=False),
    sa.Column("happened_at", Millis, nullable=False),
    sa.UniqueConstraint("channel", "id"),
    sa.UniqueConstraint("channel", "card", "sequence"),
)

news_counts = sa.Table(
    "news_counts",
    metadata,
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), primary_key=True),
    sa.Column("card", sa.String(64), primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
)

news_endpoints = sa.Table(
    "news_endpoints",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), nullable=False),
    sa.Column("url", sa.String(500), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("paused_until", Millis, nullable=False),
    sa.Column("added_at", Millis, nullable=False),
    sa.Column("changed_at", Millis, nullable=False),
    sa.UniqueConstraint("channel", "url"),
)

news_deliveries = sa.Table(
    "news_deliveries",
    metadata,
    sa.Column("endpoint", sa.String(40), sa.ForeignKey("news_endpoints.id"), primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", Millis, nullable=False),
    sa.Column("status", sa.Integer, nullable=True),
    sa.Column("reason", sa.String(40), nullable=True),
    sa.Column("changed_at", Millis, nullable=False),
)
_WAITING = news_deliveries.c.state == "waiting"
sa.Index(
    "ix_news_deliveries_waiting",
    news_deliveries.c.endpoint,
    news_deliveries.c.next_at,
    postgresql_where=_WAITING,
    sqlite_where=_WAITING,
)
sa.Index("ix_news_deliveries_state", news_deliveries.c.state, news_deliveries.c.changed_at)

carriages = sa.Table(
    "carriages",
    metadata,
    sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), nullable=False),
    sa.Column("card", sa.String(40), sa.ForeignKey("electronic_cards.id"), nullable=False, index=True),
    sa.Column("link", sa.String(40), nullable=False, index=True),
    sa.Column("face", sa.BigInteger, nullable=True),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("result", sa.String(3), nullable=False),
    sa.Column("out_request_no", sa.String(64), nullable=False),
    sa.Column("signed_at", Millis, nullable=False),
    sa.Column("changed_at", Millis, nullable=False),
    sa.Column("payment_opened_at", Millis, nullable=True),
    sa.UniqueConstraint("channel", "card"),
)
"""``link`` is the OAuth grant that a carriage rests on; ``face`` what its codes are minted for, none while paused."""

business_keys = sa.Table(
    "business_keys",
    metadata,
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), primary_key=True),
    sa.Column("out_request_no", sa.String(64), primary_key=True),
    sa.Column("act", sa.String(40), nullable=False),
    sa.Column("request", sa.String(64), nullable=False),
    sa.Column("answer", Json, nullable=True),
    sa.Column("first_at", Millis, nullable=False),
)
