"""Take a code, once (trust.md, Redemption).

One transaction: lock the card's row and require it active, insert the redemption under its unique handle together with
the event and the audit entry, commit. Where the insert gives no row, somebody was faster: the same terminal with the
same key gets its answer again, everybody else ``already_used``. The database decides; nothing faster stands before it.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy.engine import Connection

from auth.errors import TerminalNotAllowed
from auth.parties import Party
from auth.signed_requests import Terminal
from core.audit import RECORD as RECORD_AUDIT
from core.clock import from_millis, to_millis
from core.database import Statement, Together
from core.errors import IdempotencyKeyMissing, IdempotencyKeyReused, Refusal
from core.ids import new_id
from core.outbox import RECORD as RECORD_EVENT
from ecard.holders import mask_name
from ecard.policy import may_pay
from qr.code_class import CodeClass
from qr.desk import CodeDesk
from qr.errors import CardCancelled, CardSuspended, CodeOfSandbox, CodeSpent, CodeUnknown
from qr.scanned_codes import LiveCode, Place, verify_scanned
from sm.digest import hmac_sm3

_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
_MEDICAL_KINDS = frozenset({"hospital", "pharmacy"})  # qr-code.md, Redemption: nobody else is told the full number
_SELECT = (
    "SELECT c.id, c.standing, c.level, c.default_pin, c.region, c.holder, h.name, h.social_security_number, c.sandbox"
)
_CARD = " FROM electronic_cards c JOIN holders h ON h.id = c.holder"
_LOCK = "FOR SHARE OF c"
LOCK_BY_INDEX = Statement(f"{_SELECT}{_CARD} WHERE c.card_index = :card", lock=_LOCK)
LOCK_BY_ID = Statement(f"{_SELECT}{_CARD} WHERE c.id = :card", lock=_LOCK)
_FACE = f"{_SELECT}, f.channel{_CARD} JOIN card_faces f ON f.card = c.id"
_LOCK_BY_FACE = Statement(
    f"{_FACE} JOIN oauth_grants g ON g.id = f.link JOIN oauth_clients o ON o.id = g.client"
    " WHERE f.card_index = :face AND f.ended_at IS NULL AND g.ended_at IS NULL AND g.expires_at > :now"
    " AND o.standing = 'active'",  # the client stands as its channel does
    lock="FOR SHARE OF c, f, g",
)
_LOCK_BY_PAST_FACE = Statement(f"{_FACE} WHERE f.card_index = :face", lock=_LOCK)
_COLUMNS = (
    "id, handle, card, terminal, institution, purpose, rendering, mode, idempotency_key, request_sm3, request_nonce,"
    " entitlement, redeemed_at, visit_expires_at, recorded_at, channel"
)
INSERT = Statement(
    f"INSERT INTO redemptions ({_COLUMNS})"  # noqa: S608 - nothing but names of columns is put together here
    " VALUES (:id, :handle, :card, :terminal, :institution, :purpose, :rendering,"
    " :mode, :idempotency_key, :request_sm3, :request_nonce, :entitlement, :redeemed_at, :visit_expires_at,"
    " :recorded_at, :channel)"
    " ON CONFLICT DO NOTHING RETURNING id"
)
_TAKE = Together(INSERT, RECORD_EVENT, RECORD_AUDIT)
_FIND_BY_KEY = Statement(
    f"SELECT {_COLUMNS} FROM redemptions WHERE terminal = :terminal AND idempotency_key = :idempotency_key"  # noqa: S608
)
_FIND_BY_HANDLE = Statement(f"SELECT {_COLUMNS} FROM redemptions WHERE handle = :handle")  # noqa: S608


@dataclass(frozen=True, slots=True)
class Redemption:
    """A code that was taken; ``entitlement`` holds no personal data."""

    id: str
    card: str
    terminal: str
    institution: str
    purpose: str
    request_sm3: str
    entitlement: dict[str, Any]
    redeemed_at: datetime
    visit_expires_at: datetime


@dataclass(frozen=True, slots=True)
class LockedCard:
    """A card whose standing cannot change until this transaction ends; name and number are sealed.

    ``sandbox`` is the channel whose made-up card it is; ``channel`` the one in whose app the code was shown, if any.
    """

    id: str
    standing: str
    level: str
    default_pin: bool
    region: str
    holder: str
    name: bytes
    social_security_number: bytes
    sandbox: str | None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to the terminal: what this class of use needs to know, and no more."""

    redemption: Redemption
    entitlement: dict[str, Any]
    visit_token: str


