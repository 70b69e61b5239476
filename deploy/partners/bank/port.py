"""The bank port: the card centre asks the bank's core about a customer, both sides sign (channel contract, bank port).

A question is answered once and written down without who it was about; the same question again, with a new signature,
gets an answer from the customer table as it is then.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bank.customers import Standing, judge_customer
from bank.database import Database

SIGNED_SECONDS = 300
_MEMBERS = ("issuance", "out_request_no", "social_security_number", "name", "phone")
_LONGEST = 100
_ISSUANCE = re.compile(r"iss_[0-9a-z]{26}")


class QuestionRefused(Exception):
    """A question that is none, or that was answered before under this signature."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as it came in; nothing of it is believed."""

    method: str
    target: str
    authorization: str
    body: bytes


class Proofs(Protocol):
    """What is proven with the card service's published keys and with the bank's own."""

    def verify_request(self, arrived: Arrived) -> str:
        """Verify the card service's signature and its time; return the nonce. Raises ``NotProven``."""

    def sign_answer(self, *, status: int, target: str, nonce: str, body: bytes) -> str:
        """Sign an answer for the request with this nonce; return the value of ``ESSC-Signature``."""

    def verify_news(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
        """Verify one of the signatures of a piece of news, and its time, and give it back. Raises ``NotProven``."""


def read_question(body: bytes) -> dict[str, str]:
    """Read a question; raises ``QuestionRefused``."""
    try:
        given: Any = json.loads(body)
    except ValueError as error:
        raise QuestionRefused(400, "malformed") from error
    if not isinstance(given, dict) or given.keys() != set(_MEMBERS):
        raise QuestionRefused(400, "malformed")
    if not all(isinstance(value, str) and 0 < len(value) <= _LONGEST for value in given.values()):
        raise QuestionRefused(400, "malformed")
    if not _ISSUANCE.fullmatch(given["issuance"]):
        raise QuestionRefused(400, "malformed")
    return given


def answer_question(database: Database, question: dict[str, str], nonce: str, now: int) -> Standing:
    """Look the customer up and write down that it was asked; raises ``QuestionRefused`` for a nonce that was seen."""
    with database.transaction() as connection:
        standing = judge_customer(
            connection,
            number=question["social_security_number"],
            name=question["name"],
            phone=question["phone"],
        )
        connection.execute("DELETE FROM asked WHERE asked_at <= ?", (now - 2 * SIGNED_SECONDS,))
        asked = connection.execute(
            "INSERT INTO asked VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (nonce, question["issuance"], standing.financial_function, now),
        )
        if asked.rowcount == 0:
            raise QuestionRefused(409, "nonce_spent")
    return standing


def write_answer(issuance: str, standing: Standing) -> bytes:
    """Write an answer as it is signed and sent."""
    answer = {
        "issuance": issuance,
        "financial_function": standing.financial_function,
        "phone_agrees": standing.phone_agrees,
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def lie() -> Standing:
    """Say of anybody that they are a good customer."""
    return Standing("active", phone_agrees=True)
