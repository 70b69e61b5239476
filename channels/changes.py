"""Two people for whatever gives a channel something, one for what only takes away (threats.md A1, decision 0020)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.change_kinds import CHANGE_KINDS
from channels.desk import ChannelDesk
from channels.errors import ChangeOver, ChangeWaits, SameOperator
from channels.models import channel_changes
from channels.operators import operator_statement, verify_operator
from channels.registry import RegisteredChannel, lock_channel
from core.clock import from_millis, to_millis
from core.database import changed_one, insert_if_new
from core.errors import Malformed, Missing
from core.ids import is_id, new_id

CHANGE_LIFE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Change:
    """Something to be done to a channel; ``state`` is proposed, applied, rejected or expired.

    ``outcome`` is what came of it where it was carried out by this very act.
    """

    id: str
    channel: str
    kind: str
    detail: Mapping[str, Any]
    state: str
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    decided_by: str | None = None
    outcome: Mapping[str, Any] | None = None

    def statement(self, act: str, operator: str) -> bytes:
        """Write what an operator signs who proposes, approves or rejects this change."""
        subject = {"id": self.id, "channel": self.channel, "kind": self.kind, "detail": dict(self.detail)}
        return operator_statement(act, operator, subject)


def draft_change(desk: ChannelDesk, *, channel: str, kind: str, detail: Mapping[str, Any], operator: str) -> Change:
    """Write a change down; nothing is kept yet, so that its operator can sign it. Raises ``Malformed``."""
    if kind not in CHANGE_KINDS:
        raise Malformed(f"kinds of change are {', '.join(CHANGE_KINDS)}")
    now = desk.ground.clock()
    return Change(new_id("chg"), channel, kind, detail, "proposed", operator, now, now + CHANGE_LIFE)


def propose_change(desk: ChannelDesk, connection: Connection, draft: Change, signature: str | None = None) -> Change:
    """Propose a change; one that only takes away is carried out at once, every other waits for another operator.

    Raises ``OperatorNotProven``, ``ChangeWaits``, and what the kind of change refuses.
    """
    verify_operator(desk, draft.proposed_by, draft.statement("propose", draft.proposed_by), signature)
    channel, kind = lock_channel(connection, draft.channel), CHANGE_KINDS[draft.kind]
    kind.require(desk, connection, channel, draft.detail)
    stops = kind.stops(draft.detail)
    _expire(connection, desk.ground.clock())
    if not insert_if_new(connection, channel_changes, _values(draft, signature, applied=stops)):
        raise ChangeWaits
    _record(desk, connection, "proposed", draft, draft.proposed_by)
    return _carry_out(desk, connection, channel, draft, draft.proposed_by) if stops else draft


def approve_change(
    desk: ChannelDesk, connection: Connection, given: str, operator: str, signature: str | None = None
) -> Change:
    """Approve a change and carry it out, in the running transaction.

    Raises ``Missing``, ``ChangeOver``, ``SameOperator``, ``OperatorNotProven``, and what its kind refuses now.
    """
    change = require_approvable(desk, connection, given, operator)
    verify_operator(desk, operator, change.statement("approve", operator), signature)
    channel = lock_channel(connection, change.channel)
    _decide(desk, connection, change, "applied", operator, signature)
    CHANGE_KINDS[change.kind].require(desk, connection, channel, change.detail)
    return _carry_out(desk, connection, channel, change, operator)


def reject_change(
    desk: ChannelDesk, connection: Connection, given: str, operator: str, signature: str | None = None
) -> Change:
    """Reject a change, or take one's own back; it comes to nothing. Raises as ``approve_change``."""
    change = get_waiting_change(desk, connection, given)
    verify_operator(desk, operator, change.statement("reject", operator), signature)
    _decide(desk, connection, change, "rejected", operator, signature)
    _record(desk, connection, "rejected", change, operator)
    return replace(change, state="rejected", decided_by=operator)


