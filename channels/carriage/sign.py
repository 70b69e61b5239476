"""Sign the card in a partner's app (签发): idempotent for each card and channel, with the results of today's SDKs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.errors import TokenWrong
from auth.guard import Partner
from auth.oauth.grants import Grant, end_older_links, find_live_grant
from auth.oauth.scopes import OFFLINE
from channels.business_keys import answer_once_for_ever
from channels.carriage.access import card_of, require_channel
from channels.carriage.records import Carriage, find_carriage, is_carried_elsewhere
from channels.carriage.showing import shown
from channels.desk import CarriageDesk
from channels.errors import CarriageOutOfStep, LinkNeeded
from channels.models import carriages
from channels.news import last_sequence
from channels.registry import RegisteredChannel
from core.clock import to_millis
from core.database import changed_one, insert_if_new
from core.ids import new_id
from core.outbox import record_event
from ecard.cards import ElectronicCard, lock_card, require_active
from ecard.errors import LevelTooLow
from ecard.password import password_changed_since
from ecard.policy import may_pay
from qr.faces import end_face, open_face

ISSUED, SIGNED_ELSEWHERE, UNLINKED, PASSWORD_CHECKED, PAYMENT_OPENED, SYNC = "001", "002", "003", "004", "005", "006"
"""The numbered results that partners' apps get back: signed here first; signed elsewhere before, or the password was
reset since; unlinked; carried already and the password proven; payment opened; changed elsewhere, sync."""
_PAY, _PASSWORD = "card.pay", "pin"


def sign_in_app(
    desk: CarriageDesk, connection: Connection, partner: Partner, *, out_request_no: str, seen: int | None
) -> dict[str, Any]:
    """Sign the card of a holder's token in the channel of its client, or say what has become of it since.

    ``seen`` is the highest sequence of the card's news that the app knows. Raises ``LinkNeeded``,
    ``OutRequestNoReused``, ``LevelTooLow``, or the refusal of a card that is not active.
    """
    channel, card = require_channel(connection, partner), card_of(partner)
    return answer_once_for_ever(
        desk.ground,
        connection,
        channel=channel.id,
        out_request_no=out_request_no,
        act="carriage.sign",
        request={"card": card, "seen": seen},
        work=lambda: _sign(desk, connection, channel, card, partner, out_request_no, seen),
    )


def _sign(
    desk: CarriageDesk,
    connection: Connection,
    channel: RegisteredChannel,
    card: str,
    partner: Partner,
    out_request_no: str,
    seen: int | None,
) -> dict[str, Any]:
    # 1. the card is held, so that a loss report comes before this or after it
    held = lock_card(connection, card)
    require_active(held.standing)
    grant = find_live_grant(desk.ground.database, partner.grant, desk.ground.clock())
    if grant is None:
        raise TokenWrong("the token was revoked")
    # 2. taken up anew, or carried already
    before = find_carriage(desk, connection, channel.id, card)
    is_new = before is None or before.state == "revoked"
    if is_new:
        result = take_up(desk, connection, channel.id, held, grant, out_request_no=out_request_no)[1]
    else:
        assert before is not None
        result = _told_again(desk, connection, before, grant, seen)
    # 3. payment, where this very token is for it: a silent return to a link that holds it has another one
    opened = _PAY in partner.scopes and _open_payment(desk, connection, channel.id, held)
    carriage = find_carriage(desk, connection, channel.id, card)
    assert carriage is not None
    return shown(connection, carriage) | {"result": PAYMENT_OPENED if opened and not is_new else result}


def take_up(
    desk: CarriageDesk,
    connection: Connection,
    channel: str,
    card: ElectronicCard,
    link: Grant,
    *,
    out_request_no: str,
    result: str | None = None,
) -> tuple[str, str]:
    """Let a channel carry a card on a link, in the running transaction that holds the card: (carriage, result).

    ``result`` is given where whoever issues the card knows better.

    Raises ``LinkNeeded``, ``CarriageOutOfStep`` where another request was faster.
    """
    if OFFLINE not in link.scopes:
        raise LinkNeeded
    ground = desk.ground
    before, now = find_carriage(desk, connection, channel, card.id), ground.clock()
    result = result or _result(desk, connection, channel, card, before)
    face = open_face(connection, card=card.id, channel=channel, link=link.id)
    values = _values(link, face, result, out_request_no, now)
    carriage = _write(connection, channel, card.id, before, values)
    if before is not None and before.face is not None:
        end_face(connection, before.face, at=now)
    end_older_links(ground, connection, link, actor=channel)
    content = {"carriage": carriage, "channel": channel, "result": result}
    record_event(connection, "carriage.signed", card=card.id, content=content, at=now)
    detail = {"channel": channel, "link": link.id, "result": result, "out_request_no": out_request_no}
    ground.audit.record(
        connection, actor=channel, act="carriage.signed", subject=carriage, detail={**detail, "card": card.id}, at=now
    )
    return carriage, result


def _result(
    desk: CarriageDesk, connection: Connection, channel: str, card: ElectronicCard, before: Carriage | None
) -> str:
    reset = before is not None and password_changed_since(connection, card.holder, before.signed_at)
    return SIGNED_ELSEWHERE if reset or is_carried_elsewhere(desk, connection, channel, card.id) else ISSUED


def _values(link: Grant, face: int, result: str, out_request_no: str, now: datetime) -> dict[str, Any]:
    return {
        "link": link.id,
        "face": face,
        "state": "active",
        "result": result,
        "out_request_no": out_request_no,
        "signed_at": to_millis(now),
        "changed_at": to_millis(now),
        "payment_opened_at": None,
    }


def _write(connection: Connection, channel: str, card: str, before: Carriage | None, values: Mapping[str, Any]) -> str:
    """Enter a carriage, or bring back the one that was: its id stays with card and channel for ever."""
    if before is None:
        carriage = new_id("crg")
        if not insert_if_new(connection, carriages, {"id": carriage, "channel": channel, "card": card, **values}):
            raise CarriageOutOfStep
        return carriage
    as_it_was = carriages.update().where(carriages.c.id == before.id, carriages.c.link == before.link)
    if not changed_one(connection, as_it_was.values(**values)):
        raise CarriageOutOfStep
    return before.id


def _told_again(desk: CarriageDesk, connection: Connection, before: Carriage, grant: Grant, seen: int | None) -> str:
    """Say what a channel that carries the card already has to know; a newer link takes the place of the old one."""
    is_newer = grant.id != before.link
    if is_newer and OFFLINE in grant.scopes:
        _move_link(desk, connection, before, grant)
    if is_newer and _PASSWORD in grant.amr:
        return PASSWORD_CHECKED
    if seen is not None and last_sequence(connection, before.channel, before.subject) > seen:
        return SYNC
    return before.result


def _move_link(desk: CarriageDesk, connection: Connection, before: Carriage, link: Grant) -> None:
    now, ground = desk.ground.clock(), desk.ground
    face = None
    if before.face is not None:
        face = open_face(connection, card=before.card, channel=before.channel, link=link.id)
    table = carriages.c
    # the state too: a pause that came in between has ended the face that was read, and would be given a new one
    as_it_was = carriages.update().where(
        table.id == before.id, table.link == before.link, table.state == before.own_state
    )
    if not changed_one(connection, as_it_was.values(link=link.id, face=face, changed_at=to_millis(now))):
        raise CarriageOutOfStep
    if before.face is not None:
        end_face(connection, before.face, at=now)
    end_older_links(ground, connection, link, actor=before.channel)
    detail = {"link": link.id, "before": before.link}
    ground.audit.record(
        connection, actor=before.channel, act="carriage.link_renewed", subject=before.id, detail=detail, at=now
    )


def _open_payment(desk: CarriageDesk, connection: Connection, channel: str, card: ElectronicCard) -> bool:
    """Note that the holder has opened payment in this app; False where it was open."""
    if not may_pay(card.level, default_pin=card.default_pin):
        raise LevelTooLow("payment needs L3 and a PIN of the holder's own")
    now, table = desk.ground.clock(), carriages.c
    closed = carriages.update().where(
        table.channel == channel, table.card == card.id, table.payment_opened_at.is_(None)
    )
    carriage = connection.execute(
        closed.values(payment_opened_at=to_millis(now), changed_at=to_millis(now)).returning(sa.column("id"))
    ).scalar()
    if carriage is None:
        return False
    detail = {"channel": channel, "card": card.id}
    desk.ground.audit.record(
        connection, actor=channel, act="carriage.payment_opened", subject=carriage, detail=detail, at=now
    )
    return True
