"""A bank's app asks for its customer's electronic card: written down at once, worked on later, answered alike for all.

Nothing is looked up about the person here, so neither the answer nor its time tells anything (threats.md E5).
"""

from typing import Any

from sqlalchemy.engine import Connection

from auth.oauth.scopes import OFFLINE
from channels.bank_ports import find_port
from channels.business_keys import answer_once_for_ever
from channels.issuance.desk import IssuanceDesk
from channels.issuance.errors import IssuanceNotSetUp, TooManyIssuanceTries
from channels.issuance.records import ASKED, TRIES_WINDOW, count_tries, enter_issuance
from channels.registry import get_channel
from core.ground import Ground
from ecard.assured_issuance import AssuredPerson
from ecard.holders import number_index

SCOPE = "issue"
MOST_TRIES = 5
"""Tries in vain for one person's number within 24 hours, in all channels together."""


def ask_for_issuance(
    desk: IssuanceDesk, connection: Connection, channel: str, *, out_request_no: str, person: AssuredPerson
) -> dict[str, Any]:
    """Take a request and tell its id; sent again under its number it gets the same answer.

    Raises ``IssuanceNotSetUp``, ``OutRequestNoReused`` or ``TooManyIssuanceTries``.
    """
    _require_set_up(desk, connection, channel)
    return answer_once_for_ever(
        desk.ground,
        connection,
        channel=channel,
        out_request_no=out_request_no,
        act="bank-issuance",
        request={"number": person.social_security_number, "name": person.name, "phone": person.phone},
        work=lambda: _ask(desk.ground, connection, channel, out_request_no, person),
    )


def _require_set_up(desk: IssuanceDesk, connection: Connection, channel: str) -> None:
    """Refuse at once what could never end well: no port to ask at, or no client for the link."""
    if find_port(connection, channel) is None:
        raise IssuanceNotSetUp("no bank port is registered")
    client = desk.oauth.clients.find(get_channel(connection, channel).client)
    if client is None or OFFLINE not in client.scopes:
        raise IssuanceNotSetUp(f"no OAuth client with the scope {OFFLINE} is registered")


def _ask(
    ground: Ground, connection: Connection, channel: str, out_request_no: str, person: AssuredPerson
) -> dict[str, Any]:
    now = ground.clock()
    if count_tries(connection, number_index(ground, person.social_security_number), now) >= MOST_TRIES:
        raise TooManyIssuanceTries(retry_after=int(TRIES_WINDOW.total_seconds()))
    issuance = enter_issuance(ground, connection, channel, out_request_no, person)
    detail = {"out_request_no": out_request_no}
    ground.audit.record(connection, actor=channel, act="issuance.asked", subject=issuance, detail=detail, at=now)
    return {"id": issuance, "state": ASKED}
