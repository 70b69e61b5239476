"""One winner, whoever races (trust.md, figure 10; threats.md, S2): real worker processes, real connections."""

import random
import secrets
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sqlalchemy as sa

from core.clock import system_clock, to_text
from ecard.cards import ElectronicCard
from ecard.standing import lift_loss, report_loss
from qr.models import redemptions
from tests.redemption.processes import MANY, Town, at_once

THREADS, CODES = 50, 40
RACES = 120


def verdicts(answers: list[httpx.Response]) -> Counter[str]:
    return Counter(answer.json().get("result") or answer.json()["code"] for answer in answers)


@pytest.mark.parametrize("kind", ["signed", "counter"])
def test_of_sixty_four_redemptions_of_one_code_one_wins(town: Town, kind: str) -> None:
    code = town.phones[0].code("merchant", kind).json()["code"]
    tills = [town.tills[number % len(town.tills)] for number in range(MANY)]
    answers = at_once(tills, lambda till: till.redeem(code, "merchant"))
    assert verdicts(answers) == {"accepted": 1, "already_used": MANY - 1}
    winner = next(number for number, answer in enumerate(answers) if answer.status_code == 201)
    for till, answer in zip(tills, answers, strict=True):
        if answer.status_code != 201:
            assert answer.json()["where"] == ("here" if till is tills[winner] else "elsewhere")
    town.books().require_whole()


@pytest.mark.parametrize("kind", ["signed", "counter"])
def test_one_request_sent_sixty_four_times_at_once_has_one_answer(town: Town, kind: str) -> None:
    code, key = town.phones[0].code("merchant", kind).json()["code"], secrets.token_hex(8)
    answers = at_once([town.tills[0]] * MANY, lambda till: till.redeem(code, "merchant", key=key))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    town.books().require_whole()


def test_one_key_for_sixty_four_codes_serves_one_of_them(town: Town) -> None:
    card, key = town.card_of(town.phones[0]), secrets.token_hex(8)
    codes = [town.mint(card) for _ in range(MANY)]
    answers = at_once(codes, lambda code: town.tills[0].redeem(code, "merchant", key=key))
    assert verdicts(answers) == {"accepted": 1, "idempotency_key_reused": MANY - 1}
    town.books().require_whole()


@pytest.mark.parametrize("town", ["postgresql"], indirect=True)
def test_fifty_threads_take_forty_codes_once_each(town: Town) -> None:
    cards = [town.card_of(phone) for phone in town.phones]
    codes = [town.mint(cards[number % 2]) for number in range(CODES)]
    before = len(town.books().redeemed)

    def take_all(number: int) -> list[httpx.Response]:
        mine = random.Random(number).sample(codes, CODES)
        return [town.tills[number % 4].redeem(code, "merchant") for code in mine]

    answers = [answer for taken in at_once(list(range(THREADS)), take_all) for answer in taken]
    assert verdicts(answers) == {"accepted": CODES, "already_used": (THREADS - 1) * CODES}
    books = town.books()
    books.require_whole()
    assert len(books.redeemed) == before + CODES


@pytest.mark.parametrize("town", ["postgresql"], indirect=True)
def test_no_redemption_commits_after_a_loss_report(town: Town) -> None:
    card, chance = town.card_of(town.phones[1]), random.Random(20260303)
    taken_before = 0
    for _ in range(RACES):
        taken_before += race_a_loss_report(town, card, chance.uniform(0, 0.02))
        with town.inside.database.transaction() as connection:
            lift_loss(town.inside.runtime.ground, connection, card.chip_card, actor="op-1")
    assert 0 < taken_before < RACES  # the report came first in some races and last in others
    town.books().require_whole()


def race_a_loss_report(town: Town, card: ElectronicCard, pause: float) -> int:
    """Report a loss while four tills redeem one code; return how many acceptances came before it.

    They are counted inside the report's transaction, when it holds the card's row and nobody else can: a redemption
    that is there later and was not there then has committed too late.
    """
    code, counted = town.mint(card), []

    def report() -> None:
        threading.Event().wait(pause)
        with town.inside.database.transaction() as connection:
            report_loss(town.inside.runtime.ground, connection, card.chip_card, actor="op-1")
            counted.append(count_of(connection, card.id))

    with ThreadPoolExecutor(1) as reporter:
        reported = reporter.submit(report)
        told = verdicts(at_once(town.tills, lambda till: till.redeem(code, "merchant")))
        reported.result()
    assert verdicts([town.tills[0].redeem(town.mint(card), "merchant")]) == {"card_suspended": 1}
    with town.inside.database.transaction() as connection:
        assert counted == [count_of(connection, card.id)]
    assert set(told) <= {"accepted", "already_used", "card_suspended"}
    return told["accepted"]


def count_of(connection: sa.Connection, card: str) -> int:
    found = connection.execute(sa.select(sa.func.count()).where(redemptions.c.card == card)).scalar_one()
    return int(found)


@pytest.mark.parametrize("town", ["postgresql"], indirect=True)
def test_terminals_that_upload_the_same_codes_crosswise_do_not_block_each_other(town: Town) -> None:
    card, at = town.card_of(town.phones[0]), to_text(system_clock())
    items = [{"code": town.mint(card), "accepted_at": at} for _ in range(40)]
    before = len(town.books().redeemed)

    def upload(number: int) -> list[str]:
        batch = items if number % 2 else items[::-1]
        answer = town.tills[number].send("POST", "/v1/offline-acceptances", {"items": batch})
        assert answer.status_code == 200, answer.text
        return [outcome["result"] for outcome in answer.json()["outcomes"]]

    outcomes = [result for results in at_once([0, 1, 2, 3], upload) for result in results]
    assert Counter(outcomes) == {"recorded": 40, "duplicate": 120}
    assert len(town.books().redeemed) == before + 40
