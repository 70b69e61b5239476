"""What a holder ends: phones, lasting links of partners, remembered consents. Each end counts at once, everywhere.

What was ended before, is somebody else's or never was looks alike: ``Missing``.
"""

from typing import Any

from sqlalchemy.engine import Connection

from auth.devices import end_device, find_device
from auth.login.consents import forget_consent
from auth.login.models import logins
from auth.login.records import deny
from auth.oauth.grants import end_grant, end_grants_of, end_grants_of_device, find_link
from core.errors import Missing
from core.ground import Ground
from core.outbox import record_event

BY_HOLDER = "ended_by_holder"


def end_phone(
    ground: Ground, connection: Connection, *, card: str, device: str, actor: str, because: str = BY_HOLDER
) -> None:
    """End a phone of a card with all that rests on it: what it was granted, and the logins that it has open."""
    now, known = ground.clock(), find_device(connection, device)
    if known is None or known.card != card or not end_device(connection, device, because=because, at=now):
        raise Missing
    end_grants_of_device(ground, connection, device, because="device_ended", actor=actor)
    deny(connection, logins.c.device == device, "device_ended", now)
    _tell(ground, connection, "device.ended", card, device, {"device": device, "because": because}, actor)


def end_link(ground: Ground, connection: Connection, *, card: str, grant: str, actor: str) -> None:
    """End what a partner was granted for as long as it lasts."""
    link = find_link(connection, card, grant, ground.clock())
    if link is None or not end_grant(ground, connection, grant, because=BY_HOLDER, actor=actor):
        raise Missing


def end_consent(ground: Ground, connection: Connection, *, card: str, client: str, actor: str) -> None:
    """Forget a consent, so that the client must ask again, and end what it was granted by it."""
    if not forget_consent(connection, card, client):
        raise Missing
    end_grants_of(ground, connection, card, client, because=BY_HOLDER, actor=actor)
    _tell(ground, connection, "consent.ended", card, client, {"client": client}, actor)


def _tell(
    ground: Ground, connection: Connection, act: str, card: str, subject: str, content: dict[str, Any], actor: str
) -> None:
    now = ground.clock()
    record_event(connection, act, card=card, content=content, at=now)
    detail = {**content, "card": card}
    ground.audit.record(connection, actor=actor, act=act, subject=subject, detail=detail, at=now)
