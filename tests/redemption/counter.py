"""A counter at which codes are shown and taken, inside this process: what the tests of answers are written with."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx

from cli.phone import Phone
from cli.till import Till
from core.errors import Refusal
from ecard.cards import ElectronicCard, get_card
from qr.code_class import CodeClass
from qr.counter_code import mint_counter_code
from qr.signed_code import mint_signed_code
from qr.signing_keys import MintingKey
from tests.redemption.processes import read_books
from tests.service import Service
from web.problems import STATUS

KINDS = ("signed", "counter")
USES = ("identity", "medical", "merchant", "gate", "test")
LANGUAGES = {"en": "en", "zh": "zh-CN"}


@dataclass
class Counter:
    """A service with a pharmacy and one phone that carries a card of level L3."""

    service: Service
    phone: Phone
    people: int = 1

    @property
    def clock(self) -> Any:
        return self.service.clock

    def another_phone(self) -> Phone:
        """Enroll the card of somebody else, for tests that change how a card stands."""
        self.people += 1
        return self.service.enroll(card=self.service.make_card(self.people))

    def till(self, institution: str = "", purposes: tuple[str, ...] = USES) -> Till:
        return self.service.add_till(institution, purposes)

    def card(self, phone: Phone | None = None) -> ElectronicCard:
        with self.service.database.transaction() as connection:
            return get_card(connection, (phone or self.phone).card)

    def change(self, phone: Phone, change: Callable[..., None]) -> None:
        """Report a card lost, lift that, or cancel it, as an operator does."""
        ground = self.service.runtime.ground
        with ground.database.transaction() as connection:
            change(ground, connection, self.card(phone).chip_card, actor="op-1")

    def show(self, use: str = "medical", kind: str = "signed", *, audience: int = 0, phone: Phone | None = None) -> str:
        """Show a code and return its digits."""
        shower = phone or self.phone
        assert shower.sign_in().status_code == 200  # the last token may be minutes old by this clock
        answer = shower.code(use, kind, audience)
        assert answer.status_code == 201, answer.text
        digits: str = answer.json()["code"]
        return digits

    def mint(self, *, key: MintingKey | None = None, **changes: Any) -> str:
        """Mint a signed code as the service would, each detail open to change."""
        claims = {
            "card_index": self.card().card_index,
            "code_class": CodeClass.MEDICAL,
            "issued_at": self.clock(),
            "life_seconds": 60,
            **changes,
        }
        return mint_signed_code(key or self.minting_key, secrets.token_bytes, **claims)

    @property
    def minting_key(self) -> MintingKey:
        return self.service.runtime.codes.keys().minting

    def foreign_key(self) -> MintingKey:
        """A minting key under a kid that nobody has published."""
        return replace(self.minting_key, kid=0xFFFF)

    def count(self) -> int:
        """How many codes were taken so far; the books must agree on it."""
        books = read_books(self.service)
        books.require_whole()
        return len(books.redeemed)


def take(
    till: Till, code: Any, purpose: str = "medical", *, key: str | None = None, language: str = "en"
) -> httpx.Response:
    """Redeem a code at a till that speaks a language."""
    headers = {"Idempotency-Key": key or secrets.token_hex(16), "Accept-Language": LANGUAGES[language]}
    return till.send("POST", "/v1/redemptions", {"code": code, "purpose": purpose}, headers)


def require_verdict(answer: httpx.Response, verdict: type[Refusal], language: str = "en") -> dict[str, Any]:
    """Require this refusal, told in this language with what to do next; return the problem document."""
    problem: dict[str, Any] = json.loads(answer.text)
    told = (verdict.title_zh, verdict.next_zh) if language == "zh" else (verdict.title_en, verdict.next_en)
    assert (problem["code"], problem["title"], problem["next_step"]) == (verdict.code, *told)
    assert answer.status_code == problem["status"] == STATUS[verdict.kind]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Content-Language"] == LANGUAGES[language]
    assert answer.headers["Cache-Control"] == "no-store"
    return problem


def require_accepted(answer: httpx.Response) -> dict[str, Any]:
    """Require an acceptance and return it."""
    assert answer.status_code == 201, answer.text
    accepted: dict[str, Any] = answer.json()
    assert accepted["result"] == "accepted"
    return accepted


def unknown_counter_code(code_class: CodeClass = CodeClass.MEDICAL) -> str:
    """A well-formed counter code that nobody was given."""
    return mint_counter_code(code_class, secrets.token_bytes)


def flip_last_digit(code: str) -> str:
    return code[:-1] + str((int(code[-1]) + 1) % 10)
