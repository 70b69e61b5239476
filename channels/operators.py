"""Who acts on the register: an operator by name, in production proven by the key that the key store registers."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from channels.desk import ChannelDesk
from channels.errors import OperatorNotProven
from core.settings import Environment
from sm.canonical import canonical_json, read_hex
from sm.ceremony import APPROVERS
from sm.errors import SmError
from sm.sm2 import SIGNATURE_SIZE

OPERATOR_USER_ID = b"ESSC-OPERATOR-1"
"""Domain of operators' signatures under changes of the register (crypto.md: an own one for each further use)."""
MOST_NAME = 40


def operator_statement(act: str, operator: str, subject: Mapping[str, Any]) -> bytes:
    """Write what an operator signs: the act, who does it, and all of what it is about, in one spelling."""
    return canonical_json({"act": act, "operator": operator, "subject": dict(subject)})


def verify_operator(desk: ChannelDesk, operator: str, statement: bytes, given_signature: str | None) -> None:
    """Raise ``OperatorNotProven`` unless a registered operator signed.

    Where the key store registers no operators, which is development only, a name is taken at its word.
    """
    if not 0 < len(operator) <= MOST_NAME or not _is_plain(operator):
        raise OperatorNotProven(f"an operator's name has at most {MOST_NAME} letters, in one spelling")
    registered = desk.operators()
    if not registered and desk.ground.settings.environment is Environment.DEVELOPMENT:
        return
    _require_distinct(registered)
    try:
        signature = read_hex(given_signature or "", SIGNATURE_SIZE)
        desk.provider.verifier(registered[operator], OPERATOR_USER_ID).verify(statement, signature)
    except (KeyError, SmError) as error:
        raise OperatorNotProven from error


def _is_plain(name: str) -> bool:
    return name.isprintable() and name.strip() == name and unicodedata.is_normalized("NFKC", name)


def _require_distinct(registered: Mapping[str, bytes]) -> None:
    """Refuse a register in which two people cannot be told apart."""
    if len(set(registered.values())) != len(registered) or len(registered) < APPROVERS:
        raise OperatorNotProven("the key store registers fewer than two operators, or one key twice")
