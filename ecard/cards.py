"""Electronic cards as they stand."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.clock import from_millis, to_millis
from core.database import insert_if_new
from core.errors import Missing
from core.ids import is_id
from ecard.errors import CardEnded, ElectronicCardSuspended
from ecard.models import electronic_cards
from physical.register import ChipCard


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectronicCard:
    """One e-card; ``standing`` is active, suspended or revoked, ``card_index`` is what a code's handle holds.

    ``sandbox`` is the channel in whose sandbox a made-up card is, None for every real one.
    """

    id: str
    card_index: int
    chip_card: str
    holder: str
    level: str
    default_pin: bool
    card_class: str
    region: str
    standing: str
    credential: str
    issued_at: datetime
    sandbox: str | None


_COLUMNS = [electronic_cards.c[field.name] for field in fields(ElectronicCard)]


def get_card(connection: Connection, card: str) -> ElectronicCard:
    """Find a card; raises ``Missing``."""
    found = _first(connection, electronic_cards.c.id == card) if is_id(card, "crd") else None
    if found is None:
        raise Missing
    return found


def lock_card(connection: Connection, card: str) -> ElectronicCard:
    """Read a card so that a change of its standing waits for this transaction, or this one for it.

    Raises ``Missing``.
    """
    held = sa.select(electronic_cards.c.id).where(electronic_cards.c.id == card).with_for_update(read=True)
    connection.execute(held)
    return get_card(connection, card)


def find_card_of_chip(connection: Connection, chip_card: str) -> ElectronicCard | None:
    return _first(connection, electronic_cards.c.chip_card == chip_card)


def enter_card(
    connection: Connection, card: str, chip: ChipCard, holder: str, said: Mapping[str, object], at: datetime
) -> bool:
    """Enter the e-card of a chip card; False where somebody else has entered one: there is never a second.

    ``said`` is what changes when it is issued anew: level, default_pin, card_class, credential.
    """
    values = {
        "id": card,
        "card_index": secrets.randbits(63),  # inside the code's handle, encrypted; random so that it tells no order
        "chip_card": chip.id,
        "holder": holder,
        "region": chip.region,
        "standing": "active",
        "standing_since": to_millis(at),
        "issued_at": to_millis(at),
        **said,
    }
    return insert_if_new(connection, electronic_cards, values)


def require_active(standing: str) -> None:
    """Refuse a card that is suspended or revoked."""
    if standing == "suspended":
        raise ElectronicCardSuspended
    if standing != "active":
        raise CardEnded


def _first(connection: Connection, condition: sa.ColumnElement[bool]) -> ElectronicCard | None:
    row = connection.execute(sa.select(*_COLUMNS).where(condition)).mappings().first()
    if row is None:
        return None
    return ElectronicCard(**{**row, "issued_at": from_millis(row["issued_at"])})