def foresee_approval(desk: ChannelDesk, connection: Connection, given: str, operator: str) -> Change:
    """Check all that an approval by this operator would check, but for its signature, and change nothing."""
    change = require_approvable(desk, connection, given, operator)
    channel = lock_channel(connection, change.channel)
    CHANGE_KINDS[change.kind].require(desk, connection, channel, change.detail)
    return change


def require_approvable(desk: ChannelDesk, connection: Connection, given: str, operator: str) -> Change:
    """Find a change that this operator may approve; raises ``SameOperator`` for the one who proposed it."""
    change = get_waiting_change(desk, connection, given)
    if operator.casefold() == change.proposed_by.casefold():
        raise SameOperator
    return change


def get_waiting_change(desk: ChannelDesk, connection: Connection, given: str) -> Change:
    """Find a change that waits for a decision; raises ``Missing`` or ``ChangeOver``."""
    table = channel_changes
    row = connection.execute(sa.select(table).where(table.c.id == given)).first() if is_id(given, "chg") else None
    if row is None:
        raise Missing("there is no such change")
    change = _change_of(row)
    if change.state != "proposed" or desk.ground.clock() >= change.expires_at:
        raise ChangeOver
    return change


def list_changes(desk: ChannelDesk, connection: Connection, *, waiting: bool) -> list[Change]:
    """List changes, the oldest first; those that wait for a decision, or all."""
    query = sa.select(channel_changes).order_by(channel_changes.c.proposed_at, channel_changes.c.id)
    if waiting:
        now = to_millis(desk.ground.clock())
        query = query.where(channel_changes.c.state == "proposed", channel_changes.c.expires_at > now)
    return [_change_of(row) for row in connection.execute(query)]


def _carry_out(
    desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, change: Change, operator: str
) -> Change:
    outcome = CHANGE_KINDS[change.kind].carry_out(desk, connection, channel, change.detail)
    _record(desk, connection, "applied", change, operator)
    return replace(change, state="applied", decided_by=operator, outcome=outcome)


def _decide(
    desk: ChannelDesk, connection: Connection, change: Change, state: str, operator: str, signature: str | None
) -> None:
    """Let the database decide: of many decisions on one change one counts, and only in time."""
    now, table = to_millis(desk.ground.clock()), channel_changes.c
    waiting = channel_changes.update().where(table.id == change.id, table.state == "proposed", table.expires_at > now)
    decided = waiting.values(state=state, decided_by=operator, decision_signature=signature, decided_at=now)
    if not changed_one(connection, decided):
        raise ChangeOver


def _expire(connection: Connection, now: datetime) -> None:
    table = channel_changes.c
    over = channel_changes.update().where(table.state == "proposed", table.expires_at <= to_millis(now))
    connection.execute(over.values(state="expired"))


def _record(desk: ChannelDesk, connection: Connection, act: str, change: Change, operator: str) -> None:
    detail = {"change": change.id, "kind": change.kind, "detail": dict(change.detail)}
    desk.ground.audit.record(
        connection,
        actor=f"operator:{operator}",
        act=f"channel.change_{act}",
        subject=change.channel,
        detail=detail,
        at=desk.ground.clock(),
    )


def _values(change: Change, signature: str | None, *, applied: bool) -> dict[str, Any]:
    decision = {"decided_by": change.proposed_by, "decided_at": to_millis(change.proposed_at)} if applied else {}
    return {
        "id": change.id,
        "channel": change.channel,
        "kind": change.kind,
        "detail": dict(change.detail),
        "state": "applied" if applied else "proposed",
        "proposed_by": change.proposed_by,
        "proposal_signature": signature,
        "proposed_at": to_millis(change.proposed_at),
        "expires_at": to_millis(change.expires_at),
        **decision,
    }


def _change_of(row: Any) -> Change:
    return Change(
        id=row.id,
        channel=row.channel,
        kind=row.kind,
        detail=row.detail,
        state=row.state,
        proposed_by=row.proposed_by,
        proposed_at=from_millis(row.proposed_at),
        expires_at=from_millis(row.expires_at),
        decided_by=row.decided_by,
    )
