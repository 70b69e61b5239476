"""The issuer's register of chip cards: which exist and how each stands."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.clock import to_millis
from core.database import changed_one, insert_if_new
from core.errors import Refusal
from core.ids import new_id
from physical.errors import (
    ChipCardCancelled,
    ChipCardExpired,
    ChipCardLost,
    ChipCardNotYetValid,
    ChipCardUnknown,
)
from physical.models import chip_cards

STANDINGS = ("active", "lost", "cancelled")
"""lost covers the provisional report (预挂失) and the full one; both stop the card at once."""
BEIJING = timezone(timedelta(hours=8))
"""The dates of a card are days of the whole country's one time zone (GB/T 7408.1: UTC+8, no summer time)."""


@dataclass(frozen=True, slots=True)
class ChipCard:
    """A chip card as the register knows it; ``generation`` is the first three characters of EF05 record 03."""

    id: str
    card_identification_code: str
    generation: str
    region: str
    holder_index: str | None
    historical_bytes: str | None
    issued_on: date | None
    expires_on: date | None
    standing: str


def register_chip_card(
    connection: Connection,
    *,
    card_identification_code: str,
    generation: str,
    region: str,
    at: datetime,
    issued_on: date | None = None,
    expires_on: date | None = None,
    holder_index: str | None = None,
    historical_bytes: str | None = None,
) -> str:
    """Enter a produced card, ready for use; entering the same card again gives the same id.

    ``historical_bytes`` of its answer to reset, 26 hex digits, tie the code to this chip's keys: a card that cannot
    sign enrolls only where the register knows them.
    """
    values = {
        "id": new_id("chp"),
        "card_identification_code": card_identification_code,
        "generation": generation,
        "region": region,
        "holder_index": holder_index,
        "historical_bytes": historical_bytes,
        "issued_on": issued_on,
        "expires_on": expires_on,
        "standing": "active",
        "standing_since": to_millis(at),
        "registered_at": to_millis(at),
    }
    insert_if_new(connection, chip_cards, values)
    return get_chip_card(connection, card_identification_code).id


def find_chip_card(connection: Connection, card_identification_code: str) -> ChipCard | None:
    return _first(connection, sa.select(chip_cards).where(_by_code(card_identification_code)))


def get_chip_card(connection: Connection, card_identification_code: str) -> ChipCard:
    """Find a card by its code; raises ``ChipCardUnknown``."""
    card = find_chip_card(connection, card_identification_code)
    if card is None:
        raise ChipCardUnknown
    return card


def get_chip_card_by_id(connection: Connection, chip_card: str) -> ChipCard:
    """Find a card by its id; raises ``ChipCardUnknown``."""
    card = _first(connection, sa.select(chip_cards).where(chip_cards.c.id == chip_card))
    if card is None:
        raise ChipCardUnknown
    return card


def lock_chip_card(connection: Connection, chip_card: str) -> ChipCard:
    """Read a card so that a loss report waits for this transaction, or this one for the report (threats.md E6)."""
    statement = sa.select(chip_cards).where(chip_cards.c.id == chip_card).with_for_update(read=True)
    card = _first(connection, statement)
    if card is None:
        raise ChipCardUnknown
    return card


def lock_usable_cards_of_holder(connection: Connection, holder_index: str, at: datetime) -> list[ChipCard]:
    """List a person's cards that are in use and in date, each locked as ``lock_chip_card`` does."""
    of_holder = sa.select(chip_cards).where(chip_cards.c.holder_index == holder_index)
    rows = connection.execute(of_holder.order_by(chip_cards.c.id).with_for_update(read=True)).all()
    return [card for card in map(_card_of, rows) if is_usable(card, at)]


def is_usable(card: ChipCard, at: datetime) -> bool:
    """Tell whether ``require_usable`` lets a card pass."""
    try:
        require_usable(card, at)
    except Refusal:
        return False
    return True


def require_usable(card: ChipCard, at: datetime) -> None:
    """Refuse a card that is lost, cancelled, or out of its dates; the expiry date itself is the last good day."""
    today = at.astimezone(BEIJING).date()
    if card.standing == "lost":
        raise ChipCardLost
    if card.standing != "active":
        raise ChipCardCancelled
    if card.issued_on and today < card.issued_on:
        raise ChipCardNotYetValid
    if card.expires_on and today > card.expires_on:
        raise ChipCardExpired


def change_standing(connection: Connection, chip_card: str, *, frm: str, to: str, at: datetime) -> bool:
    """Move a card from one standing to another; False if it does not stand at ``frm`` (any more)."""
    moved = (
        chip_cards.update()
        .where(chip_cards.c.id == chip_card, chip_cards.c.standing == frm)
        .values(standing=to, standing_since=to_millis(at))
    )
    return changed_one(connection, moved)


def _by_code(code: str) -> sa.ColumnElement[bool]:
    return chip_cards.c.card_identification_code == code


def _first(connection: Connection, statement: sa.Select[tuple[object, ...]]) -> ChipCard | None:
    row = connection.execute(statement).first()
    return None if row is None else _card_of(row)


def _card_of(row: Any) -> ChipCard:
    return ChipCard(
        row.id,
        row.card_identification_code,
        row.generation,
        row.region,
        row.holder_index,
        row.historical_bytes,
        row.issued_on,
        row.expires_on,
        row.standing,
    )
