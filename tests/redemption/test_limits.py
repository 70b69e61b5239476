"""How many codes a phone may ask for, and how many unknown ones a terminal may try."""

import pytest

from core.errors import Limited
from qr.errors import CodeMalformed, CodeUnknown
from tests.redemption.counter import (
    KINDS,
    Counter,
    flip_last_digit,
    require_accepted,
    require_verdict,
    take,
    unknown_counter_code,
)
from tests.service import Service

CODES_A_MINUTE = 20
GUESSES_A_MINUTE = 20


def test_a_phone_shows_twenty_codes_a_minute(service: Service) -> None:
    phone = service.enroll()
    for number in range(CODES_A_MINUTE):
        assert phone.code("medical", KINDS[number % 2]).status_code == 201
    for kind in KINDS:
        answer = phone.code("medical", kind)
        require_verdict(answer, Limited)
        assert answer.headers["Retry-After"] == "60"
    service.clock.step(59)
    require_verdict(phone.code("medical"), Limited)
    service.clock.step(1)
    assert phone.code("medical").status_code == 201


def test_the_limit_of_one_phone_is_not_another_s(sqlite_service: Service) -> None:
    phone, other = sqlite_service.enroll(), sqlite_service.enroll(card=sqlite_service.make_card(2))
    for _ in range(CODES_A_MINUTE + 1):
        answer = phone.code("medical")
    require_verdict(answer, Limited)
    assert other.code("medical").status_code == 201


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_terminal_that_guesses_learns_nothing_more_for_a_minute(counter: Counter, language: str) -> None:
    till, live = counter.till(), counter.show(kind="counter")
    for _ in range(GUESSES_A_MINUTE):
        require_verdict(take(till, unknown_counter_code()), CodeUnknown)
    for code in (unknown_counter_code(), live):
        answer = take(till, code, language=language)
        require_verdict(answer, Limited, language)
        assert answer.headers["Retry-After"] == "60"
    require_accepted(take(till, counter.show()))
    counter.clock.step(59)
    require_verdict(take(till, live), Limited)
    counter.clock.step(1)
    require_accepted(take(till, live))


def test_the_guesses_of_one_terminal_are_not_another_s(counter: Counter) -> None:
    till, neighbour, live = counter.till(), counter.till(), counter.show(kind="counter")
    for _ in range(GUESSES_A_MINUTE + 1):
        answer = take(till, unknown_counter_code())
    require_verdict(answer, Limited)
    require_accepted(take(neighbour, live))


def test_a_misread_code_is_no_guess(counter: Counter) -> None:
    till, live = counter.till(), counter.show(kind="counter")
    for _ in range(GUESSES_A_MINUTE + 5):
        require_verdict(take(till, flip_last_digit(live)), CodeMalformed)
    require_accepted(take(till, live))