def redeem(
    desk: CodeDesk,
    connection: Connection,
    terminal: Terminal,
    *,
    scanned: str,
    purpose: str,
    idempotency_key: str | None,
) -> Accepted:
    """Redeem a scanned code for this terminal and purpose, or give the answer again that this key has had.

    Raises one of the refusals of ``qr.errors``, ``TerminalNotAllowed``, ``IdempotencyKeyMissing`` or ``…Reused``.
    """
    if idempotency_key is None or not _KEY.fullmatch(idempotency_key):
        raise IdempotencyKeyMissing
    request_sm3 = _request_sm3(desk, purpose, scanned)
    try:
        code = verify_scanned(desk, scanned, _place(terminal.party, purpose))
        card = lock_card(desk, connection, code)
        require_active_card(card)
        values = _values(desk, terminal, code, card, purpose, idempotency_key, request_sm3)
        if _TAKE.run(connection, values | _event(values) | _audit_entry(desk, values)):
            return _answer(desk, terminal.party, card, _redemption(values))
        raise _spent(connection, code, terminal)
    except Refusal as refusal:
        existing = _find_by_key(connection, terminal, idempotency_key)
        if existing is None:
            raise
        if existing.request_sm3 != request_sm3:
            raise IdempotencyKeyReused(recorded=refusal.recorded) from None
        if desk.ground.clock() >= existing.visit_expires_at:
            raise  # the visit has ended: what an honest retry was owed it has had, and data opens no second time
        return _answer_again(desk, connection, terminal, existing)


def lock_card(desk: CodeDesk, connection: Connection, code: LiveCode, *, taken_before: bool = False) -> LockedCard:
    """Read the card so that a loss report waits for this transaction, or this one for the report.

    What a partner's app has shown is held too: the end of its link comes before this redemption, or after it. Where a
    code was ``taken_before``, offline, it does not matter what has ended since. Raises ``CodeUnknown``, and
    ``CodeOfSandbox`` for a made-up card, which no terminal takes.
    """
    card = lock_any_card(desk, connection, code, taken_before=taken_before)
    if card.sandbox is not None:
        raise CodeOfSandbox
    return card


def lock_any_card(desk: CodeDesk, connection: Connection, code: LiveCode, *, taken_before: bool = False) -> LockedCard:
    """Read and hold a card that may be a made-up one; raises ``CodeUnknown``."""
    if code.face is not None and taken_before:
        rows = _LOCK_BY_PAST_FACE.run(connection, {"face": code.face})
    elif code.face is not None:
        rows = _LOCK_BY_FACE.run(connection, {"face": code.face, "now": to_millis(desk.ground.clock())})
    elif code.card is not None:
        rows = LOCK_BY_ID.run(connection, {"card": code.card})
    else:
        rows = LOCK_BY_INDEX.run(connection, {"card": code.card_index})
    if not rows:
        raise CodeUnknown
    return LockedCard(*rows[0])


def visit_token(desk: CodeDesk, redemption: str) -> str:
    """Make the visit token of a redemption: its id and a MAC, so that a repeated answer carries the same one."""
    return f"{redemption.replace('red_', 'vst_', 1)}.{hmac_sm3(desk.visit_key, b'visit', redemption.encode()).hex()}"


def pairwise_pseudonym(desk: CodeDesk, institution: str, card: str) -> str:
    """Name a card to one institution, the same each time there and another one everywhere else."""
    return hmac_sm3(desk.pairwise_key, institution.encode(), b"\x00", card.encode()).hex()


def find_by_handle(connection: Connection, handle: str) -> Redemption | None:
    rows = _FIND_BY_HANDLE.run(connection, {"handle": handle})
    return _of_row(rows[0]) if rows else None


def _place(party: Party, purpose: str) -> Place:
    if purpose not in party.purposes:
        raise TerminalNotAllowed(f"this terminal does not take {purpose} codes")
    return Place(party.id, CodeClass[purpose.upper()], frozenset({party.institution.audience}))


def require_active_card(card: LockedCard) -> None:
    """Raise ``CardSuspended`` or ``CardCancelled``."""
    if card.standing == "suspended":
        raise CardSuspended
    if card.standing != "active":
        raise CardCancelled


def _values(
    desk: CodeDesk,
    terminal: Terminal,
    code: LiveCode,
    card: LockedCard,
    purpose: str,
    idempotency_key: str,
    request_sm3: str,
) -> dict[str, Any]:
    now = desk.ground.clock()
    institution = terminal.party.institution.id
    return {
        "id": new_id("red"),
        "handle": code.handle,
        "card": card.id,
        "terminal": terminal.id,
        "institution": institution,
        "purpose": purpose,
        "rendering": code.rendering,
        "mode": "online",
        "idempotency_key": idempotency_key,
        "request_sm3": request_sm3,
        "request_nonce": terminal.evidence.nonce,
        "entitlement": json.dumps(_entitlement(desk, institution, card, purpose)),
        "redeemed_at": to_millis(now),
        "visit_expires_at": to_millis(now + timedelta(minutes=desk.ground.settings.visit_minutes)),
        "recorded_at": to_millis(now),
        "channel": card.channel,
    }


