"""What was done in ceremonies: signed lines, each chained to the one before it, and the way to carry out a plan.

The log can only grow: its head is kept as a document of the key store, so that lines cannot be cut off its end. Whoever
puts log and store back together to an older state is found only by a head that was noted elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sm.canonical import Types, canonical_json, read_canonical_json, read_hex, read_texts, read_time, write_time
from sm.ceremony import (
    Approval,
    Operators,
    Plan,
    approval_fields,
    plan_fields,
    read_approval_fields,
    read_operators,
    read_plan_fields,
    require_in_time,
    verify_approvals,
)
from sm.digest import sm3
from sm.errors import CeremonyLogBroken, CeremonyRefused, KeyNotFound, SmError
from sm.keystore.durable import append_durably, read_private_file
from sm.keystore.protocol import KeyStore
from sm.sm2 import SIGNATURE_SIZE, Provider

RECORD_USER_ID = b"ESSC-CEREMONY-LOG-1"
LOG_FILE = "ceremonies.jsonl"
MAX_LOG_SIZE = 64 * 1024 * 1024

LEVEL = "city"
LOG_KEY = "ceremony/log-key"
LOG_HEAD = "ceremony/log-head"
OPERATORS = "ceremony/operators"

Result = Mapping[str, str]

_FORMAT = 1
_RECORD: Types = {
    "format": int,
    "sequence": int,
    "previous": str,
    "recorded_at": str,
    "state": str,
    "plan": dict,
    "approvals": list,
    "result": dict,
    "signature": str,
}
_HEAD: Types = {"sequence": int, "digest": str}


@dataclass(frozen=True)
class Record:
    """One line: what was begun, done or has failed, by which plan, approved by whom. `digest` chains the next line."""

    sequence: int
    previous: str
    recorded_at: datetime
    state: str
    plan: Plan
    approvals: tuple[Approval, ...]
    result: Result
    digest: str


class CeremonyLog:
    """The log of one key store, in the file `path`."""

    def __init__(self, path: Path, store: KeyStore, provider: Provider) -> None:
        self.store = store
        self.provider = provider
        self._path = path

    def begin(self) -> None:
        """Make the log of a new store; nothing happens if there is one."""
        with self.store.writing():
            present = self.store.names()
            if LOG_KEY not in present:
                self.store.create(LOG_KEY, LEVEL, "sm2")
            if LOG_HEAD not in present:
                self._write_head(0, self._genesis())

    def head(self) -> str:
        """Tell the digest that the next plan must name, after verifying the whole log."""
        records = self.records()
        return records[-1].digest if records else self._genesis()

    def records(self) -> list[Record]:
        """Read and verify all lines; raise CeremonyLogBroken."""
        records = self._read_chain()
        sequence, digest = self._read_head()
        digests = [self._genesis(), *(record.digest for record in records)]
        # The line is written before the head, so a crash may leave one line more; it is signed like the others.
        if sequence >= len(digests) or digests[sequence] != digest:
            raise CeremonyLogBroken("lines are missing at the end of the ceremony log")
        return records

    def append(self, state: str, plan: Plan, approvals: Iterable[Approval], result: Result, now: datetime) -> Record:
        """Write one line, for good."""
        with self.store.writing():
            records = self.records()
            previous = records[-1].digest if records else self._genesis()
            fields: dict[str, Any] = {
                "format": _FORMAT,
                "sequence": len(records) + 1,
                "previous": previous,
                "recorded_at": write_time(now),
                "state": state,
                "plan": plan_fields(plan),
                "approvals": [approval_fields(approval) for approval in approvals],
                "result": dict(result),
            }
            signer = self.provider.signer(self.store.private_key(LOG_KEY), RECORD_USER_ID)
            line = canonical_json(fields | {"signature": signer.sign(canonical_json(fields)).hex()})
            append_durably(self._path, line + b"\n")
            record = _read_record(line)
            self._write_head(record.sequence, record.digest)
            return record

    def _read_chain(self) -> list[Record]:
        records: list[Record] = []
        previous = self._genesis()
        for line in self._lines():
            record = self._verify_line(line)
            if record.sequence != len(records) + 1 or record.previous != previous:
                raise CeremonyLogBroken(
                    f"line {len(records) + 1} of the ceremony log does not follow the one before it"
                )
            records.append(record)
            previous = record.digest
        return records

    def _verify_line(self, line: bytes) -> Record:
        key = self.provider.public_key_of(self.store.private_key(LOG_KEY))
        try:
            fields = read_canonical_json(line, _RECORD)
            signature = read_hex(fields.pop("signature"), SIGNATURE_SIZE)
            self.provider.verifier(key, RECORD_USER_ID).verify(canonical_json(fields), signature)
            return _read_record(line)
        except SmError as broken:
            raise CeremonyLogBroken("a line of the ceremony log was changed") from broken

    def _lines(self) -> list[bytes]:
        try:
            text = read_private_file(self._path, MAX_LOG_SIZE)
        except KeyNotFound:
            return []
        return text.split(b"\n")[:-1]  # what follows the last line end was cut short by a crash, and never counted

    def _read_head(self) -> tuple[int, str]:
        try:
            fields = read_canonical_json(self.store.document(LOG_HEAD), _HEAD)
        except KeyNotFound:
            raise CeremonyLogBroken("the head of the ceremony log is missing") from None
        return fields["sequence"], fields["digest"]

    def _write_head(self, sequence: int, digest: str) -> None:
        self.store.write_document(LOG_HEAD, LEVEL, canonical_json({"sequence": sequence, "digest": digest}))

    def _genesis(self) -> str:
        return sm3(b"ECARD-CEREMONY-LOG\x00", self.store.identifier.encode()).hex()


def carry_out(
    log: CeremonyLog, plan: Plan, approvals: Iterable[Approval], now: datetime, effect: Callable[[], Result]
) -> Result:
    """Carry out a plan: check it, record that it began, do it, record the result.

    In production two operators must have approved; in development nobody needs to, but what is given must hold.
    Raises CeremonyRefused before anything is done; what `effect` refuses is recorded as failed and raised again.
    """
    given = tuple(approvals)
    with log.store.writing():
        _require_next(log, plan)
        if given or log.store.environment == "production":
            verify_approvals(plan, given, registered_operators(log.store), log.provider, now)
        require_in_time(plan, now)
        log.append("begun", plan, given, {}, now)
        try:
            result = effect()
        except SmError as refusal:
            log.append("failed", plan, given, {"code": refusal.code}, now)
            raise
        log.append("done", plan, given, result, now)
        return result


def registered_operators(store: KeyStore) -> Operators:
    """Read who may approve in this store; raise CeremonyRefused when nobody is registered."""
    try:
        return read_operators(store.document(OPERATORS))
    except KeyNotFound:
        raise CeremonyRefused("no operators are registered in this key store") from None


def _require_next(log: CeremonyLog, plan: Plan) -> None:
    if plan.store != log.store.identifier:
        raise CeremonyRefused("the plan is for another key store")
    if plan.previous != log.head():
        raise CeremonyRefused("the plan was made before the last ceremony: propose it again")


def _read_record(line: bytes) -> Record:
    fields = read_canonical_json(line, _RECORD)
    return Record(
        sequence=fields["sequence"],
        previous=fields["previous"],
        recorded_at=read_time(fields["recorded_at"]),
        state=fields["state"],
        plan=read_plan_fields(fields["plan"]),
        approvals=tuple(read_approval_fields(approval) for approval in fields["approvals"]),
        result=read_texts(fields["result"]),
        digest=sm3(line).hex(),
    )
