"""Codes that terminals took without the service, handed in later; what was taken twice is reported (qr-code.md, B)."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.errors import TerminalNotAllowed
from auth.signed_requests import Terminal
from core.clock import from_millis, to_millis, to_text
from core.database import insert_if_new
from core.errors import Kind, Refusal
from core.ids import new_id
from core.outbox import record_event
from qr.code import read_code
from qr.desk import CodeDesk
from qr.errors import CodeMalformed
from qr.models import offline_duplicates, redemptions
from qr.redemption import INSERT, LockedCard, content_of_event, find_by_handle, lock_card
from qr.scanned_codes import LiveCode, Place, verify_signed
from qr.signed_code import LEEWAY, UnverifiedSignedCode
from sm.digest import sm3


class AcceptanceTooOld(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "acceptance_too_old"
    title_en = "This acceptance is older than offline terminals may keep it, or lies ahead."
    title_zh = "离线受理记录超过允许的上传期限或时间在未来。"
    next_en = "Hand it to the card centre by hand; check the terminal's clock."
    next_zh = "请人工提交社保卡中心，并检查终端时间。"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item: recorded, duplicate (with where it was first) or refused (with the refusal's code)."""

    index: int
    result: str
    redemption: str | None = None
    code: str | None = None
    first: dict[str, Any] | None = None


def upload_acceptances(
    desk: CodeDesk, connection: Connection, terminal: Terminal, items: list[dict[str, Any]]
) -> list[Outcome]:
    """Record each item; one bad item spoils no other, and handing in the same items again gives the same outcomes.

    Items are taken in the order of their codes: two terminals that took the same codes never wait for each other
    crosswise.
    """
    ordered = sorted(enumerate(items), key=lambda item: str(item[1]["code"]))
    outcomes = [_take(desk, connection, terminal, index, item) for index, item in ordered]
    return sorted(outcomes, key=lambda outcome: outcome.index)


def _take(desk: CodeDesk, connection: Connection, terminal: Terminal, index: int, item: dict[str, Any]) -> Outcome:
    accepted_at: datetime = item["accepted_at"]
    try:
        code, purpose = _verify(desk, terminal, item["code"], accepted_at)
        card = lock_card(desk, connection, code, taken_before=True)
    except Refusal as refusal:
        if refusal.kind is Kind.UNAVAILABLE:
            raise
        return Outcome(index, "refused", code=refusal.code)
    values = _values(terminal, code, card, purpose, accepted_at) | {"recorded_at": to_millis(desk.ground.clock())}
    if INSERT.run(connection, values):
        _tell(desk, connection, values)
        return Outcome(index, "recorded", redemption=values["id"])
    return _settle(desk, connection, terminal, index, values, accepted_at)


def _verify(desk: CodeDesk, terminal: Terminal, scanned: str, accepted_at: datetime) -> tuple[LiveCode, str]:
    now = desk.ground.clock()
    oldest = now - timedelta(days=desk.ground.settings.offline_upload_days)
    if not oldest <= accepted_at <= now + LEEWAY:
        raise AcceptanceTooOld
    unverified = read_code(scanned)
    if not isinstance(unverified, UnverifiedSignedCode):
        raise CodeMalformed("counter codes cannot be taken offline")
    purpose = unverified.code_class.label
    if purpose not in terminal.party.purposes:
        raise TerminalNotAllowed(f"this terminal does not take {purpose} codes")
    place = Place(terminal.id, unverified.code_class, frozenset({terminal.party.institution.audience}))
    return verify_signed(desk, unverified, place, accepted_at), purpose


def _values(
    terminal: Terminal, code: LiveCode, card: LockedCard, purpose: str, accepted_at: datetime
) -> dict[str, Any]:
    return {
        "id": new_id("red"),
        "handle": code.handle,
        "card": card.id,
        "terminal": terminal.id,
        "institution": terminal.party.institution.id,
        "purpose": purpose,
        "rendering": code.rendering,
        "mode": "offline",
        "idempotency_key": f"offline:{code.handle}",  # the colon keeps it apart from what a terminal may send
        "request_sm3": sm3(code.handle.encode(), str(to_millis(accepted_at)).encode()).hex(),
        "request_nonce": terminal.evidence.nonce,
        # how the card stood when the record came in: it may have been lost by then, the service was given all the same
        "entitlement": json.dumps({"standing_at_upload": card.standing}),
        "redeemed_at": to_millis(accepted_at),
        "visit_expires_at": to_millis(accepted_at),
        "channel": card.channel,
    }


def _settle(
    desk: CodeDesk,
    connection: Connection,
    terminal: Terminal,
    index: int,
    values: dict[str, Any],
    accepted_at: datetime,
) -> Outcome:
    """Tell a repeated upload from a code that was taken twice, of which the app that has shown it is told."""
    first = find_by_handle(connection, values["handle"])
    assert first is not None
    if first.terminal == terminal.id and first.redeemed_at == from_millis(to_millis(accepted_at)):
        return Outcome(index, "recorded", redemption=first.id)
    now = desk.ground.clock()
    reported = {
        "handle": values["handle"],
        "card": first.card,
        "terminal": terminal.id,
        "accepted_at": to_millis(accepted_at),
        "first_redemption": first.id,
        "reported_at": to_millis(now),
    }
    if insert_if_new(connection, offline_duplicates, reported):
        content = {"first": first.id, "terminal": terminal.id, "first_terminal": first.terminal}
        content |= {} if values["channel"] is None else {"channel": values["channel"]}
        record_event(connection, "code.taken_twice", card=first.card, content=content, at=now)
    where = {"where": "here" if first.terminal == terminal.id else "elsewhere", "at": to_text(first.redeemed_at)}
    return Outcome(index, "duplicate", redemption=first.id, first=where)


def list_duplicates(connection: Connection, limit: int) -> list[sa.Row[tuple[object, ...]]]:
    """List what was taken twice, the newest first, for the operator."""
    joined = sa.select(offline_duplicates, redemptions.c.terminal.label("first_terminal")).join(
        redemptions, redemptions.c.id == offline_duplicates.c.first_redemption
    )
    return list(connection.execute(joined.order_by(offline_duplicates.c.number.desc()).limit(limit)))


def _tell(desk: CodeDesk, connection: Connection, values: dict[str, Any]) -> None:
    now = from_millis(values["recorded_at"])  # the same day in the news as in the statement
    content = content_of_event(values)
    record_event(connection, "code.redeemed", card=values["card"], content=content, at=now)
    desk.ground.audit.record(
        connection,
        actor=values["terminal"],
        act="code.redeemed_offline",
        subject=values["card"],
        detail={"redemption": values["id"], "handle": values["handle"]},
        at=now,
    )
