"""Answers kept for a day: a request sent again under its Idempotency-Key has one effect and gets the same answer.

After draft-ietf-httpapi-idempotency-key-header. The key is claimed before the work in a transaction of its own, and the
answer is written in the transaction of the work: either both are there or neither. What a crash leaves at each point
stands in docs/decisions/0018.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.errors import IdempotencyKeyMalformed, RequestInProgress
from auth.models import idempotent_answers
from core.clock import to_millis
from core.database import Statement
from core.errors import IdempotencyKeyReused, Refusal
from core.ground import Ground
from core.ids import new_id
from sm.digest import hmac_sm3

KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=60)
"""How long a claim without an answer keeps others away; a request that takes longer loses it, and its work with it."""
KEY_PATTERN = "^[!-~]{1,128}$"
_KEY = re.compile(r"[!-~]{1,128}")
_FINAL = frozenset({404, 409, 410, 422})
_FINAL_IF_RECORDED = _FINAL | {403}
_TABLE, _COLUMN = "idempotent_answers", "answer"

_CLAIM = Statement(
    "INSERT INTO idempotent_answers AS kept (handle, fingerprint, claim, lease_until, expires_at)"
    " VALUES (:handle, :fingerprint, :claim, :lease_until, :expires_at)"
    " ON CONFLICT (handle) DO UPDATE SET fingerprint = excluded.fingerprint, claim = excluded.claim,"
    " lease_until = excluded.lease_until, expires_at = excluded.expires_at, answer = NULL"
    " WHERE kept.expires_at <= :now"
    " OR (kept.answer IS NULL AND kept.lease_until <= :now AND kept.fingerprint = excluded.fingerprint)"
    " RETURNING handle"
)
_FIND = Statement("SELECT fingerprint, answer FROM idempotent_answers WHERE handle = :handle")
_KEEP = Statement(
    "UPDATE idempotent_answers SET answer = :answer, expires_at = :expires_at"
    " WHERE handle = :handle AND claim = :claim AND answer IS NULL RETURNING handle"
)
_RELEASE = Statement(
    "DELETE FROM idempotent_answers WHERE handle = :handle AND claim = :claim AND answer IS NULL RETURNING handle"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may come again: whose, under which key, and what exactly it asks."""

    caller: str
    key: str
    method: str
    target: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; ``again`` where it was answered before."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    again: bool = False


@dataclass(frozen=True, slots=True)
class _Claim:
    handle: str
    fingerprint: str
    claim: str


Work = Callable[[], Answer]
Refused = Callable[[Refusal], Answer]


