"""What banks have asked for: asked → issued or refused. Whom it is about is sealed, and erased when it ends."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.issuance.models import bank_issuances, bank_ports
from channels.models import channels
from core.clock import from_millis, to_millis
from core.database import changed_one
from core.errors import Missing
from core.ground import Ground
from core.ids import is_id, new_id
from ecard.assured_issuance import AssuredPerson
from ecard.errors import NotEligible
from ecard.holders import number_index

ASKED, ISSUED, REFUSED = "asked", "issued", "refused"
STATES = (ASKED, ISSUED, REFUSED)
PATIENCE = timedelta(hours=24)
"""How long a bank that gives no answer is asked again."""
LEASE = timedelta(seconds=60)
"""How long a claim counts at least: longer than resolving (10 to 30 s) and posting (10 s) can take together."""
TRIES_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuance:
    """One request of a bank's channel (iss_…).

    ``because`` says why it was refused; ``result`` and ``carriage`` what came of it where a card was issued or used.
    """

    id: str
    channel: str
    out_request_no: str
    state: str
    because: str | None
    result: str | None
    card: str | None
    carriage: str | None
    tries: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """One try; ``tries`` counts it, and lets nobody settle it who was overtaken. ``url`` is the bank's port."""

    issuance: Issuance
    url: str | None
    person: AssuredPerson

    def is_over(self, at: datetime) -> bool:
        """Tell whether the bank has been asked for long enough."""
        return at >= self.issuance.asked_at + PATIENCE


class Overtaken(Exception):
    """Another worker has this issuance, or it has ended: what this one did is rolled back."""


# ── Enter and find ───────────────────────────────────────────────────────────────────────────────────────────────


def enter_issuance(
    ground: Ground, connection: Connection, channel: str, out_request_no: str, person: AssuredPerson
) -> str:
    """Enter a request that is to be worked on, and return its id."""
    issuance, now = new_id("iss"), to_millis(ground.clock())
    values = {
        "id": issuance,
        "channel": channel,
        "out_request_no": out_request_no,
        "number_index": number_index(ground, person.social_security_number),
        "asked": _seal(ground, issuance, person),
        "state": ASKED,
        "tries": 0,
        "next_at": now,
        "asked_at": now,
    }
    connection.execute(bank_issuances.insert().values(values))
    return issuance


def get_issuance(connection: Connection, channel: str, given: str) -> Issuance:
    """Find a channel's request by its id; another channel's looks like one that never was. Raises ``Missing``."""
    return _get(connection, channel, bank_issuances.c.id == given) if is_id(given, "iss") else _missing()


def get_issuance_by_number(connection: Connection, channel: str, out_request_no: str) -> Issuance:
    """Find a channel's request by the channel's own number; raises ``Missing``."""
    return _get(connection, channel, bank_issuances.c.out_request_no == out_request_no)


def count_tries(connection: Connection, number: str, at: datetime) -> int:
    """Count what was tried in vain, or is still being tried, with a person's number (blind index) within 24 hours.

    Other channels' tries count too. Whoever counts goes before or after all others that count the same number: each
    sees what the one before it has entered.
    """
    _take_turn(connection, number)
    table = bank_issuances.c
    in_vain = sa.and_(table.because == NotEligible.code, table.finished_at > to_millis(at - TRIES_WINDOW))
    tried = sa.select(sa.func.count()).where(table.number_index == number, sa.or_(table.state == ASKED, in_vain))
    return connection.execute(tried).scalar_one()


