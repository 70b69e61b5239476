"""A lost card stops at once, in showing and in taking, and a found one goes on."""

import pytest

from ecard.errors import CardEnded, ElectronicCardSuspended
from ecard.standing import cancel_card, lift_loss, report_loss
from qr.errors import CardCancelled, CardSuspended
from tests.redemption.counter import KINDS, Counter, require_accepted, require_verdict, take


@pytest.mark.parametrize("kind", KINDS)
def test_a_suspended_card_shows_and_pays_nothing_until_it_is_found(counter: Counter, kind: str) -> None:
    phone, till = counter.another_phone(), counter.till()
    code = counter.show(kind=kind, phone=phone)
    before = counter.count()
    counter.change(phone, report_loss)
    require_verdict(phone.code("medical", kind), ElectronicCardSuspended)
    require_verdict(take(till, code), CardSuspended)
    assert counter.count() == before
    counter.change(phone, lift_loss)
    require_accepted(take(till, code))
    require_accepted(take(till, counter.show(kind=kind, phone=phone)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lost_before", [False, True])
def test_a_cancelled_card_is_over(counter: Counter, kind: str, lost_before: bool) -> None:
    phone, till = counter.another_phone(), counter.till()
    code = counter.show(kind=kind, phone=phone)
    if lost_before:
        counter.change(phone, report_loss)
    counter.change(phone, cancel_card)
    require_verdict(phone.code("medical", kind), CardEnded)
    require_verdict(take(till, code), CardCancelled)


def test_the_loss_of_one_card_stops_no_other(counter: Counter) -> None:
    lost, other = counter.another_phone(), counter.another_phone()
    counter.change(lost, report_loss)
    require_accepted(take(counter.till(), counter.show(phone=other)))
