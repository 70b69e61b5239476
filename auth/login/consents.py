"""Consents that are remembered: a relying party's, so that its next login asks for nothing it has been given before."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.login.models import consents
from auth.oauth.clients import Client
from auth.oauth.models import oauth_clients
from core.clock import from_millis, to_millis
from core.database import changed_one, insert_if_new


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a holder has agreed to for a client, without being asked again until ``expires_at``."""

    client: str
    name_zh: str
    name_en: str
    scopes: tuple[str, ...]
    agreed_at: datetime
    expires_at: datetime


def remember_consent(connection: Connection, client: Client, card: str, scopes: tuple[str, ...], at: datetime) -> None:
    """Remember what was agreed to, in place of what was before; nothing for a client that asks each time."""
    if not client.profile.consent_days or not scopes:
        return
    ends = at + timedelta(days=client.profile.consent_days)
    said = {"scopes": list(scopes), "agreed_at": to_millis(at), "expires_at": to_millis(ends)}
    if not insert_if_new(connection, consents, {"card": card, "client": client.id, **said}):
        connection.execute(consents.update().where(_of(card, client.id)).values(said))


def remembers_consent(connection: Connection, client: Client, card: str, scopes: tuple[str, ...], at: datetime) -> bool:
    """Tell whether all of these scopes have been agreed to before."""
    if not client.profile.consent_days:
        return False
    live = sa.select(consents.c.scopes).where(_of(card, client.id), consents.c.expires_at > to_millis(at))
    row = connection.execute(live).first()
    return row is not None and set(scopes) <= set(_listed(row.scopes))


def list_consents(
    connection: Connection, card: str, at: datetime, *, after: str | None = None, limit: int = 100
) -> tuple[list[Consent], str | None]:
    """List what is remembered for a card in the order of its clients' ids, and the cursor of the next page or None."""
    joined = consents.join(oauth_clients, oauth_clients.c.id == consents.c.client)
    query = sa.select(consents, oauth_clients.c.name_zh, oauth_clients.c.name_en).select_from(joined)
    live = query.where(
        consents.c.card == card, consents.c.expires_at > to_millis(at), consents.c.client > (after or "")
    )
    rows = connection.execute(live.order_by(consents.c.client).limit(limit + 1)).all()
    listed = [_consent_of(row) for row in rows[:limit]]
    return listed, listed[-1].client if len(rows) > limit else None


def forget_consent(connection: Connection, card: str, client: str) -> bool:
    """Forget what was agreed to for a client; False if there was nothing."""
    return changed_one(connection, sa.delete(consents).where(_of(card, client)))


def _of(card: str, client: str) -> sa.ColumnElement[bool]:
    return sa.and_(consents.c.card == card, consents.c.client == client)


def _consent_of(row: Any) -> Consent:
    return Consent(
        client=row.client,
        name_zh=row.name_zh,
        name_en=row.name_en,
        scopes=_listed(row.scopes),
        agreed_at=from_millis(row.agreed_at),
        expires_at=from_millis(row.expires_at),
    )


def _listed(value: Any) -> tuple[str, ...]:
    return tuple(json.loads(value) if isinstance(value, str) else value)
