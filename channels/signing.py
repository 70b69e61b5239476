"""What the guard's verifier must know of a channel that signs: one statement, the channel above included."""

import json
import re
from collections.abc import Sequence
from typing import Any

from auth.channel_requests import SigningChannel
from channels.standing import MAY_CALL, effective_standing
from core.database import Database, Statement

_SERIAL = re.compile(r"[1-9a-f][0-9a-f]{0,39}")
_FIND = Statement(
    "SELECT c.id, c.above, c.standing, a.standing, c.scopes, a.scopes, c.algorithms, c.requests_per_minute,"
    " a.requests_per_minute, k.serial, k.public_key, k.not_before, k.not_after, k.withdrawn_at"
    " FROM channels c JOIN channel_certificates k ON k.channel = c.id LEFT JOIN channels a ON a.id = c.above"
    " WHERE c.id = :channel AND k.serial = :serial"
)


def find_signing_channel(database: Database, channel: str, serial: str) -> SigningChannel | None:
    """Find a channel with one of its certificates, in effect: with what the first-tier channel above leaves it."""
    rows = database.look(_FIND, {"channel": channel, "serial": serial}) if _SERIAL.fullmatch(serial) else []
    if not rows:
        return None
    row = rows[0]
    above, scopes = row[1], _listed(row[4])
    standing = effective_standing(row[2], row[3])
    limits = ((row[0], row[7]),) if above is None else ((row[0], row[7]), (above, row[8]))
    return SigningChannel(
        id=row[0],
        above=above,
        may_call=standing in MAY_CALL,
        is_live=standing == "live",
        scopes=frozenset(scopes if above is None else set(scopes) & set(_listed(row[5]))),
        algorithms=frozenset(_listed(row[6])),
        limits=limits,
        serial=row[9],
        public_key=bytes.fromhex(row[10]),
        not_before=row[11],
        not_after=row[12],
        withdrawn_at=row[13],
    )


def _listed(value: Any) -> Sequence[str]:
    """Take a JSON column as a list: psycopg decodes it, sqlite3 hands over its text."""
    return list(json.loads(value) if isinstance(value, str) else value)
