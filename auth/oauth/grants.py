"""Grants: what a holder has allowed a client, and the family of every token that came of it."""

import json
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.models import devices
from auth.oauth.clients import Client
from auth.oauth.models import oauth_clients, oauth_grants
from auth.oauth.scopes import OFFLINE
from core.clock import from_millis, to_millis
from core.database import Database, Statement
from core.errors import Malformed
from core.ground import Ground
from core.ids import new_id
from core.outbox import record_event

REPLACED, EXPIRED = "replaced", "expired"
"""Why a link ends when the same holder makes the next one with the same client; when its time is over."""

_COLUMNS = [column.name for column in oauth_grants.columns if column.name != "subject"]
LIVE_GRANT_COLUMNS = ", ".join(f"g.{name}" for name in _COLUMNS)
_SELECT = f"SELECT {LIVE_GRANT_COLUMNS}"
_COUNTS = (
    "g.ended_at IS NULL AND g.expires_at > :now AND c.standing = 'active'"
    " AND (g.device IS NULL OR d.standing = 'active')"
)
_JOINED = "oauth_grants g JOIN oauth_clients c ON c.id = g.client LEFT JOIN devices d ON d.id = g.device"
_STANDING = f" FROM {_JOINED} WHERE {_COUNTS}"
WITH_LIVE_GRANT = f" LEFT JOIN ({_JOINED}) ON g.id = grant_id AND {_COUNTS}"
"""Finds the grant of a row's ``grant_id`` in the same look (``LIVE_GRANT_COLUMNS``); all NULL if it counts no more."""
_LIVE = _STANDING + " AND g.id = :family"
_LIVE_GRANT = Statement(_SELECT + _LIVE)
_LIVE_LINK = Statement(
    _SELECT + _STANDING + " AND g.subject = :subject AND g.client = :client ORDER BY g.granted_at DESC, g.id LIMIT 1"
)
_NOT_REVOKED = " AND NOT EXISTS (SELECT 1 FROM revoked_tokens r WHERE r.jti = :jti)"
_LIVE_TOKEN = Statement("SELECT g.card, g.device" + _LIVE + _NOT_REVOKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What was allowed; ``card`` is None for a grant to a terminal itself."""

    id: str
    client: str
    card: str | None
    device: str | None
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    acr: str
    amr: tuple[str, ...]
    authenticated_at: datetime
    granted_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Holding:
    """A grant as the holder sees it: who, what, since when and for how long."""

    grant: Grant
    name_zh: str
    name_en: str


def start_grant(
    connection: Connection,
    *,
    client: Client,
    card: str | None,
    device: str | None,
    scopes: tuple[str, ...],
    resources: tuple[str, ...],
    acr: str,
    amr: tuple[str, ...],
    authenticated_at: datetime,
    at: datetime,
    expires_at: datetime,
    subject: str | None = None,
) -> Grant:
    """Record what a holder allows a client, in the running transaction.

    ``subject`` is the handle of the holder's pseudonym, for a link to which the client may return by token exchange.
    """
    grant = Grant(
        id=new_id("grt"),
        client=client.id,
        card=card,
        device=device,
        scopes=scopes,
        resources=resources,
        acr=acr,
        amr=amr,
        authenticated_at=authenticated_at,
        granted_at=at,
        expires_at=expires_at,
    )
    connection.execute(oauth_grants.insert().values(_values(grant) | {"subject": subject}))
    return grant


def find_live_grant(database: Database, grant: str, at: datetime) -> Grant | None:
    """Find a grant that still counts: not ended, not over, its client and its phone still standing."""
    return _first(database.look(_LIVE_GRANT, {"family": grant, "now": to_millis(at)}))


def read_live_grant(columns: tuple[Any, ...]) -> Grant | None:
    """Read what ``LIVE_GRANT_COLUMNS`` selected by ``WITH_LIVE_GRANT``."""
    return None if columns[0] is None else _first([columns])


def find_live_link(database: Database, client: str, subject: str, at: datetime) -> Grant | None:
    """Find the latest link of a holder to a client that still counts; ``subject`` is the pseudonym's handle."""
    return _first(database.look(_LIVE_LINK, {"client": client, "subject": subject, "now": to_millis(at)}))


def find_live_subject(database: Database, grant: str, jti: str, at: datetime) -> tuple[str | None, str | None] | None:
    """Give (card, device) of a grant whose token still counts; None for one that is ended, over or revoked."""
    rows = database.look(_LIVE_TOKEN, {"family": grant, "jti": jti, "now": to_millis(at)})
    return (rows[0][0], rows[0][1]) if rows else None


def list_grants(connection: Connection, card: str, at: datetime) -> list[Holding]:
    """List what the holder of a card has allowed and has not ended, the latest first."""
    grants = oauth_grants.c
    live = sa.and_(grants.card == card, grants.ended_at.is_(None), grants.expires_at > to_millis(at))
    rows = connection.execute(_of_clients().where(live).order_by(grants.granted_at.desc(), grants.id)).all()
    return [Holding(_grant_of(row), row.name_zh, row.name_en) for row in rows]


def list_links(
    connection: Connection, card: str, at: datetime, *, after: str | None = None, limit: int = 100
) -> tuple[list[Holding], str | None]:
    """List the grants that last (offline_access), the latest first, and the cursor of the next page or None.

    Raises ``Malformed`` for an ``after`` that this list has not given.
    """
    grants = oauth_grants.c
    query = _of_clients().where(_lasting(card, at)).order_by(grants.granted_at.desc(), grants.id.desc())
    if after is not None:
        query = query.where(_before(connection, card, after))
    rows = connection.execute(query.limit(limit + 1)).all()
    listed = [Holding(_grant_of(row), row.name_zh, row.name_en) for row in rows[:limit]]
    return listed, listed[-1].grant.id if len(rows) > limit else None


def find_link(connection: Connection, card: str, grant: str, at: datetime) -> Grant | None:
    """Find a grant of this card that lasts and has not ended."""
    row = connection.execute(sa.select(oauth_grants).where(_lasting(card, at), oauth_grants.c.id == grant)).first()
    return _grant_of(row) if row else None


def end_grant(ground: Ground, connection: Connection, grant: str, *, because: str, actor: str) -> bool:
    """End a grant with all its tokens, everywhere at once; False if it was ended already.

    The end of a link, a grant that lasts, is an event, whoever ended it.
    """
    now, grants = ground.clock(), oauth_grants.c
    open_one = oauth_grants.update().where(grants.id == grant, grants.ended_at.is_(None))
    ended = open_one.values(ended_at=to_millis(now), ended_because=because)
    row = connection.execute(ended.returning(grants.card, grants.client, grants.scopes)).first()
    if row is None:
        return False
    detail = {"because": because}
    ground.audit.record(connection, actor=actor, act="oauth.grant_ended", subject=grant, detail=detail, at=now)
    if row.card is not None and OFFLINE in _listed(row.scopes) and because != REPLACED:
        content = {"grant": grant, "client": row.client, "because": because}
        record_event(connection, "link.ended", card=row.card, content=content, at=now)
    return True


def end_older_links(ground: Ground, connection: Connection, link: Grant, *, actor: str) -> int:
    """End the links that a holder made with the same client before this one; nobody need be told of that."""
    older = sa.and_(_lasting(str(link.card), ground.clock()), oauth_grants.c.client == link.client)
    return _end_all(ground, connection, sa.and_(older, oauth_grants.c.id != link.id), because=REPLACED, actor=actor)


def end_grants_of(ground: Ground, connection: Connection, card: str, client: str, *, because: str, actor: str) -> int:
    """End everything that a holder has allowed one client; return how many grants that were."""
    of_client = sa.and_(oauth_grants.c.card == card, oauth_grants.c.client == client)
    return _end_all(ground, connection, of_client, because=because, actor=actor)


def end_grants_of_client(ground: Ground, connection: Connection, client: str, *, because: str, actor: str) -> int:
    """End everything that any holder has allowed one client; return how many grants that were."""
    return _end_all(ground, connection, oauth_grants.c.client == client, because=because, actor=actor)


def end_links_of(ground: Ground, connection: Connection, card: str, client: str, *, because: str, actor: str) -> int:
    """End the links that a holder has made with one client; return how many those were."""
    links = sa.and_(_lasting(card, ground.clock()), oauth_grants.c.client == client)
    return _end_all(ground, connection, links, because=because, actor=actor)


def end_grants_of_device(ground: Ground, connection: Connection, device: str, *, because: str, actor: str) -> int:
    """End everything that was granted by way of one phone; return how many grants that were."""
    return _end_all(ground, connection, oauth_grants.c.device == device, because=because, actor=actor)


def end_links_that_ran_out(ground: Ground, connection: Connection, *, most: int = 100) -> int:
    """End the links whose time is over, so that this is an event like every other end; the worker calls it."""
    grants = oauth_grants.c
    open_links = sa.and_(grants.subject.is_not(None), grants.ended_at.is_(None))
    run_out = sa.select(grants.id).where(open_links, grants.expires_at <= to_millis(ground.clock()))
    ids = connection.execute(run_out.order_by(grants.expires_at).limit(most)).scalars().all()
    return sum(end_grant(ground, connection, grant, because=EXPIRED, actor="worker") for grant in ids)


def _end_all(
    ground: Ground, connection: Connection, condition: sa.ColumnElement[bool], *, because: str, actor: str
) -> int:
    open_ones = sa.select(oauth_grants.c.id).where(condition, oauth_grants.c.ended_at.is_(None))
    ids = connection.execute(open_ones).scalars().all()
    return sum(end_grant(ground, connection, grant, because=because, actor=actor) for grant in ids)


def _of_clients() -> sa.Select[Any]:
    """Select grants with the names of their clients."""
    joined = oauth_grants.join(oauth_clients, oauth_clients.c.id == oauth_grants.c.client)
    return sa.select(oauth_grants, oauth_clients.c.name_zh, oauth_clients.c.name_en).select_from(joined)


def _lasting(card: str, at: datetime) -> sa.ColumnElement[bool]:
    grants = oauth_grants.c
    lasts = sa.cast(grants.scopes, sa.Text).contains(f'"{OFFLINE}"', autoescape=True)
    phone_ended = sa.exists().where(devices.c.id == grants.device, devices.c.standing != "active")
    return sa.and_(
        grants.card == card, grants.ended_at.is_(None), grants.expires_at > to_millis(at), lasts, ~phone_ended
    )


def _before(connection: Connection, card: str, after: str) -> sa.ColumnElement[bool]:
    grants = oauth_grants.c
    row = connection.execute(sa.select(grants.granted_at).where(grants.id == after, grants.card == card)).first()
    if row is None:
        raise Malformed("after must be a cursor that this list has given")
    same_moment = sa.and_(grants.granted_at == row.granted_at, grants.id < after)
    return sa.or_(grants.granted_at < row.granted_at, same_moment)


def _values(grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "client": grant.client,
        "card": grant.card,
        "device": grant.device,
        "scopes": list(grant.scopes),
        "resources": list(grant.resources),
        "acr": grant.acr,
        "amr": list(grant.amr),
        "authenticated_at": to_millis(grant.authenticated_at),
        "granted_at": to_millis(grant.granted_at),
        "expires_at": to_millis(grant.expires_at),
    }


def _first(rows: list[tuple[Any, ...]]) -> Grant | None:
    return _grant_of(SimpleNamespace(**dict(zip(_COLUMNS, rows[0], strict=True)))) if rows else None


def _grant_of(row: Any) -> Grant:
    return Grant(
        id=row.id,
        client=row.client,
        card=row.card,
        device=row.device,
        scopes=_listed(row.scopes),
        resources=_listed(row.resources),
        acr=row.acr,
        amr=_listed(row.amr),
        authenticated_at=from_millis(row.authenticated_at),
        granted_at=from_millis(row.granted_at),
        expires_at=from_millis(row.expires_at),
    )


def _listed(value: Any) -> tuple[str, ...]:
    """Take a JSON column as a list: psycopg and SQLAlchemy decode it, sqlite3 alone hands over its text."""
    return tuple(json.loads(value) if isinstance(value, str) else value)
