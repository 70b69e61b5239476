"""The password of the e-card: six digits, one for each holder, for all of the holder's cards and in all channels.

It is apart from the chip's PIN, and it stands for the chip where no reader is near (feature row 41).

Six digits have no entropy that a slow hash could protect: a million of them are tried in seconds or in days, but they
are tried. What protects them is the key: HMAC-SM3 under a key of the key store, with a random salt for each row. A copy
of the database without that key tells nothing, not even who has the same password as somebody else. Against guessing
online the tries are counted, in the database and before anything is compared.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.devices import find_device
from auth.login.logins import CHIP_FRESH
from core.clock import from_millis, to_millis, to_text
from core.database import changed_one, insert_if_new
from core.errors import Limited
from core.outbox import record_event
from ecard.cards import ElectronicCard, get_card, require_active
from ecard.desk import PasswordDesk
from ecard.errors import ChipNotPresent, PasswordLocked, PasswordNotSet, PasswordWrong
from ecard.holders import get_holder
from ecard.models import card_passwords, electronic_cards
from ecard.password_rules import require_hard_to_guess
from sm.digest import hmac_sm3

TRIES = 5
"""Wrong tries, one after the other, before a lock of ``LOCK``."""
TRIES_IN_ALL = 15
"""Wrong tries without a right one in between before a lock that ends with a reset alone: three days of guessing."""
LOCK = timedelta(hours=24)
_WRITES_AN_HOUR = 20
"""Passwords offered by the phones of a holder: what is refused as weak tells something of the holder's number."""
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class PasswordState:
    """How the password stands; ``locked_until`` is None while it is locked until it is set anew."""

    is_set: bool
    is_locked: bool
    locked_until: datetime | None
    tries_left: int
    changed_at: datetime | None


# ── Set, change, reset ───────────────────────────────────────────────────────────────────────────────────────────


def keep_password(
    desk: PasswordDesk, connection: Connection, card: ElectronicCard, device: str, *, given: str, current: str | None
) -> None:
    """Set the password of a card's holder, change it by the current one, or reset it by the chip.

    Without ``current`` the phone's chip must have been proven before a reader within ``CHIP_FRESH``, as it is when the
    phone is bound. Tokens, links and consents stay: they were given by proofs of their own, and the holder ends them
    one by one (docs/decisions/0012). Raises ``PasswordWeak``, ``ChipNotPresent``, ``Limited``, what ``check_password``
    raises, and what a card that does not stand raises.
    """
    require_active(card.standing)
    _require_calm(desk, card.holder)
    how = _require_right_to_set(desk, connection, card, device, current)
    require_hard_to_guess(given, get_holder(desk.ground, connection, card.holder).social_security_number)
    enter_password(desk, connection, card.holder, given)
    _tell(desk, connection, card, "changed", actor=device, how=how)


def _require_calm(desk: PasswordDesk, holder: str) -> None:
    if desk.counts.count(f"password:{holder}", 3600) > _WRITES_AN_HOUR:
        raise Limited(f"{_WRITES_AN_HOUR} passwords an hour", retry_after=3600)


def _require_right_to_set(
    desk: PasswordDesk, connection: Connection, card: ElectronicCard, device: str, current: str | None
) -> str:
    """Require the current password or the chip, and tell what this then is: changed, reset or set."""
    if current is not None:
        check_password(desk, connection, card.id, current, actor=device)
        return "changed"
    phone = find_device(connection, device)
    if phone is None or desk.ground.clock() >= phone.proven_at + CHIP_FRESH:
        raise ChipNotPresent
    return "reset" if _find(connection, card.holder) else "set"


def enter_password(desk: PasswordDesk, connection: Connection, holder: str, password: str) -> None:
    """Write a holder's password, the first one or another; whether that may be done the caller has asked."""
    now, salt = to_millis(desk.ground.clock()), secrets.token_hex(_SALT_BYTES)
    fresh: dict[str, Any] = {"salt": salt, "mac": _mac(desk, holder, salt, password), "changed_at": now, **_NO_TRIES}
    anew = card_passwords.update().where(card_passwords.c.holder == holder).values(fresh)
    if changed_one(connection, anew):
        return
    if not insert_if_new(connection, card_passwords, {"holder": holder, "set_at": now, **fresh}):
        connection.execute(anew)  # another phone of the holder set the first one at this moment: the later one counts


# ── Check ────────────────────────────────────────────────────────────────────────────────────────────────────────


