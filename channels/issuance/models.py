import sqlalchemy as sa

from core.database import Json, Millis, metadata

bank_ports = sa.Table(
    "bank_ports",
    metadata,
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), primary_key=True),
    sa.Column("url", sa.String(500), nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("paused_until", Millis, nullable=False),
    sa.Column("set_at", Millis, nullable=False),
)

bank_issuances = sa.Table(
    "bank_issuances",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("channel", sa.String(40), sa.ForeignKey("channels.id"), nullable=False),
    sa.Column("out_request_no", sa.String(64), nullable=False),
    sa.Column("number_index", sa.String(64), nullable=True, index=True),
    sa.Column("asked", sa.LargeBinary, nullable=True),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("because", sa.String(40), nullable=True),
    sa.Column("result", sa.String(3), nullable=True),
    sa.Column("card", sa.String(40), nullable=True),
    sa.Column("carriage", sa.String(40), nullable=True),
    sa.Column("evidence", Json, nullable=True),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", Millis, nullable=False),
    sa.Column("reason", sa.String(40), nullable=True),
    sa.Column("asked_at", Millis, nullable=False),
    sa.Column("finished_at", Millis, nullable=True),
    sa.UniqueConstraint("channel", "out_request_no"),
)
"""``asked`` is erased when it ends, ``number_index`` a day later; ``reason`` says why the last try had no answer."""
_ASKED = bank_issuances.c.state == "asked"
sa.Index("ix_bank_issuances_asked", bank_issuances.c.next_at, postgresql_where=_ASKED, sqlite_where=_ASKED)
