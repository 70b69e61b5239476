"""Pause a carriage, let it go on, end it: by the channel that has it, or by its holder inside the channel's app."""

from typing import Any

from sqlalchemy.engine import Connection

from auth.oauth.grants import end_links_of, find_live_grant
from channels.business_keys import answer_once_for_ever
from channels.carriage.records import Carriage, get_carriage
from channels.carriage.showing import shown
from channels.carriage.sign import UNLINKED
from channels.desk import CarriageDesk
from channels.errors import CarriageNotSigned, CarriageOutOfStep
from channels.models import carriages
from core.clock import to_millis
from core.database import changed_one
from core.outbox import record_event
from qr.faces import end_face, open_face

BY_CHANNEL, IN_APP = "ended_by_channel", "ended_by_holder"


def suspend_carriage(
    desk: CarriageDesk, connection: Connection, channel: str, given: str, *, reason: str
) -> dict[str, Any]:
    """Pause a carriage: its codes die and no new ones are made. Raises ``Missing``, ``CarriageOutOfStep``."""
    carriage, now = get_carriage(desk, connection, channel, given), desk.ground.clock()
    _move(desk, connection, carriage, frm="active", to="suspended", face=None)
    if carriage.face is not None:
        end_face(connection, carriage.face, at=now)
    _record(desk, connection, carriage, "carriage.suspended", {"reason": reason})
    return shown(connection, get_carriage(desk, connection, channel, given))


def resume_carriage(desk: CarriageDesk, connection: Connection, channel: str, given: str) -> dict[str, Any]:
    """Let a paused carriage go on; raises ``Missing``, ``CarriageOutOfStep``."""
    carriage = get_carriage(desk, connection, channel, given)
    face = open_face(connection, card=carriage.card, channel=channel, link=carriage.link)
    _move(desk, connection, carriage, frm="suspended", to="active", face=face)
    _record(desk, connection, carriage, "carriage.resumed", {})
    return shown(connection, get_carriage(desk, connection, channel, given))


def end_carriage(
    desk: CarriageDesk, connection: Connection, carriage: Carriage, *, out_request_no: str, because: str
) -> dict[str, Any]:
    """Take the card out of the app (解除关联), with its links and all their tokens; result 003.

    A token of some minutes that is no link's stays good: the answer may have to be given again.

    Raises ``OutRequestNoReused``, ``CarriageNotSigned`` for one that has ended.
    """
    return answer_once_for_ever(
        desk.ground,
        connection,
        channel=carriage.channel,
        out_request_no=out_request_no,
        act="carriage.end",
        request={"carriage": carriage.id},
        work=lambda: _end(desk, connection, carriage, because),
    )


def _end(desk: CarriageDesk, connection: Connection, carriage: Carriage, because: str) -> dict[str, Any]:
    ground = desk.ground
    link = find_live_grant(ground.database, carriage.link, ground.clock())
    if carriage.state == "revoked" or link is None:
        raise CarriageNotSigned
    _move(desk, connection, carriage, frm=carriage.own_state, to="revoked", face=None)
    if carriage.face is not None:
        end_face(connection, carriage.face, at=ground.clock())
    # the end of the link is the event: whoever ends it, the channel is told of its carriage's end in the one way
    end_links_of(ground, connection, carriage.card, link.client, because=because, actor=carriage.channel)
    detail = {"because": because, "card": carriage.card}
    ground.audit.record(
        connection,
        actor=carriage.channel,
        act="carriage.ended",
        subject=carriage.id,
        detail=detail,
        at=ground.clock(),
    )
    return {"id": carriage.id, "state": "revoked", "result": UNLINKED}


def _move(
    desk: CarriageDesk, connection: Connection, carriage: Carriage, *, frm: str, to: str, face: int | None
) -> None:
    """Move what the channel has made of it; one whose link or card has ended moves nowhere.

    Before its face is ended, everywhere: who locked face and carriage in another order would wait crosswise.
    """
    table = carriages.c
    as_it_was = carriages.update().where(table.id == carriage.id, table.state == frm, table.link == carriage.link)
    changed_at = to_millis(desk.ground.clock())
    moved = as_it_was.values(state=to, face=face, changed_at=changed_at)
    if carriage.state == "revoked" or not changed_one(connection, moved):
        raise CarriageOutOfStep(f"it is {carriage.state}")


def _record(desk: CarriageDesk, connection: Connection, carriage: Carriage, act: str, detail: dict[str, str]) -> None:
    now = desk.ground.clock()
    content = {"carriage": carriage.id, "channel": carriage.channel}
    record_event(connection, act, card=carriage.card, content=content, at=now)
    full = {**detail, "card": carriage.card}
    desk.ground.audit.record(connection, actor=carriage.channel, act=act, subject=carriage.id, detail=full, at=now)
