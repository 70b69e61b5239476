"""Of many tries at once no more are compared than are left: threads, each with a connection of its own."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import Refusal
from ecard.cards import get_card
from ecard.errors import PasswordLocked, PasswordWrong
from ecard.password import keep_password
from tests.password.conftest import GOOD, OTHER, WRONG, Owner, make_owner
from tests.service import START

MANY, ROUNDS = 32, 3
pytestmark = pytest.mark.parametrize("round_", range(ROUNDS))


def at_once(act: Callable[[int], Any], many: int = MANY) -> list[Any]:
    barrier, results = threading.Barrier(many), [None] * many

    def run(number: int) -> None:
        barrier.wait(30)
        try:
            results[number] = act(number)
        except Refusal as refusal:
            results[number] = refusal

    threads = [threading.Thread(target=run, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.fixture
def racer(race_town) -> Owner:
    race_town.clock.now = START
    return make_owner(race_town, GOOD)


def test_of_many_wrong_tries_at_once_exactly_five_are_compared(racer, round_):
    answers = at_once(lambda _number: racer.check(WRONG))
    compared = [answer.tries_left for answer in answers if isinstance(answer, PasswordWrong)]
    assert sorted(compared) == [0, 1, 2, 3, 4]
    assert sum(isinstance(answer, PasswordLocked) for answer in answers) == MANY - 5
    assert (racer.row()["tries"], racer.row()["tries_in_all"]) == (5, 5)


def test_fifteen_are_compared_in_three_days_of_many_at_once(racer, round_):
    compared = 0
    for _ in range(4):
        compared += sum(isinstance(answer, PasswordWrong) for answer in at_once(lambda _number: racer.check(WRONG)))
        racer.service.clock.step(86_400)
    assert compared == 15


def test_the_right_one_among_many_wrong_ones_counts_only_before_the_lock(racer, round_):
    answers = at_once(lambda number: racer.check(GOOD if number == 0 else WRONG))
    wrong = sum(isinstance(answer, PasswordWrong) for answer in answers)
    assert wrong == 5 if answers[0] is not None else 5 <= wrong < 10
    assert racer.row()["tries"] == 5


def test_of_two_changes_at_once_one_wins(racer, round_):
    wanted = [OTHER, "903718"]
    answers = at_once(lambda number: keep(racer, wanted[number], current=GOOD), 2)
    assert Counter(type(answer) for answer in answers) == {type(None): 1, PasswordWrong: 1}
    racer.check(wanted[answers.index(None)])


def test_of_two_first_passwords_at_once_one_stays(race_town, round_):
    race_town.clock.now = START
    owner, wanted = make_owner(race_town), [GOOD, OTHER]
    assert at_once(lambda number: keep(owner, wanted[number], current=None), 2) == [None, None]
    assert [is_right(owner, password) for password in wanted].count(True) == 1


def keep(owner: Owner, password: str, *, current: str | None) -> None:
    """Do what the route does, in a transaction of this thread."""
    desk = owner.service.runtime.passwords
    with owner.service.database.transaction() as connection:
        card = get_card(connection, owner.phone.card)
        keep_password(desk, connection, card, owner.phone.device, given=password, current=current)


def is_right(owner: Owner, password: str) -> bool:
    try:
        owner.check(password)
    except PasswordWrong:
        return False
    return True
