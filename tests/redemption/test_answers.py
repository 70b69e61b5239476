"""Every answer to a scanned code (qr-code.md, Redemption), over HTTP, in both renderings and both languages."""

import secrets

import pytest
import sqlalchemy as sa

from auth.errors import TerminalNotAllowed
from ecard.standing import cancel_card, report_loss
from qr.code_class import CodeClass
from qr.counter_code import check_digit
from qr.errors import (
    BadSignature,
    CardCancelled,
    CardSuspended,
    CodeExpired,
    CodeMalformed,
    CodeNotYetValid,
    CodeSpent,
    CodeUnknown,
    WrongAudience,
    WrongClass,
)
from qr.models import redemptions
from tests.redemption.counter import (
    KINDS,
    Counter,
    flip_last_digit,
    require_accepted,
    require_verdict,
    take,
    unknown_counter_code,
)
from web.worker import Worker

pytestmark = [pytest.mark.parametrize("kind", KINDS), pytest.mark.parametrize("language", ["zh", "en"])]


def test_a_live_code_is_accepted(counter: Counter, kind: str, language: str) -> None:
    before = counter.count()
    till, code = counter.till(), counter.show(kind=kind)
    accepted = require_accepted(take(till, code, language=language))
    with counter.service.database.transaction() as connection:
        row = connection.execute(sa.select(redemptions).where(redemptions.c.id == accepted["id"])).one()
    assert (row.card, row.terminal, row.purpose, row.rendering) == (counter.phone.card, till.terminal, "medical", kind)
    assert counter.count() == before + 1


def test_the_holder_sees_an_acceptance_at_once_and_is_told(counter: Counter, kind: str, language: str) -> None:
    accepted = require_accepted(take(counter.till(), counter.show(kind=kind), language=language))
    phone = counter.phone
    use = phone.call("GET", f"/v1/cards/{phone.card}/uses").json()["items"][0]
    assert (use["id"], use["purpose"], use["rendering"], use["mode"]) == (accepted["id"], "medical", kind, "online")
    assert use["redeemed_at"] == accepted["redeemed_at"]
    worker = Worker(counter.service.runtime)
    while worker.tell():
        pass
    notice = phone.send("GET", "/v1/notices").json()["items"][0]
    assert (notice["kind"], notice["content"]["redemption"]) == ("code.redeemed", accepted["id"])


@pytest.mark.parametrize(("second", "expired"), [(64, False), (65, True), (66, True)])
def test_a_code_dies_five_seconds_after_its_minute(
    counter: Counter, kind: str, language: str, second: int, expired: bool
) -> None:
    till, code = counter.till(), counter.show(kind=kind)
    counter.clock.step(second)
    answer = take(till, code, language=language)
    if expired:
        require_verdict(answer, CodeExpired, language)
    else:
        require_accepted(answer)


@pytest.mark.parametrize(("second", "early"), [(4, False), (5, False), (6, True)])
def test_a_code_from_more_than_five_seconds_ahead_is_not_valid_yet(
    counter: Counter, kind: str, language: str, second: int, early: bool
) -> None:
    till = counter.till()
    counter.clock.step(60)  # the till was registered before any clock went back
    code = counter.show(kind=kind)
    counter.clock.step(-second)
    answer = take(till, code, language=language)
    if early:
        require_verdict(answer, CodeNotYetValid, language)
        counter.clock.step(1)
        answer = take(till, code)
    require_accepted(answer)
    counter.clock.step(60)


def test_a_code_is_spent_here_or_elsewhere(counter: Counter, kind: str, language: str) -> None:
    till, code = counter.till(), counter.show(kind=kind)
    require_accepted(take(till, code))
    before = counter.count()
    assert require_verdict(take(till, code, language=language), CodeSpent, language)["where"] == "here"
    neighbour, stranger = counter.till(), counter.till(counter.service.add_institution())
    for other in (neighbour, stranger):
        assert require_verdict(take(other, code, language=language), CodeSpent, language)["where"] == "elsewhere"
    assert counter.count() == before


def test_a_code_that_nobody_was_given_is_unknown(counter: Counter, kind: str, language: str) -> None:
    code = unknown_counter_code() if kind == "counter" else counter.mint(key=counter.foreign_key())
    require_verdict(take(counter.till(), code, language=language), CodeUnknown, language)


