"""What the guard's verifier must know of a channel that signs: one statement, the channel above included.

In a development environment a channel in the sandbox signs with the published test key as well, which no register has.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from auth.channel_requests import SigningChannel
from auth.published_key import PUBLISHED_KEY, PUBLISHED_SERIAL, PublishedKeyRefused, published_key_counts
from channels.standing import MAY_CALL, effective_standing
from core.database import Database, Statement
from core.ground import Ground

_SERIAL = re.compile(r"[1-9a-f][0-9a-f]{0,39}")
_FIND = Statement(
    "SELECT c.id, c.above, c.standing, a.standing, c.scopes, a.scopes, c.algorithms, c.requests_per_minute,"
    " a.requests_per_minute, k.serial, k.public_key, k.not_before, k.not_after, k.withdrawn_at"
    " FROM channels c JOIN channel_certificates k ON k.channel = c.id LEFT JOIN channels a ON a.id = c.above"
    " WHERE c.id = :channel AND k.serial = :serial"
)
_FIND_TRYING = Statement(
    "SELECT c.id, c.above, c.standing, a.standing, c.scopes, a.scopes, c.algorithms, c.requests_per_minute"
    " FROM channels c LEFT JOIN channels a ON a.id = c.above WHERE c.id = :channel AND c.standing = 'sandbox'"
)
_NO_END = 1 << 62

_LIMITS_OF_CLIENT = Statement(
    "SELECT c.id, c.requests_per_minute, a.id, a.requests_per_minute"
    " FROM channels c LEFT JOIN channels a ON a.id = c.above WHERE c.client = :client"
)


def find_signing_channel(database: Database, channel: str, serial: str) -> SigningChannel | None:
    """Find a channel with one of its certificates, in effect: with what the first-tier channel above leaves it."""
    rows = database.look(_FIND, {"channel": channel, "serial": serial}) if _SERIAL.fullmatch(serial) else []
    if not rows:
        return None
    row = rows[0]
    above, scopes = row[1], listed(row[4])
    standing = effective_standing(row[2], row[3])
    limits = ((row[0], row[7]),) if above is None else ((row[0], row[7]), (above, row[8]))
    return SigningChannel(
        id=row[0],
        above=above,
        may_call=standing in MAY_CALL,
        is_live=standing == "live",
        scopes=frozenset(scopes if above is None else set(scopes) & set(listed(row[5]))),
        algorithms=frozenset(listed(row[6])),
        limits=limits,
        serial=row[9],
        public_key=bytes.fromhex(row[10]),
        not_before=row[11],
        not_after=row[12],
        withdrawn_at=row[13],
        in_sandbox=row[2] == standing == "sandbox",
    )


def find_calling_channel(ground: Ground, channel: str, serial: str) -> SigningChannel | None:
    """Find who calls: with one of its certificates, or in the sandbox with the published test key.

    Raises ``PublishedKeyRefused``, the same for channels that stand elsewhere and for those that there are not.
    """
    if serial != PUBLISHED_SERIAL:
        return find_signing_channel(ground.database, channel, serial)
    found = _find_trying_channel(ground.database, channel) if published_key_counts(ground.settings) else None
    if found is None:
        raise PublishedKeyRefused
    return found


def _find_trying_channel(database: Database, channel: str) -> SigningChannel | None:
    """Find a channel that stands in the sandbox, with the published key; it counts for its own limit alone.

    Whoever has the key uses up nothing of the channel above.
    """
    rows = database.look(_FIND_TRYING, {"channel": channel})
    if not rows or effective_standing(rows[0][2], rows[0][3]) != "sandbox":
        return None
    row = rows[0]
    scopes = set(listed(row[4]))
    return SigningChannel(
        id=row[0],
        above=row[1],
        may_call=True,
        is_live=False,
        scopes=frozenset(scopes if row[1] is None else scopes & set(listed(row[5]))),
        algorithms=frozenset(listed(row[6])),
        limits=((row[0], row[7]),),
        serial=PUBLISHED_SERIAL,
        public_key=PUBLISHED_KEY,
        not_before=0,
        not_after=_NO_END,
        withdrawn_at=None,
        in_sandbox=True,
    )


def limits_of_client(database: Database, client: str) -> Sequence[tuple[str, int]]:
    """List the channel of an OAuth client and the one above it, each with its limit; empty where it has no channel."""
    rows = database.look(_LIMITS_OF_CLIENT, {"client": client})
    return [(channel, most) for row in rows for channel, most in (row[:2], row[2:]) if channel is not None]


def listed(value: Any) -> Sequence[str]:
    """Take a JSON column as a list: psycopg decodes it, sqlite3 hands over its text."""
    return list(json.loads(value) if isinstance(value, str) else value)