def check_password(
    desk: PasswordDesk, connection: Connection, card: str, given: str, *, actor: str | None = None
) -> None:
    """Require the password of a card's holder.

    Raises ``PasswordNotSet``, ``PasswordLocked`` or ``PasswordWrong``; wrong tries are kept although they are refused.
    A card that does not stand is refused before anything is tried.
    """
    found = get_card(connection, card)
    require_active(found.standing)
    tried = _take_try(desk, connection, found.holder)
    if not compare_digest(_mac(desk, found.holder, tried.salt, given).encode(), tried.mac.encode()):
        raise _count_wrong(desk, connection, found, tried, actor or card)
    connection.execute(card_passwords.update().where(card_passwords.c.holder == found.holder).values(_NO_TRIES))


def _take_try(desk: PasswordDesk, connection: Connection, holder: str) -> sa.Row[Any]:
    """Count a try before it is made: of many at once no more are compared than are left."""
    now, columns = to_millis(desk.ground.clock()), card_passwords.c
    tries = sa.case((columns.locked_until <= now, 1), else_=columns.tries + 1)
    locked_until = sa.case((tries >= TRIES, now + LOCK // timedelta(milliseconds=1)), else_=None)
    is_open = sa.or_(columns.tries < TRIES, columns.locked_until <= now)
    taken = (
        card_passwords.update()
        .where(columns.holder == holder, columns.tries_in_all < TRIES_IN_ALL, is_open)
        .values(tries=tries, tries_in_all=columns.tries_in_all + 1, locked_until=locked_until)
        .returning(columns.salt, columns.mac, columns.tries, columns.tries_in_all)
    )
    row = connection.execute(taken).first()
    if row is None:
        raise _refuse_try(desk, connection, holder)
    return row


def _refuse_try(desk: PasswordDesk, connection: Connection, holder: str) -> PasswordNotSet | PasswordLocked:
    state = view_password(desk, connection, holder)
    if not state.is_set:
        return PasswordNotSet()
    return PasswordLocked(state.locked_until, now=desk.ground.clock())


def _count_wrong(
    desk: PasswordDesk, connection: Connection, card: ElectronicCard, tried: sa.Row[Any], actor: str
) -> PasswordWrong:
    """Tell the holder's phones and the audit trail when this try was the last one before a lock."""
    left = _tries_left(tried.tries, tried.tries_in_all)
    if left == 0:
        until = None if tried.tries_in_all >= TRIES_IN_ALL else to_text(desk.ground.clock() + LOCK)
        _tell(desk, connection, card, "locked", actor=actor, locked_until=until)
    return PasswordWrong(left)


# ── See ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def view_password(desk: PasswordDesk, connection: Connection, holder: str) -> PasswordState:
    """Tell how the password of a holder stands now."""
    row = _find(connection, holder)
    if row is None:
        return PasswordState(False, False, None, 0, None)
    changed_at, now = from_millis(row.changed_at), to_millis(desk.ground.clock())
    if row.tries_in_all >= TRIES_IN_ALL:
        return PasswordState(True, True, None, 0, changed_at)
    if row.locked_until is not None and row.locked_until > now:
        return PasswordState(True, True, from_millis(row.locked_until), 0, changed_at)
    tries = 0 if row.locked_until is not None else row.tries
    return PasswordState(True, False, None, _tries_left(tries, row.tries_in_all), changed_at)


def password_changed_since(connection: Connection, holder: str, moment: datetime) -> bool:
    """Tell whether a holder's password was set, changed or reset after a moment."""
    row = _find(connection, holder)
    return row is not None and int(row.changed_at) > to_millis(moment)


def _find(connection: Connection, holder: str) -> sa.Row[Any] | None:
    return connection.execute(sa.select(card_passwords).where(card_passwords.c.holder == holder)).first()


def _tries_left(tries: int, tries_in_all: int) -> int:
    return min(TRIES - tries, TRIES_IN_ALL - tries_in_all)


def _mac(desk: PasswordDesk, holder: str, salt: str, given: str) -> str:
    content = f"{holder}\x00{salt}\x00{given}".encode(errors="surrogatepass")
    return hmac_sm3(desk.key, b"card-password\x00", content).hex()


def _tell(
    desk: PasswordDesk, connection: Connection, card: ElectronicCard, what: str, *, actor: str, **detail: str | None
) -> None:
    """Put it into the audit trail and, for every card of the holder, into the news: all of them share the password."""
    now = desk.ground.clock()
    desk.ground.audit.record(
        connection,
        actor=actor,
        act=f"password.{what}",
        subject=card.id,
        detail={"holder": card.holder, **detail},
        at=now,
    )
    cards = electronic_cards.c
    standing = sa.select(cards.id).where(cards.holder == card.holder, cards.standing != "revoked").order_by(cards.id)
    for row in connection.execute(standing).all():
        record_event(connection, f"card.password_{what}", card=row.id, content=dict(detail), at=now)


_NO_TRIES: dict[str, Any] = {"tries": 0, "tries_in_all": 0, "locked_until": None}