def test_a_code_of_no_card_is_unknown(counter: Counter, kind: str, language: str) -> None:
    code = unknown_counter_code() if kind == "counter" else counter.mint(card_index=secrets.randbits(63))
    require_verdict(take(counter.till(), code, language=language), CodeUnknown, language)


def test_a_code_for_another_use_is_of_the_wrong_class(counter: Counter, kind: str, language: str) -> None:
    till, code = counter.till(), counter.show("merchant", kind)
    require_verdict(take(till, code, "medical", language=language), WrongClass, language)
    require_accepted(take(till, code, "merchant"))


def test_a_code_for_another_group_has_the_wrong_audience(counter: Counter, kind: str, language: str) -> None:
    code = counter.show("merchant", kind, audience=7)
    for audience in (0, 6, 8):
        outsider = counter.till(counter.service.add_institution(audience=audience))
        require_verdict(take(outsider, code, "merchant", language=language), WrongAudience, language)
    member = counter.till(counter.service.add_institution(audience=7))
    require_accepted(take(member, code, "merchant", language=language))


def test_a_member_of_a_group_takes_codes_for_anyone(counter: Counter, kind: str, language: str) -> None:
    member = counter.till(counter.service.add_institution(audience=7))
    require_accepted(take(member, counter.show("merchant", kind), "merchant", language=language))


def test_a_suspended_card_is_told_apart(counter: Counter, kind: str, language: str) -> None:
    phone = counter.another_phone()
    code = counter.show(kind=kind, phone=phone)
    counter.change(phone, report_loss)
    require_verdict(take(counter.till(), code, language=language), CardSuspended, language)


def test_a_cancelled_card_is_told_apart(counter: Counter, kind: str, language: str) -> None:
    phone = counter.another_phone()
    code = counter.show(kind=kind, phone=phone)
    counter.change(phone, cancel_card)
    require_verdict(take(counter.till(), code, language=language), CardCancelled, language)


def test_a_terminal_without_the_purpose_is_not_allowed(counter: Counter, kind: str, language: str) -> None:
    till, code = counter.till(purposes=("merchant",)), counter.show(kind=kind)
    require_verdict(take(till, code, language=language), TerminalNotAllowed, language)
    require_accepted(take(counter.till(), code))


def test_a_terminal_of_an_institution_without_the_scope_is_not_allowed(
    counter: Counter, kind: str, language: str
) -> None:
    till, code = counter.till(counter.service.add_institution(scopes=("enroll",))), counter.show(kind=kind)
    require_verdict(take(till, code, language=language), TerminalNotAllowed, language)


def test_every_other_spelling_of_a_code_is_malformed(counter: Counter, kind: str, language: str) -> None:
    till, code = counter.till(), counter.show(kind=kind)
    fullwidth = code.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
    spellings = [f" {code}", f"{code}\n", f"{code}0", code[:-1], f"+{code[1:]}", fullwidth, code[:9] + "_" + code[10:]]
    spellings += ["x", "83" + code[2:], "8" * 512, "82" + "9" * 220]
    for spelling in spellings:
        require_verdict(take(till, spelling, language=language), CodeMalformed, language)
    require_accepted(take(till, code))


def test_a_wrong_last_digit_is_found(counter: Counter, kind: str, language: str) -> None:
    verdict = CodeMalformed if kind == "counter" else BadSignature
    till, code = counter.till(), counter.show(kind=kind)
    require_verdict(take(till, flip_last_digit(code), language=language), verdict, language)


def test_a_changed_class_is_found(counter: Counter, kind: str, language: str) -> None:
    code = counter.show(kind=kind)
    if kind == "counter":
        edited = code[:2] + f"{CodeClass.MERCHANT:d}" + code[3:-1]
        edited, verdict = edited + check_digit(edited), WrongClass
    else:
        body = bytearray(int(code[2:]).to_bytes(91, "big"))
        body[0] = body[0] & 0xF0 | CodeClass.MERCHANT
        edited, verdict = f"82{int.from_bytes(body, 'big'):0220d}", BadSignature
    for purpose in ("merchant", "medical"):
        require_verdict(take(counter.till(), edited, purpose, language=language), verdict, language)


def test_a_minute_begins_with_the_whole_second_of_showing(counter: Counter, kind: str, language: str) -> None:
    counter.clock.step(0.9)
    till, code = counter.till(), counter.show(kind=kind)
    counter.clock.step(64.1)  # 65 seconds after the second in which it was shown, 64.1 after the moment itself
    require_verdict(take(till, code, language=language), CodeExpired, language)
