"""What a channel sees of itself at GET /v1/channel: one statement, channel above and live certificates included."""

from datetime import datetime, timedelta
from typing import Any

from channels.certificates import WARNED_DAYS
from channels.signing import listed
from channels.standing import effective_standing
from core.clock import from_millis, to_millis, to_text
from core.database import Database, Statement
from core.errors import Missing

_FIND = Statement(
    "SELECT c.id, c.name_zh, c.name_en, c.channel_class, c.above, c.standing, a.standing, c.scopes, a.scopes,"
    " c.algorithms, c.requests_per_minute, k.serial, k.not_before, k.not_after, s.ahead_seconds"
    " FROM channels c LEFT JOIN channels a ON a.id = c.above LEFT JOIN channel_certificates k ON k.channel = c.id"
    " AND k.withdrawn_at IS NULL AND k.not_after > :now LEFT JOIN sandbox_clocks s ON s.channel = c.id"
    " WHERE c.id = :channel ORDER BY k.not_after DESC, k.serial"
)


def show_channel(database: Database, channel: str, at: datetime) -> dict[str, Any]:
    """Write a channel as the API shows it to itself, with the certificates that are live; raises ``Missing``."""
    rows = database.look(_FIND, {"channel": channel, "now": to_millis(at)})
    if not rows:
        raise Missing("there is no such channel")
    row, above = rows[0], rows[0][4]
    soon = to_millis(at + timedelta(days=WARNED_DAYS, seconds=row[14] or 0))  # by the sandbox's time, if it has one
    scopes = listed(row[7])
    return {
        "id": row[0],
        "name_zh": row[1],
        "name_en": row[2],
        "class": row[3],
        "tier": 1 if above is None else 2,
        "above": above,
        "standing": effective_standing(row[5], row[6]),
        "scopes": scopes if above is None else [scope for scope in scopes if scope in listed(row[8])],
        "algorithms": listed(row[9]),
        "requests_per_minute": row[10],
        "certificates": [_shown_certificate(one[11], one[12], one[13], soon) for one in rows if one[11] is not None],
    }


def _shown_certificate(serial: str, begins: int, ends: int, soon: int) -> dict[str, Any]:
    return {
        "serial": serial,
        "not_before": to_text(from_millis(begins)),
        "not_after": to_text(from_millis(ends)),
        "ends_soon": ends <= soon,
    }
