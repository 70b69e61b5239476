"""A code is taken for the use it was shown for and for no other (threats.md, Q5): the full matrix."""

import pytest

from auth.errors import TerminalNotAllowed
from core.errors import Malformed
from ecard.errors import LevelTooLow
from ecard.models import electronic_cards
from qr.errors import WrongClass
from qr.signed_code import Flag
from tests.redemption.counter import KINDS, USES, Counter, require_accepted, require_verdict, take


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", USES)
def test_only_the_diagonal_of_use_and_purpose_passes(counter: Counter, use: str, kind: str) -> None:
    till, code = counter.till(), counter.show(use, kind)
    for purpose in USES:
        if purpose != use:
            require_verdict(take(till, code, purpose), WrongClass)
    require_accepted(take(till, code, use))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", USES)
def test_a_terminal_takes_the_purposes_it_is_registered_for(counter: Counter, use: str, kind: str) -> None:
    code = counter.show(use, kind)
    others = tuple(purpose for purpose in USES if purpose != use)
    require_verdict(take(counter.till(purposes=others), code, use), TerminalNotAllowed)
    require_accepted(take(counter.till(purposes=(use,)), code, use))


def test_a_code_flagged_as_a_test_buys_nothing(counter: Counter) -> None:
    require_verdict(take(counter.till(), counter.mint(flags=Flag.TEST)), WrongClass)


@pytest.mark.parametrize("purpose", ["", "Medical", "all", 1, None, ["medical"]])
def test_a_purpose_is_one_of_five_words(counter: Counter, purpose: object) -> None:
    code = counter.show()
    require_verdict(take(counter.till(), code, purpose), Malformed)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_of_the_lowest_level_shows_no_medical_code(counter: Counter, kind: str) -> None:
    phone = counter.another_phone()
    set_level(counter, phone.card, "L1")
    assert phone.sign_in().is_success
    require_verdict(phone.code("medical", kind), LevelTooLow)
    for use in ("identity", "merchant", "gate", "test"):
        require_accepted(take(counter.till(), counter.show(use, kind, phone=phone), use))


@pytest.mark.parametrize("level", ["L2", "L3"])
def test_higher_levels_show_every_code(counter: Counter, level: str) -> None:
    phone = counter.another_phone()
    set_level(counter, phone.card, level)
    for use in USES:
        require_accepted(take(counter.till(), counter.show(use, phone=phone), use))


def set_level(counter: Counter, card: str, level: str) -> None:
    with counter.service.database.transaction() as connection:
        connection.execute(electronic_cards.update().where(electronic_cards.c.id == card).values(level=level))
