"""Workers die at any moment (trust.md, figures 1 to 3): nothing is taken twice, lost or burnt."""

import secrets
import threading
import time
from dataclasses import dataclass

import pytest

from cli.till import Till
from tests.redemption.processes import Town, at_once, redeem_stubbornly

KILLS = {"postgresql": 10, "sqlite": 3}
CODES = 320
TAKERS = 8


@dataclass(frozen=True)
class Taken:
    """What one terminal's journal says of one code."""

    code: str
    key: str
    till: Till
    verdict: str
    redemption: str | None


def take_stubbornly(till: Till, code: str) -> Taken:
    key = secrets.token_hex(8)
    told = redeem_stubbornly(till, code, key).json()
    return Taken(code, key, till, told.get("code", "accepted"), told.get("id"))


@pytest.mark.parametrize("town", ["postgresql", "sqlite"], indirect=True)
def test_killed_workers_take_no_code_twice_lose_none_and_burn_none(town: Town) -> None:
    """Each code is taken by its till and, at the same time, by a thief; both ask until they are told."""
    card, before = town.card_of(town.phones[0]), set(town.books().redeemed)
    codes, over = [town.mint(card) for _ in range(CODES)], threading.Event()
    journal: list[Taken] = []

    def load(number: int) -> None:
        till = town.tills[number % len(town.tills)]
        for code in codes[number // 2 :: TAKERS // 2]:
            journal.append(take_stubbornly(till, code))
            over.wait(0.05)  # so that the load lasts as long as the killing

    def kill() -> None:
        for _ in range(KILLS[town.inside.database.engine.dialect.name]):
            town.processes.kill_worker()
            time.sleep(0.5)
        over.set()

    at_once([kill, *(lambda number=number: load(number) for number in range(TAKERS))], lambda act: act())
    require_one_acceptance_each(town, journal, codes, before)


def require_one_acceptance_each(town: Town, journal: list[Taken], codes: list[str], before: set[str]) -> None:
    accepted = [taken for taken in journal if taken.verdict == "accepted"]
    assert {taken.verdict for taken in journal} == {"accepted", "already_used"}
    assert sorted(taken.code for taken in accepted) == sorted(codes)
    books = town.books()
    books.require_whole()
    assert set(books.redeemed) - before == {taken.redemption for taken in accepted}
    for taken in accepted[::10]:
        again = taken.till.redeem(taken.code, "merchant", key=taken.key)
        assert (again.status_code, again.json()["id"]) == (201, taken.redemption)
