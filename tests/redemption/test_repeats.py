"""Answers get lost: the same terminal with the same key and the same request gets the same answer again."""

import json
import secrets

import pytest

from auth.errors import NonceSpent
from core.errors import IdempotencyKeyMissing, IdempotencyKeyReused, Limited
from ecard.standing import report_loss
from qr.errors import CardSuspended, CodeExpired, CodeNotYetValid, CodeSpent, WrongClass
from tests.redemption.counter import (
    KINDS,
    Counter,
    require_accepted,
    require_verdict,
    take,
    unknown_counter_code,
)

A_DAY = 86_400
VISIT = 1800


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("later", [0, 66, 1000, VISIT - 1])
def test_a_repeated_request_gets_the_same_answer_while_the_visit_lasts(counter: Counter, kind: str, later: int) -> None:
    till, code, key = counter.till(), counter.show(kind=kind), secrets.token_hex(8)
    first = take(till, code, key=key)
    before = counter.count()
    require_accepted(first)
    counter.clock.step(later)
    again = take(till, code, key=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert counter.count() == before


@pytest.mark.parametrize("later", [VISIT, A_DAY])
def test_when_the_visit_has_ended_a_repeated_request_opens_nothing_again(counter: Counter, later: int) -> None:
    till, code, key = counter.till(), counter.show(), secrets.token_hex(8)
    require_accepted(take(till, code, key=key))
    counter.clock.step(later)
    require_verdict(take(till, code, key=key), CodeExpired)


@pytest.mark.parametrize("purpose", ["identity", "merchant", "gate", "test"])
def test_the_answer_is_the_same_for_every_purpose(counter: Counter, purpose: str) -> None:
    till, code, key = counter.till(), counter.show(purpose), secrets.token_hex(8)
    first, again = (take(till, code, purpose, key=key) for _ in range(2))
    require_accepted(first)
    assert first.content == again.content


@pytest.mark.parametrize("kind", KINDS)
def test_a_repeated_request_is_answered_also_after_the_card_was_lost(counter: Counter, kind: str) -> None:
    phone, till, key = counter.another_phone(), counter.till(), secrets.token_hex(8)
    code = counter.show(kind=kind, phone=phone)
    first = take(till, code, key=key)
    counter.change(phone, report_loss)
    assert take(till, code, key=key).content == first.content
    require_verdict(take(till, code), CardSuspended)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_key_with_another_request_is_refused(counter: Counter, kind: str, language: str) -> None:
    till, code, key = counter.till(), counter.show(kind=kind), secrets.token_hex(8)
    require_accepted(take(till, code, key=key))
    before = counter.count()
    others = [(counter.show(kind=kind), "medical"), (code, "merchant"), (code + "0", "medical"), ("x", "medical")]
    for other, purpose in others:
        answer = take(till, other, purpose, key=key, language=language)
        require_verdict(answer, IdempotencyKeyReused, language)
    assert counter.count() == before
    require_accepted(take(till, others[0][0]))


def test_a_key_belongs_to_its_terminal(counter: Counter) -> None:
    code, other, key = counter.show(), counter.show(), secrets.token_hex(8)
    first, second = counter.till(), counter.till()
    require_accepted(take(first, code, key=key))
    require_verdict(take(second, code, key=key), CodeSpent)
    require_accepted(take(second, other, key=key))


def test_a_refused_request_leaves_its_key_unused(counter: Counter) -> None:
    till, key = counter.till(), secrets.token_hex(8)
    counter.clock.step(60)
    code = counter.show()
    require_verdict(take(till, code, "merchant", key=key), WrongClass)
    counter.clock.step(-6)
    require_verdict(take(till, code, key=key), CodeNotYetValid)
    counter.clock.step(6)
    require_accepted(take(till, code, key=key))


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("key", [None, "", "1234567", "a" * 65, "with blank", "a:b:c:d:e", "offline:" + "0" * 32])
def test_a_request_needs_a_key_of_its_own(counter: Counter, key: str | None, language: str) -> None:
    till, before = counter.till(), counter.count()
    content = json.dumps({"code": counter.show(), "purpose": "medical"}).encode()
    headers = {"Accept-Language": {"en": "en", "zh": "zh-CN"}[language], "Content-Type": "application/json"}
    headers["Authorization"] = till.sign("POST", "/v1/redemptions", content)
    if key is not None:
        headers["Idempotency-Key"] = key
    answer = till.http.post("/v1/redemptions", content=content, headers=headers)
    require_verdict(answer, IdempotencyKeyMissing, language)
    assert counter.count() == before


def test_a_request_that_was_accepted_cannot_be_played_again(counter: Counter) -> None:
    till, code = counter.till(), counter.show()
    content = json.dumps({"code": code, "purpose": "medical"}).encode()
    headers = {
        "Authorization": till.sign("POST", "/v1/redemptions", content),
        "Content-Type": "application/json",
        "Idempotency-Key": secrets.token_hex(8),
    }
    require_accepted(till.http.post("/v1/redemptions", content=content, headers=headers))
    require_verdict(till.http.post("/v1/redemptions", content=content, headers=headers), NonceSpent)
    headers["Idempotency-Key"] = secrets.token_hex(8)
    require_verdict(till.http.post("/v1/redemptions", content=content, headers=headers), NonceSpent)


def test_a_used_key_does_not_hide_guesses(counter: Counter) -> None:
    till, code, key = counter.till(), counter.show(), secrets.token_hex(8)
    first = take(till, code, key=key)
    for _ in range(20):
        require_verdict(take(till, unknown_counter_code(), key=key), IdempotencyKeyReused)
    require_verdict(take(till, unknown_counter_code()), Limited)
    assert take(till, code, key=key).content == first.content
