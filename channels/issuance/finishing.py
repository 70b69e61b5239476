"""The worker's part: ask the bank, then issue or refuse; each step may be the last one of a worker that dies.

Claim, ask, record, sign, record: short transactions with the network and the signature between them. The bank is asked
before anything is looked up here, so that it does not learn from being asked, or not, whom the register knows.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy.engine import Connection

from auth.errors import ChannelNotLive, ScopeMissing
from auth.oauth.clients import Client
from auth.oauth.grants import Grant, find_live_link, start_grant
from auth.oauth.pseudonyms import link_handle, subject_of_card
from channels.bank_port import BankAnswer, BankQuestion, NoAnswer
from channels.bank_ports import count_answer, count_silence
from channels.carriage.records import find_carriage
from channels.carriage.sign import ISSUED as ISSUED_HERE
from channels.carriage.sign import SIGNED_ELSEWHERE, take_up
from channels.issuance.asking import SCOPE
from channels.issuance.desk import IssuanceDesk
from channels.issuance.records import (
    ISSUED,
    REFUSED,
    Claim,
    Overtaken,
    claim_issuance,
    hold_claim,
    put_off,
    settle_claim,
    wait_after,
)
from channels.registry import get_channel
from core.errors import Refusal
from core.outbox import record_event
from ecard.assured_issuance import (
    LEVEL,
    Assurance,
    AssuredPlan,
    PlanOutdated,
    issue_assured_card,
    plan_assured_card,
    sign_plan,
)
from ecard.cards import ElectronicCard, lock_card
from ecard.errors import NotEligible

BANK_SILENT = "bank_silent"
LINK_SCOPES = ("openid", "offline_access", "card.read", "card.present", "card.uses")
"""What the holder allows by asking the bank's app for the card, as far as the app's client is registered for it."""
LINK_LIFE = timedelta(days=180)
LINK_MEANS = ("bank",)
"""``amr`` of such a link: the bank has authenticated the holder."""
_JITTER = 0.1


def finish_one(desk: IssuanceDesk) -> bool:
    """Claim a request that is due and take it as far as it goes; False where nothing is due."""
    claim = claim_issuance(desk.ground, desk.in_hand.names())
    if claim is None:
        return False
    try:
        with desk.in_hand.holding(claim.issuance.channel):
            _finish(desk, claim)
    except Overtaken:
        pass  # it was done twice at once, and the other one counts
    except (NoAnswer, PlanOutdated, Refusal) as fault:
        _try_later(desk, claim, fault)
    return True


def _finish(desk: IssuanceDesk, claim: Claim) -> None:
    if claim.url is None or claim.is_over(desk.ground.clock()):
        _refuse(desk, claim, BANK_SILENT)
        return
    answer = desk.port.ask(claim.issuance.channel, claim.url, _question(claim))
    if not answer.vouches:
        _refuse(desk, claim, NotEligible.code, answer)
        return
    try:
        _issue(desk, claim, answer)
    except NotEligible:
        _refuse(desk, claim, NotEligible.code, answer)


def _question(claim: Claim) -> BankQuestion:
    return BankQuestion(claim.issuance.id, claim.issuance.out_request_no, claim.person)


def _try_later(desk: IssuanceDesk, claim: Claim, fault: NoAnswer | PlanOutdated | Refusal) -> None:
    """Let it wait; a bank that is silent is left alone for a while, with all that waits for it."""
    ground, channel = desk.ground, claim.issuance.channel
    now, spread = ground.clock(), 1 + _JITTER * (2 * desk.share() - 1)
    with ground.database.transaction() as connection:
        if isinstance(fault, PlanOutdated):
            put_off(connection, claim, now, "issued_meanwhile")
            return
        reason = fault.reason if isinstance(fault, NoAnswer) else fault.code
        waits = put_off(connection, claim, now + wait_after(claim.issuance.tries) * spread, reason)
        if waits and isinstance(fault, NoAnswer):
            count_silence(connection, channel, now)


# ── Refuse ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _refuse(desk: IssuanceDesk, claim: Claim, because: str, answer: BankAnswer | None = None) -> None:
    ground = desk.ground
    with ground.database.transaction() as connection:
        now, evidence = ground.clock(), answer.evidence if answer else None
        settle_claim(connection, claim, now, REFUSED, because=because, evidence=evidence)
        if answer is not None:
            count_answer(connection, claim.issuance.channel)
        _record(desk, connection, claim, REFUSED, None, {"because": because, "bank": evidence})


# ── Issue ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _issue(desk: IssuanceDesk, claim: Claim, answer: BankAnswer) -> None:
    """Record, sign, record; raises ``NotEligible``, ``PlanOutdated``, ``Overtaken``."""
    database, assurance = desk.ground.database, _assurance(claim)
    with database.transaction() as connection:
        hold_claim(connection, claim)
        plan = plan_assured_card(desk.cards, connection, claim.person, assurance)
    credential = sign_plan(desk.cards, plan)
    with database.transaction() as connection:
        hold_claim(connection, claim)
        _issue_and_carry(desk, connection, claim, answer, plan, credential)


def _issue_and_carry(
    desk: IssuanceDesk,
    connection: Connection,
    claim: Claim,
    answer: BankAnswer,
    plan: AssuredPlan,
    credential: str | None,
) -> None:
    issued = issue_assured_card(desk.cards, connection, claim.person, _assurance(claim), plan, credential)
    card, channel = lock_card(connection, issued.card.id), claim.issuance.channel
    client = _require_client(desk, connection, channel)
    link = _find_link(desk, client, card.id) or _start_link(desk, connection, claim, client, card.id)
    carriage, result = _carry(desk, connection, claim, card, link, is_new=issued.is_new)
    outcome = {
        "result": result,
        "card": card.id,
        "carriage": carriage,
    }
    settle_claim(connection, claim, desk.ground.clock(), ISSUED, evidence=answer.evidence, **outcome)
    count_answer(connection, claim.issuance.channel)
    detail = {**outcome, "link": link.id, "bank": answer.evidence}
    _record(desk, connection, claim, ISSUED, issued.card.id, detail)


def _carry(
    desk: IssuanceDesk, connection: Connection, claim: Claim, card: ElectronicCard, link: Grant, *, is_new: bool
) -> tuple[str, str]:
    """Let the bank's app carry the card: (carriage, result). Where it does already, that goes on as it stands."""
    channel, number = claim.issuance.channel, claim.issuance.out_request_no
    result = ISSUED_HERE if is_new else SIGNED_ELSEWHERE
    before = find_carriage(desk.carriage, connection, channel, card.id)
    if before is not None and before.state != "revoked":
        return before.id, result
    return take_up(desk.carriage, connection, channel, card, link, out_request_no=number, result=result)