class KeptAnswers:
    """Keeps answers by caller and key.

    Args:
        ground: database, clock, and the fields' cipher: every answer is sealed (SM4-GCM), none is worth less.
        key: 32 bytes, HMAC-SM3: names rows and requests, so that neither keys nor bodies stand in the database.
    """

    def __init__(self, ground: Ground, key: bytes) -> None:
        self._ground = ground
        self._key = key

    def answer_once(self, asked: Asked, work: Work, refused: Refused) -> Answer:
        """Do the work and keep its answer, or give the answer that this request has had.

        Args:
            asked: the request of a proven caller.
            work: the view; what it writes is committed with its answer.
            refused: what a refusal looks like; refusals themselves are passed on.

        Raises ``IdempotencyKeyMalformed``, ``IdempotencyKeyReused`` for another request, ``RequestInProgress``, and
        what the work raises.
        """
        if not _KEY.fullmatch(asked.key):
            raise IdempotencyKeyMalformed
        claim = self._new_claim(asked)
        kept = self._claim_or_find(claim)
        return kept or self._answer_first(claim, work, refused)

    def _claim_or_find(self, claim: _Claim) -> Answer | None:
        """Claim the key, or find what it was answered; nothing is there where another request is being worked on."""
        now = self._ground.clock()
        moments = {"now": now, "lease_until": now + LEASE, "expires_at": now + KEPT}
        values = {name: to_millis(moment) for name, moment in moments.items()}
        with self._ground.database.transaction() as connection:
            if _CLAIM.run(connection, values | _values(claim)):
                return None
            found = _FIND.run(connection, {"handle": claim.handle})
        if not found:  # let go of in this moment
            raise RequestInProgress
        return self._read_kept(claim, *found[0])

    def _read_kept(self, claim: _Claim, fingerprint: str, sealed: bytes | None) -> Answer:
        if fingerprint != claim.fingerprint:
            raise IdempotencyKeyReused
        if sealed is None:
            raise RequestInProgress
        kept = json.loads(self._ground.fields.open(_TABLE, _COLUMN, claim.handle, bytes(sealed)))
        headers = tuple((name, value) for name, value in kept["headers"])
        return Answer(kept["status"], headers, b64decode(kept["body"]), again=True)

    def _answer_first(self, claim: _Claim, work: Work, refused: Refused) -> Answer:
        with ExitStack() as unanswered:
            unanswered.callback(self._release, claim)
            try:
                answer = self._work(claim, work, refused)
            except Refusal as refusal:
                if not refusal.recorded and self._keep_refusal(claim, refused(refusal)):
                    unanswered.pop_all()
                raise
            if is_final(answer):
                unanswered.pop_all()
            return answer

    def _work(self, claim: _Claim, work: Work, refused: Refused) -> Answer:
        """Do the work and keep the answer with it; a refusal that leaves something written is kept with that."""
        with self._ground.database.transaction() as connection:
            try:
                answer = work()
            except Refusal as refusal:
                if refusal.recorded:
                    self._keep_final(connection, claim, refused(refusal), _FINAL_IF_RECORDED)
                raise
            self._keep_final(connection, claim, answer, _FINAL)
            return answer

    def _keep_final(self, connection: Connection, claim: _Claim, answer: Answer, final: frozenset[int]) -> None:
        """Keep the answer; raises ``RequestInProgress``, which undoes the work, where the claim went to another."""
        if is_final(answer, final) and not self._keep(connection, claim, answer):
            raise RequestInProgress

    def _keep_refusal(self, claim: _Claim, answer: Answer) -> bool:
        if not is_final(answer):
            return False
        with self._ground.database.transaction() as connection:
            return self._keep(connection, claim, answer)

    def _keep(self, connection: Connection, claim: _Claim, answer: Answer) -> bool:
        kept = {"status": answer.status, "headers": answer.headers, "body": b64encode(answer.body).decode()}
        sealed = self._ground.fields.seal(_TABLE, _COLUMN, claim.handle, json.dumps(kept))
        expires_at = to_millis(self._ground.clock() + KEPT)
        return bool(_KEEP.run(connection, _values(claim) | {"answer": sealed, "expires_at": expires_at}))

    def _release(self, claim: _Claim) -> None:
        """Let go of a key whose request was not answered for good; one that was answered meanwhile stays."""
        with self._ground.database.transaction() as connection:
            _RELEASE.run(connection, _values(claim))

    def _new_claim(self, asked: Asked) -> _Claim:
        what = (asked.method, asked.target, asked.caller)
        return _Claim(
            handle=self._mac("key", (asked.caller, asked.key)),
            fingerprint=self._mac("request", what, asked.body),
            claim=new_id("clm"),
        )

    def _mac(self, kind: str, texts: Iterable[str], data: bytes = b"") -> str:
        parts = [text.encode() + b"\x00" for text in (kind, *texts)]  # none of them can hold a NUL
        return hmac_sm3(self._key, *parts, data).hex()


def is_final(answer: Answer, final: frozenset[int] = _FINAL) -> bool:
    """Tell whether the same request would be told the same again; who is told to come back later would not."""
    return answer.status < 400 or (answer.status in final and "Retry-After" not in dict(answer.headers))


def forget_answers(connection: Connection, at: datetime) -> None:
    """Delete what has been kept long enough; the worker calls this."""
    connection.execute(sa.delete(idempotent_answers).where(idempotent_answers.c.expires_at <= to_millis(at)))


def _values(claim: _Claim) -> dict[str, Any]:
    return {"handle": claim.handle, "fingerprint": claim.fingerprint, "claim": claim.claim}
