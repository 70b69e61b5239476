"""Acts on keys that nobody does alone: two operators sign one plan, and the signed plan is used once.

A plan names the store, the act and the head of the store's ceremony log. When the act is done the head has moved on,
so that neither the same approvals nor others given at the same time work again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sm.canonical import (
    Types,
    canonical_json,
    read_canonical_json,
    read_hex,
    read_members,
    read_texts,
    read_time,
    write_time,
)
from sm.digest import DIGEST_SIZE, sm3
from sm.errors import CeremonyRefused, InvalidKey, InvalidSignature, Malformed
from sm.sm2 import SIGNATURE_SIZE, Provider, Signer, read_public_key

APPROVAL_USER_ID = b"ESSC-CEREMONY-1"
APPROVERS = 2
PLAN_LIFE = timedelta(hours=24)
MAX_PLAN_SIZE = 16 * 1024
MAX_APPROVAL_SIZE = 1024

Operators = Mapping[str, bytes]  # name → public key (64 bytes)

_FORMAT = 1
_PLAN: Types = {
    "format": int,
    "store": str,
    "action": str,
    "details": dict,
    "previous": str,
    "proposed_at": str,
    "expires_at": str,
}
_APPROVAL: Types = {"format": int, "operator": str, "plan": str, "signature": str}


@dataclass(frozen=True)
class Plan:
    """What shall be done: `action` with its `details`, in this store, next after the log line `previous`, in time."""

    store: str
    action: str
    details: Mapping[str, str]
    previous: str
    proposed_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Approval:
    """One operator's signature under one plan (`plan` is its SM3)."""

    operator: str
    plan: bytes
    signature: bytes


def propose(*, store: str, action: str, details: Mapping[str, str], previous: str, now: datetime) -> Plan:
    """Draw up a plan that may be carried out within a day."""
    proposed_at = read_time(write_time(now))
    return Plan(store, action, dict(details), previous, proposed_at, proposed_at + PLAN_LIFE)


def write_plan(plan: Plan) -> bytes:
    """Write the canonical text of a plan: the bytes that are approved."""
    return canonical_json(plan_fields(plan))


def read_plan(given: bytes) -> Plan:
    """Read the text of `write_plan`; raise Malformed for any other."""
    if len(given) > MAX_PLAN_SIZE:
        raise Malformed(f"a plan has at most {MAX_PLAN_SIZE} bytes")
    return read_plan_fields(read_canonical_json(given.strip(), _PLAN))


def plan_fields(plan: Plan) -> dict[str, Any]:
    """Give a plan as the members of its text, to be a part of another."""
    return {
        "format": _FORMAT,
        "store": plan.store,
        "action": plan.action,
        "details": dict(plan.details),
        "previous": plan.previous,
        "proposed_at": write_time(plan.proposed_at),
        "expires_at": write_time(plan.expires_at),
    }


def read_plan_fields(given: Any) -> Plan:
    """Read the members of `plan_fields`."""
    fields = read_members(given, _PLAN)
    if fields["format"] != _FORMAT:
        raise Malformed("a plan of another format")
    return Plan(
        store=fields["store"],
        action=fields["action"],
        details=read_texts(fields["details"]),
        previous=fields["previous"],
        proposed_at=read_time(fields["proposed_at"]),
        expires_at=read_time(fields["expires_at"]),
    )


def approve(plan: Plan, operator: str, signer: Signer) -> Approval:
    """Approve a plan; `signer` holds the operator's key under APPROVAL_USER_ID."""
    text = write_plan(plan)
    return Approval(operator, sm3(text), signer.sign(text))


def write_approval(approval: Approval) -> bytes:
    """Write an approval for the way from the operator to whoever carries out the plan."""
    return canonical_json(approval_fields(approval))


def read_approval(given: bytes) -> Approval:
    """Read the text of `write_approval`; raise Malformed for any other."""
    if len(given) > MAX_APPROVAL_SIZE:
        raise Malformed(f"an approval has at most {MAX_APPROVAL_SIZE} bytes")
    return read_approval_fields(read_canonical_json(given.strip(), _APPROVAL))


def approval_fields(approval: Approval) -> dict[str, Any]:
    """Give an approval as the members of its text, to be a part of another."""
    return {
        "format": _FORMAT,
        "operator": approval.operator,
        "plan": approval.plan.hex(),
        "signature": approval.signature.hex(),
    }


def read_approval_fields(given: Any) -> Approval:
    """Read the members of `approval_fields`."""
    fields = read_members(given, _APPROVAL)
    if fields["format"] != _FORMAT:
        raise Malformed("an approval of another format")
    signature = read_hex(fields["signature"], SIGNATURE_SIZE)
    return Approval(fields["operator"], read_hex(fields["plan"], DIGEST_SIZE), signature)


def verify_approvals(
    plan: Plan, approvals: Iterable[Approval], operators: Operators, provider: Provider, now: datetime
) -> None:
    """Return if two operators or more, each known and each once, have signed this plan and it has not run out.

    Raises CeremonyRefused; one approval that does not hold spoils the rest, for somebody has to ask why.
    """
    given = tuple(approvals)
    require_in_time(plan, now)
    require_distinct_operators(operators)
    if len({approval.operator for approval in given}) != len(given):
        raise CeremonyRefused("an operator has approved twice: it takes two people")
    for approval in given:
        _verify_approval(plan, approval, operators, provider)
    if len(given) < APPROVERS:
        raise CeremonyRefused(f"the plan needs the approval of {APPROVERS} operators, not of {len(given)}")


def require_in_time(plan: Plan, now: datetime) -> None:
    """Refuse a plan from the future, one that has run out, and one that would live longer than a day."""
    if plan.expires_at - plan.proposed_at > PLAN_LIFE:
        raise CeremonyRefused("the plan would live too long")
    if not plan.proposed_at <= now < plan.expires_at:
        raise CeremonyRefused("the plan and its approvals have expired, or are not valid yet: propose it again")


def require_distinct_operators(operators: Operators) -> None:
    """Refuse a register in which one key stands under two names, or which has too few."""
    if len(set(operators.values())) != len(operators):
        raise CeremonyRefused("two operators have the same key")
    if len(operators) < APPROVERS:
        raise CeremonyRefused(f"a ceremony needs at least {APPROVERS} registered operators")


def write_operators(operators: Operators) -> bytes:
    """Write the register of operators."""
    return canonical_json({"operators": {name: key.hex() for name, key in operators.items()}})


def read_operators(given: bytes) -> dict[str, bytes]:
    """Read the text of `write_operators`; raise Malformed, or InvalidKey."""
    names = read_texts(read_canonical_json(given, {"operators": dict})["operators"])
    return {name: read_public_key(read_hex(key)) for name, key in names.items()}


def _verify_approval(plan: Plan, approval: Approval, operators: Operators, provider: Provider) -> None:
    text = write_plan(plan)
    if approval.operator not in operators:
        raise CeremonyRefused("an approval is by nobody who is registered as an operator")
    if approval.plan != sm3(text):
        raise CeremonyRefused("an approval is for another plan")
    try:
        provider.verifier(operators[approval.operator], APPROVAL_USER_ID).verify(text, approval.signature)
    except (InvalidSignature, InvalidKey):
        raise CeremonyRefused("an approval is not signed by the operator that it names") from None