def _require_client(desk: IssuanceDesk, connection: Connection, channel: str) -> Client:
    """Find the channel's client.

    Raises ``ChannelNotLive`` where channel or client were stopped meanwhile, ``ScopeMissing`` where the channel may not
    have cards issued any more.
    """
    found = get_channel(connection, channel)
    client = desk.oauth.clients.find(found.client)
    if found.standing != "live" or client is None:
        raise ChannelNotLive
    if SCOPE not in found.scopes:
        raise ScopeMissing(f"scope {SCOPE}")
    return client


def _find_link(desk: IssuanceDesk, client: Client, card: str) -> Grant | None:
    """Find a link that the holder has made with this client before and that allows as much: it may stand higher."""
    handle = link_handle(desk.oauth, subject_of_card(desk.oauth, client, card))
    found = find_live_link(desk.ground.database, client.id, handle, desk.ground.clock())
    return found if found is not None and set(_scopes(client)) <= set(found.scopes) else None


def _start_link(desk: IssuanceDesk, connection: Connection, claim: Claim, client: Client, card: str) -> Grant:
    now = desk.ground.clock()
    return start_grant(
        connection,
        client=client,
        card=card,
        device=None,
        scopes=_scopes(client),
        resources=(desk.oauth.api,),
        acr=LEVEL,
        amr=LINK_MEANS,
        authenticated_at=claim.issuance.asked_at,
        at=now,
        expires_at=now + LINK_LIFE,
        subject=link_handle(desk.oauth, subject_of_card(desk.oauth, client, card)),
    )


def _scopes(client: Client) -> tuple[str, ...]:
    return tuple(scope for scope in LINK_SCOPES if scope in client.scopes)


def _assurance(claim: Claim) -> Assurance:
    return Assurance(claim.issuance.channel, claim.issuance.id)


def _record(
    desk: IssuanceDesk, connection: Connection, claim: Claim, state: str, card: str | None, detail: dict[str, Any]
) -> None:
    """Put the end into the audit trail and tell the channel, and nobody else."""
    now, issuance = desk.ground.clock(), claim.issuance
    content = {"channel": issuance.channel, "issuance": issuance.id, "state": state}
    record_event(connection, "issuance.finished", card=card, content=content, at=now)
    desk.ground.audit.record(
        connection, actor=issuance.channel, act=f"issuance.{state}", subject=issuance.id, detail=detail, at=now
    )