def _entitlement(desk: CodeDesk, institution: str, card: LockedCard, purpose: str) -> dict[str, Any]:
    """Say the least that this purpose needs (feature rows 26 and 28); names and numbers come in the answer only."""
    if purpose == "gate":
        return {"entitled": True}
    if purpose == "test":
        return {"test": True}
    said: dict[str, Any] = {"pseudonym": pairwise_pseudonym(desk, institution, card.id)}
    if purpose == "merchant":
        return said | {"eligible": True, "payment": may_pay(card.level, default_pin=bool(card.default_pin))}
    if purpose == "medical":
        return said | {"insured_region": card.region}
    return said | {"level": card.level}


def content_of_event(values: dict[str, Any]) -> dict[str, Any]:
    """Say what was taken where; the channel in whose app it was shown, if any, for it alone is told of it."""
    content = {name: values[name] for name in ("purpose", "institution", "terminal", "mode")}
    shown_in = {} if values["channel"] is None else {"channel": values["channel"]}
    return content | shown_in | {"redemption": values["id"]}


def _event(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "event_id": new_id("evt"),
        "event_kind": "code.redeemed",
        "event_card": values["card"],
        "event_content": json.dumps(content_of_event(values)),
        "event_at": values["redeemed_at"],
    }


def _audit_entry(desk: CodeDesk, values: dict[str, Any]) -> dict[str, Any]:
    detail = {"redemption": values["id"], "purpose": values["purpose"], "handle": values["handle"]}
    at = from_millis(values["redeemed_at"])
    return desk.ground.audit.values(
        actor=values["terminal"], act="code.redeemed", subject=values["card"], detail=detail, at=at
    )


def _answer(desk: CodeDesk, party: Party, card: LockedCard, redemption: Redemption) -> Accepted:
    entitlement = dict(redemption.entitlement)
    fields = desk.ground.fields
    if redemption.purpose in {"medical", "identity"}:
        entitlement["holder_name"] = mask_name(fields.open("holders", "name", card.holder, card.name))
    if redemption.purpose == "medical" and _may_know_number(party):
        number = fields.open("holders", "social_security_number", card.holder, card.social_security_number)
        entitlement["social_security_number"] = number
    return Accepted(redemption, entitlement, visit_token(desk, redemption.id))


def _may_know_number(party: Party) -> bool:
    return party.institution.kind in _MEDICAL_KINDS and "full_number" in party.institution.scopes


def _spent(connection: Connection, code: LiveCode, terminal: Terminal) -> CodeSpent:
    existing = find_by_handle(connection, code.handle)
    where: Literal["here", "elsewhere"] = "here" if existing and existing.terminal == terminal.id else "elsewhere"
    return CodeSpent(where)


def _request_sm3(desk: CodeDesk, purpose: str, scanned: str) -> str:
    given = scanned.encode("utf-8", "surrogatepass")  # whatever JSON can carry; what it is worth is asked later
    return hmac_sm3(desk.visit_key, b"request", purpose.encode(), b"\x00", given).hex()


def _find_by_key(connection: Connection, terminal: Terminal, idempotency_key: str) -> Redemption | None:
    rows = _FIND_BY_KEY.run(connection, {"terminal": terminal.id, "idempotency_key": idempotency_key})
    return _of_row(rows[0]) if rows else None


def _answer_again(desk: CodeDesk, connection: Connection, terminal: Terminal, redemption: Redemption) -> Accepted:
    card = LockedCard(*LOCK_BY_ID.run(connection, {"card": redemption.card})[0])
    return _answer(desk, terminal.party, card, redemption)


def _redemption(values: dict[str, Any]) -> Redemption:
    return Redemption(
        id=values["id"],
        card=values["card"],
        terminal=values["terminal"],
        institution=values["institution"],
        purpose=values["purpose"],
        request_sm3=values["request_sm3"],
        entitlement=_object(values["entitlement"]),
        redeemed_at=from_millis(values["redeemed_at"]),
        visit_expires_at=from_millis(values["visit_expires_at"]),
    )


def _of_row(row: tuple[Any, ...]) -> Redemption:
    return _redemption(dict(zip(_COLUMNS.split(", "), row, strict=True)))


def _object(value: Any) -> dict[str, Any]:
    """Take a JSON column as an object: psycopg decodes it, sqlite3 hands over its text."""
    decoded: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return decoded