def _take_turn(connection: Connection, number: str) -> None:
    """Wait for whoever counts the same number until the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        lock = sa.text("SELECT pg_advisory_xact_lock(:lock)")
        connection.execute(lock, {"lock": int(number[:15], 16)})


def _get(connection: Connection, channel: str, condition: sa.ColumnElement[bool]) -> Issuance:
    query = sa.select(bank_issuances).where(bank_issuances.c.channel == channel, condition)
    row = connection.execute(query).first()
    return _missing() if row is None else _issuance_of(row)


def _missing() -> Issuance:
    raise Missing


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────


def claim_issuance(ground: Ground, in_hand: Collection[str] = ()) -> Claim | None:
    """Take the request that has waited longest, past what others hold, and lend it to the caller for a while.

    Channels that are ``in_hand`` come after all others: a bank that takes its time holds up nobody else.

    A worker that dies leaves a claim that runs out. What has waited for too long is given out however its channel
    stands: it has to end.
    """
    now = ground.clock()
    with ground.database.transaction() as connection:
        row = connection.execute(_due(now, in_hand)).first()
        if row is None:
            return None
        mine = bank_issuances.update().where(bank_issuances.c.id == row.id)
        held = {"tries": row.tries + 1, "next_at": to_millis(now + max(LEASE, wait_after(row.tries + 1)))}
        connection.execute(mine.values(**held))
        claimed = _issuance_of(row, tries=row.tries + 1)
        return Claim(claimed, row.url, _open(ground, row.id, row.asked))


def _due(now: datetime, in_hand: Collection[str]) -> sa.Select[Any]:
    above, table, port, channel = channels.alias("above"), bank_issuances.c, bank_ports.c, channels.c
    joined = (
        bank_issuances.join(channels, channel.id == table.channel)
        .outerjoin(above, above.c.id == channel.above)
        .outerjoin(bank_ports, port.channel == table.channel)
    )
    is_live = sa.and_(channel.standing == "live", sa.or_(channel.above.is_(None), above.c.standing == "live"))
    may_be_asked = sa.and_(is_live, port.paused_until <= to_millis(now))
    over = table.asked_at <= to_millis(now - PATIENCE)
    return (
        sa.select(bank_issuances, port.url)
        .select_from(joined)
        .where(table.state == ASKED, table.next_at <= to_millis(now), sa.or_(over, may_be_asked))
        .order_by(sa.case((table.channel.in_(in_hand), 1), else_=0), table.next_at, table.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=bank_issuances)
    )


_WAITS = (15, 30, 60, 180, 600, 1200, 1800)
_LONGEST_WAIT = 3600


def wait_after(tries: int) -> timedelta:
    """Tell how long to wait after so many tries: seconds first, an hour in the end."""
    return timedelta(seconds=_WAITS[tries - 1] if tries <= len(_WAITS) else _LONGEST_WAIT)


# ── Settle ───────────────────────────────────────────────────────────────────────────────────────────────────────


def hold_claim(connection: Connection, claim: Claim) -> None:
    """Hold a request until the transaction ends; raises ``Overtaken`` unless this claim still counts."""
    table = bank_issuances.c
    held = sa.select(table.id).where(*_mine(claim)).with_for_update()
    if connection.execute(held).first() is None:
        raise Overtaken


def settle_claim(connection: Connection, claim: Claim, at: datetime, state: str, **values: object) -> None:
    """End a request and erase whom it was about; raises ``Overtaken``."""
    ended = {"state": state, "asked": None, "reason": None, "finished_at": to_millis(at), **values}
    if not changed_one(connection, bank_issuances.update().where(*_mine(claim)).values(**ended)):
        raise Overtaken


def put_off(connection: Connection, claim: Claim, later: datetime, reason: str) -> bool:
    """Let a request be tried again later, at the latest when it is over; False where somebody else has it by now."""
    next_at = min(later, claim.issuance.asked_at + PATIENCE)
    waiting = bank_issuances.update().where(*_mine(claim))
    return changed_one(connection, waiting.values(next_at=to_millis(next_at), reason=reason))


def forget_numbers(connection: Connection, at: datetime) -> int:
    """Erase by what number a request was counted, once it counts no more."""
    table = bank_issuances.c
    over = bank_issuances.update().where(
        table.number_index.is_not(None), table.state != ASKED, table.finished_at <= to_millis(at - TRIES_WINDOW)
    )
    return connection.execute(over.values(number_index=None)).rowcount


def _mine(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    table = bank_issuances.c
    return table.id == claim.issuance.id, table.state == ASKED, table.tries == claim.issuance.tries


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _seal(ground: Ground, issuance: str, person: AssuredPerson) -> bytes:
    text = json.dumps(asdict(person), ensure_ascii=False, sort_keys=True)
    return ground.fields.seal("bank_issuances", "asked", issuance, text)


def _open(ground: Ground, issuance: str, sealed: bytes) -> AssuredPerson:
    opened: Mapping[str, str] = json.loads(ground.fields.open("bank_issuances", "asked", issuance, bytes(sealed)))
    return AssuredPerson(**opened)


def _issuance_of(row: Any, **changed: int) -> Issuance:
    plain = {field.name: getattr(row, field.name) for field in fields(Issuance)}
    return Issuance(**{**plain, "asked_at": from_millis(row.asked_at), **changed})
