"""The phones that carry a card."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.errors import DeviceEnded
from auth.models import devices
from core.clock import from_millis, to_millis
from core.database import changed_one
from core.ids import new_id


@dataclass(frozen=True, slots=True)
class Device:
    """A phone bound to a card; ``standing`` is active or ended.

    ``proven_at``: when phone and chip card last stood before a registered reader together.
    """

    id: str
    card: str
    channel: str
    thumbprint: str
    standing: str
    bound_at: datetime
    proven_at: datetime


def bind_device(
    connection: Connection, *, card: str, channel: str, thumbprint: str, public_jwk: Mapping[str, str], at: datetime
) -> str:
    """Bind a phone's key to a card and return the device's id."""
    device = new_id("dev")
    connection.execute(
        devices.insert().values(
            id=device,
            card=card,
            channel=channel,
            thumbprint=thumbprint,
            public_jwk=dict(public_jwk),
            standing="active",
            bound_at=to_millis(at),
            proven_at=to_millis(at),
        )
    )
    return device


def renew_proof(connection: Connection, device: str, *, at: datetime) -> None:
    """Note that a bound phone and its chip card were before a registered reader again."""
    connection.execute(devices.update().where(devices.c.id == device).values(proven_at=to_millis(at)))


def active_devices(connection: Connection, card: str) -> list[Device]:
    """List the card's active phones, the longest bound first."""
    rows = connection.execute(
        sa.select(devices).where(devices.c.card == card, devices.c.standing == "active").order_by(devices.c.number)
    )
    return [_device_of(row) for row in rows]


def active_devices_of(connection: Connection, cards: Collection[str]) -> dict[str, list[str]]:
    """List the ids of the active phones of many cards, by card."""
    active = sa.select(devices.c.card, devices.c.id).where(devices.c.card.in_(cards), devices.c.standing == "active")
    found: dict[str, list[str]] = {}
    for card, device in connection.execute(active.order_by(devices.c.number)):
        found.setdefault(card, []).append(device)
    return found


def find_device(connection: Connection, device: str) -> Device | None:
    row = connection.execute(sa.select(devices).where(devices.c.id == device)).first()
    return _device_of(row) if row else None


def require_active_device(connection: Connection, card: str, device: str) -> Device:
    """Require that a phone still carries this card; raises ``DeviceEnded``."""
    found = find_device(connection, device)
    if found is None or found.standing != "active" or found.card != card:
        raise DeviceEnded
    return found


def devices_of_key(connection: Connection, thumbprint: str) -> list[Device]:
    """List every binding this phone's key ever had, ended ones as well."""
    rows = connection.execute(sa.select(devices).where(devices.c.thumbprint == thumbprint).order_by(devices.c.number))
    return [_device_of(row) for row in rows]


def end_device(connection: Connection, device: str, *, because: str, at: datetime) -> bool:
    """End a binding; False if it was ended already."""
    ended = (
        devices.update()
        .where(devices.c.id == device, devices.c.standing == "active")
        .values(standing="ended", ended_at=to_millis(at), ended_because=because)
    )
    return changed_one(connection, ended)


def _device_of(row: Any) -> Device:
    times = (from_millis(row.bound_at), from_millis(row.proven_at))
    return Device(row.id, row.card, row.channel, row.thumbprint, row.standing, *times)
