"""Carriages: which channel carries which card, on which link it rests, and how it stands in effect."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.oauth.models import oauth_clients, oauth_grants
from channels.desk import CarriageDesk
from channels.models import carriages
from core.clock import from_millis, to_millis
from core.errors import Malformed, Missing
from core.ids import is_id
from ecard.models import electronic_cards

STATES = ("active", "suspended", "revoked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriage:
    """One card in one channel.

    ``state`` is the one in effect: revoked also where the link (the OAuth grant) has ended or the card has, suspended
    also where the card is. ``own_state`` is what the channel has made of it. ``subject`` is the card's name there;
    ``face`` what its codes are minted for, None while the channel has paused it. ``is_made_up``: of the sandbox.
    """

    id: str
    channel: str
    card: str
    subject: str
    link: str
    face: int | None
    own_state: str
    state: str
    result: str
    out_request_no: str
    signed_at: datetime
    payment_opened_at: datetime | None
    card_standing: str
    level: str
    default_pin: bool
    is_made_up: bool


def find_carriage(desk: CarriageDesk, connection: Connection, channel: str, card: str) -> Carriage | None:
    """Find the carriage of a card in a channel, however it stands."""
    mine = carriages.c.channel == channel, carriages.c.card == card
    return _first(desk, connection, _select(desk.ground.clock()).where(*mine))


def get_carriage(desk: CarriageDesk, connection: Connection, channel: str, given: str) -> Carriage:
    """Find a channel's carriage by its id; another channel's looks like one that never was. Raises ``Missing``."""
    mine = carriages.c.channel == channel, carriages.c.id == given
    found = _first(desk, connection, _select(desk.ground.clock()).where(*mine)) if is_id(given, "crg") else None
    if found is None:
        raise Missing
    return found


def list_carriages(
    desk: CarriageDesk,
    connection: Connection,
    channel: str,
    *,
    made_up: bool,
    after: str | None,
    limit: int,
    state: str | None,
) -> tuple[list[Carriage], str | None]:
    """List a channel's carriages in the order in which they were first signed, and the cursor of the next page.

    Those of real cards, or of the made-up ones of its sandbox: never both beside each other. Raises ``Malformed`` for
    an ``after`` that this list has not given.
    """
    now, table = desk.ground.clock(), carriages.c
    of_world = electronic_cards.c.sandbox.is_not(None) if made_up else electronic_cards.c.sandbox.is_(None)
    query = _select(now).where(table.channel == channel, of_world).order_by(table.number).limit(limit + 1)
    if state is not None:
        query = query.where(_state(now) == state)
    if after is not None:
        query = query.where(table.number > _number_of(connection, channel, after))
    rows = connection.execute(query).all()
    listed = [_carriage_of(desk, row) for row in rows[:limit]]
    return listed, listed[-1].id if len(rows) > limit else None


def list_carriages_of_card(desk: CarriageDesk, connection: Connection, card: str) -> list[Carriage]:
    """List in which channels a card is carried now, the first one first: what its holder sees."""
    now = desk.ground.clock()
    standing = _select(now).where(carriages.c.card == card, _state(now) != "revoked")
    rows = connection.execute(standing.order_by(carriages.c.number)).all()
    return [_carriage_of(desk, row) for row in rows]


def is_carried_elsewhere(desk: CarriageDesk, connection: Connection, channel: str, card: str) -> bool:
    """Tell whether another channel carries the card now."""
    now = desk.ground.clock()
    others = _select(now).where(carriages.c.card == card, carriages.c.channel != channel, _state(now) != "revoked")
    return connection.execute(others.limit(1)).first() is not None


def _state(now: datetime) -> sa.ColumnElement[str]:
    grants, cards = oauth_grants.c, electronic_cards.c
    link_over = sa.or_(grants.ended_at.is_not(None), grants.expires_at <= to_millis(now))
    over = sa.or_(carriages.c.state == "revoked", cards.standing == "revoked", link_over)
    paused = sa.or_(carriages.c.state == "suspended", cards.standing == "suspended")
    return sa.case((over, "revoked"), (paused, "suspended"), else_="active")


def _select(now: datetime) -> sa.Select[Any]:
    joined = (
        carriages.join(electronic_cards, electronic_cards.c.id == carriages.c.card)
        .join(oauth_grants, oauth_grants.c.id == carriages.c.link)
        .join(oauth_clients, oauth_clients.c.id == oauth_grants.c.client)
    )
    cards = electronic_cards.c
    return sa.select(
        carriages,
        _state(now).label("in_effect"),
        cards.standing.label("card_standing"),
        cards.level,
        cards.default_pin,
        cards.sandbox,
        oauth_clients.c.sector,
    ).select_from(joined)


def _first(desk: CarriageDesk, connection: Connection, query: sa.Select[Any]) -> Carriage | None:
    row = connection.execute(query).first()
    return None if row is None else _carriage_of(desk, row)


def _number_of(connection: Connection, channel: str, after: str) -> int:
    own = carriages.c.id == after, carriages.c.channel == channel
    number = connection.execute(sa.select(carriages.c.number).where(*own)).scalar() if is_id(after, "crg") else None
    if number is None:
        raise Malformed("after must be a cursor that this list has given")
    return int(number)


def _carriage_of(desk: CarriageDesk, row: Any) -> Carriage:
    opened = row.payment_opened_at
    return Carriage(
        id=row.id,
        channel=row.channel,
        card=row.card,
        subject=desk.name(row.sector, row.card),
        link=row.link,
        face=row.face,
        own_state=row.state,
        state=row.in_effect,
        result=row.result,
        out_request_no=row.out_request_no,
        signed_at=from_millis(row.signed_at),
        payment_opened_at=None if opened is None else from_millis(opened),
        card_standing=row.card_standing,
        level=row.level,
        default_pin=bool(row.default_pin),
        is_made_up=row.sandbox is not None,
    )
