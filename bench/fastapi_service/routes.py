import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from bench.fastapi_service.phones import ProvenPhone
from bench.fastapi_service.terminals import ProvenTerminal, Terminal
from core.ids import new_id
from qr.code_class import CodeClass
from qr.errors import CodeMalformed
from qr.signed_code import (
    Flag,
    mint_signed_code,
    open_handle,
    read_signed_code,
    require_class,
    require_live,
    verify_signed_code,
)
from sm.digest import hmac_sm3

router = APIRouter(prefix="/v1")
Use = Literal["identity", "medical", "merchant", "gate", "test"]

_STANDING = """
SELECT c.standing, c.level, c.card_index, d.standing
FROM electronic_cards c JOIN devices d ON d.card = c.id WHERE c.id = %s AND d.id = %s
"""
_REMEMBER = """
INSERT INTO signed_requests (party, nonce, serial, base_sm3, signature, signed_at, received_at)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1
"""
_LOCK = """
SELECT c.id, c.standing, h.name FROM electronic_cards c JOIN holders h ON h.id = c.holder
WHERE c.card_index = %s FOR SHARE OF c
"""
_REDEEM = """
INSERT INTO redemptions (id, handle, card, terminal, institution, purpose, rendering, mode, idempotency_key,
    request_sm3, request_nonce, entitlement, redeemed_at, visit_expires_at)
VALUES (%s, %s, %s, %s, %s, %s, 'signed', 'online', %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id
"""
_TELL = "INSERT INTO outbox (id, kind, card, content, happened_at) VALUES (%s, 'code.redeemed', %s, %s, %s)"
_AUDIT = """
INSERT INTO audit_entries (id, happened_at, actor, act, subject, detail, mac)
VALUES (%(audit_id)s, %(audit_at)s, %(audit_actor)s, %(audit_act)s, %(audit_subject)s, %(audit_detail)s, %(audit_mac)s)
"""


class CodeRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["signed"] = "signed"
    use: Use = Field(alias="class")
    audience: int = Field(0, ge=0, le=0xFFFF, strict=True)


class Code(BaseModel):
    code: str
    kind: str
    expires_at: datetime
    life: int


class RedeemRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    code: str = Field(min_length=1, max_length=512)
    purpose: Use


class Redeemed(BaseModel):
    id: str
    result: str
    redeemed_at: datetime
    visit_token: str
    visit_expires_at: datetime
    entitlement: dict[str, Any]


@router.post("/cards/{card}/codes", status_code=201)
async def post_code(request: Request, caller: ProvenPhone, card: str, given: CodeRequest) -> Code:
    """Mint a signed code."""
    state = request.app.state
    if card != caller.card:
        raise HTTPException(404)
    async with state.connections.take() as connection:
        cursor = await connection.execute(_STANDING, (card, caller.device), prepare=True)
        row = await cursor.fetchone()
    if row is None or row[0] != "active" or row[3] != "active":
        raise HTTPException(403)
    issued_at = datetime.now(UTC).replace(microsecond=0)
    digits = mint_signed_code(
        state.codes.keys().minting,
        secrets.token_bytes,
        card_index=row[2],
        code_class=CodeClass[given.use.upper()],
        issued_at=issued_at,
        life_seconds=state.life,
        flags=Flag.MEDICAL_ELIGIBLE | Flag.MERCHANT_ELIGIBLE,
        audience=given.audience,
    )
    return Code(code=digits, kind="signed", expires_at=issued_at + timedelta(seconds=state.life), life=state.life)


@router.post("/redemptions", status_code=201)
async def post_redemption(
    request: Request,
    caller: ProvenTerminal,
    given: RedeemRequest,
    idempotency_key: Annotated[str, Header(min_length=8)],
) -> Redeemed:
    """Redeem a code in one transaction."""
    state = request.app.state
    now = datetime.now(UTC)
    handle, card_index = _verify_code(state.codes, given, caller, now)
    async with state.connections.take() as connection, connection.transaction():
        spent = await connection.execute(_REMEMBER, caller.evidence, prepare=True)
        if await spent.fetchone() is None:
            raise HTTPException(409)
        locked = await connection.execute(_LOCK, (card_index,), prepare=True)
        card = await locked.fetchone()
        if card is None or card[1] != "active":
            raise HTTPException(409)
        return await _record(state, connection, caller, given, card[0], handle, idempotency_key, now)


def _verify_code(codes: Any, given: RedeemRequest, caller: Terminal, now: datetime) -> tuple[str, int]:
    if given.purpose not in caller.purposes:
        raise HTTPException(403)
    keys = codes.keys()
    try:
        code = verify_signed_code(read_signed_code(given.code), keys.verifying, now)
    except CodeMalformed as error:
        raise HTTPException(400) from error
    require_class(code, {CodeClass[given.purpose.upper()]})
    require_live(code, now)
    return code.handle.hex(), open_handle(code, keys.ciphers)


async def _record(
    state: Any,
    connection: Any,
    caller: Terminal,
    given: RedeemRequest,
    card: str,
    handle: str,
    idempotency_key: str,
    now: datetime,
) -> Redeemed:
    redemption, millis = new_id("red"), int(now.timestamp() * 1000)
    visit_expires_at = now + timedelta(minutes=30)
    pseudonym = hmac_sm3(state.codes.pairwise_key, caller.institution.encode(), b"\x00", card.encode()).hex()
    entitlement = {"pseudonym": pseudonym, "eligible": True}
    request_sm3 = hmac_sm3(state.codes.visit_key, b"request", given.purpose.encode(), b"\x00", given.code.encode())
    values = (
        redemption,
        handle,
        card,
        caller.id,
        caller.institution,
        given.purpose,
        idempotency_key,
        request_sm3.hex(),
        caller.evidence[1],
        json.dumps(entitlement),
        millis,
        int(visit_expires_at.timestamp() * 1000),
    )
    inserted = await connection.execute(_REDEEM, values, prepare=True)
    if await inserted.fetchone() is None:
        raise HTTPException(409)
    content = {"redemption": redemption, "purpose": given.purpose, "institution": caller.institution}
    content |= {"terminal": caller.id, "mode": "online"}
    await connection.execute(_TELL, (new_id("evt"), card, json.dumps(content), millis), prepare=True)
    detail = {"redemption": redemption, "purpose": given.purpose, "handle": handle}
    entry = state.audit.values(actor=caller.id, act="code.redeemed", subject=card, detail=detail, at=now)
    await connection.execute(_AUDIT, entry, prepare=True)
    visit = hmac_sm3(state.codes.visit_key, b"visit", redemption.encode()).hex()
    return Redeemed(
        id=redemption,
        result="accepted",
        redeemed_at=now,
        visit_token=f"{redemption.replace('red_', 'vst_', 1)}.{visit}",
        visit_expires_at=visit_expires_at,
        entitlement=entitlement,
    )
