"""Made-up cards: a channel in the sandbox has some of its own, so that its app can go all the way without a holder.

Such a card is a row like every other, with a holder, a chip and a phone that there are not, and with the mark of its
channel (``electronic_cards.sandbox``). What meets it asks for the mark: links (``channels.sandbox.meeting``), carriages
and news of its channel alone; redemption refuses it.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.devices import active_devices, bind_device, end_device
from auth.oauth.grants import end_grants_of_device
from channels.carriers import find_sector
from channels.registry import RegisteredChannel, lock_channel
from channels.sandbox.desk import SandboxDesk
from channels.sandbox.errors import DevelopmentOnly, SandboxFull, SandboxOnly
from channels.sandbox.made_up import PASSWORD, draw_chip_code, draw_number, name_of
from core.clock import from_millis
from core.errors import Missing
from core.ground import Ground
from core.ids import is_id, new_id
from core.settings import Environment
from ecard.cards import enter_card
from ecard.holders import find_name_index, get_holder, keep_holder, number_index
from ecard.models import electronic_cards
from ecard.password import enter_password
from ecard.standing import cancel_card
from physical.register import get_chip_card, register_chip_card

MOST_CARDS = 10
"""So many stand beside each other in one sandbox."""
MOST_EVER = 500
"""So many a channel may have made, those that have ended included: nothing is deleted."""
RESET = "sandbox_reset"
_NO_CREDENTIAL = "sandbox"
"""The city signs no credential for a card that there is not."""
_ADULT = "3"


@dataclass(frozen=True, slots=True)
class MadeUpCard:
    """A made-up card; ``device`` is the phone that there is not, by which logins of its holder are answered.

    ``subject`` is the card's name in the tokens of the channel's client, None as long as the channel has none.
    """

    id: str
    subject: str | None
    name: str
    social_security_number: str
    level: str
    standing: str
    made_at: datetime
    chip_card: str
    holder: str
    device: str | None


def require_own_sandbox(desk: SandboxDesk, connection: Connection, channel: str) -> RegisteredChannel:
    """Hold a channel that has a sandbox of its own.

    Raises ``DevelopmentOnly`` in production, ``SandboxOnly`` for a channel that stands elsewhere.
    """
    if desk.ground.settings.environment is not Environment.DEVELOPMENT:
        raise DevelopmentOnly("there are no made-up cards in production")
    found = lock_channel(connection, channel)
    if not found.in_sandbox:
        raise SandboxOnly
    return found


def make_card(desk: SandboxDesk, connection: Connection, channel: RegisteredChannel, *, level: str) -> MadeUpCard:
    """Make a card up for a channel, whose row the caller holds; raises ``SandboxFull``."""
    ground, now = desk.ground, desk.ground.clock()
    ever = _require_room(connection, channel.id)
    holder = keep_holder(ground, connection, _draw_free_number(ground, connection), name_of(ever), now)
    code = draw_chip_code()
    register_chip_card(
        connection, card_identification_code=code, generation="sbx", region=ground.settings.region, at=now
    )
    card = new_id("crd")
    said = {
        "level": level,
        "default_pin": False,
        "card_class": _ADULT,
        "credential": _NO_CREDENTIAL,
        "sandbox": channel.id,
    }
    assert enter_card(connection, card, get_chip_card(connection, code), holder, said, now)
    nobodys_key = secrets.token_urlsafe(32)
    bind_device(connection, card=card, channel=channel.id, thumbprint=nobodys_key, public_jwk={}, at=now)
    enter_password(desk.passwords, connection, holder, PASSWORD)
    ground.audit.record(
        connection, actor=channel.id, act="sandbox.card_made", subject=card, detail={"level": level}, at=now
    )
    return get_own_card(desk, connection, channel, card)


def list_cards(desk: SandboxDesk, connection: Connection, channel: RegisteredChannel) -> list[MadeUpCard]:
    """List the made-up cards of a channel that have not ended, the first one first."""
    table = electronic_cards.c
    mine = sa.select(electronic_cards).where(table.sandbox == channel.id, table.standing != "revoked")
    sector = find_sector(connection, channel.id)
    rows = connection.execute(mine.order_by(table.issued_at, table.id)).all()
    return [_card_of(desk, connection, row, sector) for row in rows]


def get_own_card(desk: SandboxDesk, connection: Connection, channel: RegisteredChannel, given: str) -> MadeUpCard:
    """Find a channel's made-up card, ended or not; any other card looks like one that never was. Raises ``Missing``."""
    table = electronic_cards.c
    mine = sa.select(electronic_cards).where(table.id == given, table.sandbox == channel.id)
    row = connection.execute(mine).first() if is_id(given, "crd") else None
    if row is None:
        raise Missing
    return _card_of(desk, connection, row, find_sector(connection, channel.id))


def end_all_cards(ground: Ground, connection: Connection, channel: str) -> int:
    """End the made-up cards of a channel with their links and phones; return how many those were."""
    table = electronic_cards.c
    mine = sa.select(table.id, table.chip_card).where(table.sandbox == channel, table.standing != "revoked")
    rows = connection.execute(mine.order_by(table.id)).all()
    for row in rows:
        for device in active_devices(connection, row.id):
            end_grants_of_device(ground, connection, device.id, because=RESET, actor=channel)
            end_device(connection, device.id, because=RESET, at=ground.clock())
        cancel_card(ground, connection, row.chip_card, actor=channel)
    return len(rows)


def _require_room(connection: Connection, channel: str) -> int:
    """Tell how many cards a channel has ever had; raises ``SandboxFull``."""
    table = electronic_cards.c
    standing = sa.func.count(sa.case((table.standing != "revoked", 1)))
    counted = sa.select(sa.func.count(), standing).where(table.sandbox == channel)
    ever, now = connection.execute(counted).one()
    if now >= MOST_CARDS:
        raise SandboxFull(f"{MOST_CARDS} cards beside each other: DELETE /v1/sandbox ends them")
    if ever >= MOST_EVER:
        raise SandboxFull(f"{MOST_EVER} cards in all")
    return int(ever)


def _draw_free_number(ground: Ground, connection: Connection) -> str:
    while True:
        number = draw_number()
        if find_name_index(connection, number_index(ground, number)) is None:
            return number


def _card_of(desk: SandboxDesk, connection: Connection, row: Any, sector: str | None) -> MadeUpCard:
    holder = get_holder(desk.ground, connection, row.holder)
    phones = active_devices(connection, row.id)
    return MadeUpCard(
        id=row.id,
        subject=None if sector is None else desk.carriage.name(sector, row.id),
        name=holder.name,
        social_security_number=holder.social_security_number,
        level=row.level,
        standing=row.standing,
        made_at=from_millis(row.issued_at),
        chip_card=row.chip_card,
        holder=row.holder,
        device=phones[0].id if phones else None,
    )
