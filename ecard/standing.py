"""Standing: the electronic card follows its chip card, in the same transaction (chip card lost -> e-card suspended).

Every change locks the rows that a redemption reads FOR SHARE, so it takes effect between redemptions and no code is
accepted after it has committed, in whichever worker (trust.md, figure 9).
"""

from datetime import datetime

from sqlalchemy.engine import Connection

from core.clock import to_millis
from core.database import changed_one
from core.ground import Ground
from core.outbox import record_event
from ecard.cards import find_card_of_chip
from ecard.errors import StandingConflict
from ecard.models import electronic_cards
from physical.register import change_standing, get_chip_card_by_id

_FOLLOWS = {"active": "active", "lost": "suspended", "cancelled": "revoked"}


def report_loss(ground: Ground, connection: Connection, chip_card: str, *, actor: str) -> None:
    """Suspend a card at once because its chip card is lost (挂失); raises ``StandingConflict``."""
    _move(ground, connection, chip_card, frm="active", to="lost", act="card.loss_reported", actor=actor)


def lift_loss(ground: Ground, connection: Connection, chip_card: str, *, actor: str) -> None:
    """Put a found card back into use (解挂); raises ``StandingConflict``."""
    _move(ground, connection, chip_card, frm="lost", to="active", act="card.loss_lifted", actor=actor)


def cancel_card(ground: Ground, connection: Connection, chip_card: str, *, actor: str) -> None:
    """Cancel a card for good (注销), whether it is active or lost; raises ``StandingConflict``."""
    frm = get_chip_card_by_id(connection, chip_card).standing
    if frm == "cancelled":
        raise StandingConflict
    _move(ground, connection, chip_card, frm=frm, to="cancelled", act="card.cancelled", actor=actor)


def _move(ground: Ground, connection: Connection, chip_card: str, *, frm: str, to: str, act: str, actor: str) -> None:
    now = ground.clock()
    if not change_standing(connection, chip_card, frm=frm, to=to, at=now):
        raise StandingConflict
    card = _follow(connection, chip_card, _FOLLOWS[to], now)
    detail = {"from": frm, "to": to}
    ground.audit.record(connection, actor=actor, act=act, subject=card or chip_card, detail=detail, at=now)
    if card:
        record_event(connection, act, card=card, content={"standing": _FOLLOWS[to]}, at=now)


def _follow(connection: Connection, chip_card: str, standing: str, now: datetime) -> str | None:
    card = find_card_of_chip(connection, chip_card)
    if card is None:
        return None
    changed_one(
        connection,
        electronic_cards.update()
        .where(electronic_cards.c.id == card.id, electronic_cards.c.standing != "revoked")
        .values(standing=standing, standing_since=to_millis(now)),
    )
    return card.id
