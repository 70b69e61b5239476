"""What comes at the same moment: a loss report wins, and there is one card (threats.md E6)."""

import os
import time
from functools import partial

import pytest
import sqlalchemy as sa

from auth.oauth.models import oauth_grants
from channels.issuance import finishing
from channels.issuance.finishing import finish_one
from channels.models import carriages
from ecard import issuance as enrolled_issuance
from ecard.cards import find_card_of_chip
from ecard.models import electronic_cards
from ecard.standing import report_loss
from physical.chip.files import read_ef05
from physical.register import get_chip_card, get_chip_card_by_id
from qr.models import card_faces
from tests.channels.carriers import CarryingApp
from tests.enrollment.attempt import Attempt
from tests.enrollment.together import together
from tests.issuance.banks import Bank, make_bank, make_customer
from tests.oauth.holder import make_holder
from tests.persons import make_person
from tests.service import Service

ROUNDS = int(os.environ.get("RACE_ROUNDS", "25"))
"""``RACE_ROUNDS=1000`` for the long run, whose figures stand in docs/performance.md."""


def chip_of(service: Service, card) -> str:
    code = read_ef05(card.contents.issuer_records).card_identification_code
    with service.database.transaction() as connection:
        return get_chip_card(connection, code).id


def lose(service: Service, chip: str, delay: float) -> None:
    time.sleep(delay)
    ground = service.runtime.ground
    with ground.database.transaction() as connection:
        report_loss(ground, connection, chip, actor="hotline")


def test_a_loss_report_beside_an_issuance_always_stops_the_card(both):
    bank = make_bank(both)
    for number in range(1, ROUNDS + 1):
        chip = chip_of(both, both.make_card(number))
        issuance = bank.ask(make_person(number))
        together(partial(finish_one, bank.desk), partial(lose, both, chip, 0.0005 * (number % 12)))
        state = bank.look(issuance)["state"]
        with both.database.transaction() as connection:
            assert get_chip_card_by_id(connection, chip).standing == "lost"
            card = find_card_of_chip(connection, chip)
        assert (state, card and card.standing) in {("issued", "suspended"), ("refused", None)}


@pytest.mark.parametrize("when", ["plan_assured_card", "sign_plan"])
def test_a_card_that_is_lost_while_it_is_issued_is_not_issued(both, monkeypatch, when):
    bank, card = make_bank(both), both.make_card(1)
    chip, original = chip_of(both, card), getattr(finishing, when)
    if when == "plan_assured_card":
        bank.core.before = lambda: lose(both, chip, 0)
    else:
        monkeypatch.setattr(finishing, when, lambda *given: (lose(both, chip, 0), original(*given))[1])
    issued = bank.issue(make_person(1))
    assert (issued["state"], issued["because"]) == ("refused", "not_eligible")
    with both.database.transaction() as connection:
        assert find_card_of_chip(connection, chip) is None


def test_two_banks_at_once_issue_one_card(both):
    first, second = make_bank(both), make_bank(both)
    for _ in range(ROUNDS):
        person = make_customer(both)
        asked = first.ask(person), second.ask(person)
        together(partial(finish_one, first.desk), partial(finish_one, second.desk))
        first.work()
        one, other = first.look(asked[0]), second.look(asked[1])
        assert (one["state"], other["state"]) == ("issued", "issued")
        assert sorted([one["result"], other["result"]]) == ["001", "002"]
        assert first.card_of(one).id == second.card_of(other).id


def test_a_bank_that_issues_while_its_customer_signs_by_redirect_leaves_one_carriage_on_one_link(both):
    bank, holder = make_bank(both), make_holder(both)
    app = CarryingApp(both, bank.app, bank.client)
    for _ in range(ROUNDS):
        linked, asked = app.link(holder), bank.ask(make_person(1))
        signed, _ = together(linked.sign, partial(finish_one, bank.desk))
        both.clock.step(60)  # an issuance that found the carriage just changed is tried again after a while
        bank.work()
        assert bank.look(asked)["state"] == "issued"
        # who comes second finds that the other one has moved on, and is told so
        assert signed.status_code == 201 or signed.json()["code"] in {"carriage_out_of_step", "link_needed"}
        with both.database.transaction() as connection:
            carried = connection.execute(carriages.select()).one()
            live = card_faces.select().where(card_faces.c.ended_at.is_(None))
            assert [face.card_index for face in connection.execute(live)] == [carried.face]
            lasting = sa.select(oauth_grants.c.id).where(oauth_grants.c.ended_at.is_(None))
            assert list(connection.execute(lasting).scalars()) == [carried.link]
        assert cards(both) == 1


def interpose(monkeypatch, module, function: str, act) -> None:
    """Let something happen once, right before a step."""
    original = getattr(module, function)

    def step(*given):
        monkeypatch.setattr(module, function, original)
        act()
        return original(*given)

    monkeypatch.setattr(module, function, step)


def test_a_bank_that_comes_between_plan_and_signature_of_an_enrollment_loses_nothing(both, monkeypatch):
    bank, chip = make_bank(both), both.make_card(1)
    attempt = Attempt(both, card=chip).until("complete")
    asked = bank.ask(make_person(1))
    interpose(monkeypatch, enrolled_issuance, "sign_credential", bank.work)
    confirmed = attempt.confirm(attempt.chip.id)
    assert confirmed.status_code == 201, confirmed.text
    card = bank.card_of(bank.look(asked))
    assert (confirmed.json()["id"], card.level, bank.look(asked)["result"]) == (card.id, "L3", "001")
    assert cards(both) == 1


def test_an_enrollment_that_comes_between_plan_and_signature_of_a_bank_is_used(both, monkeypatch):
    bank, chip = make_bank(both), both.make_card(1)
    attempt = Attempt(both, card=chip).until("complete")
    asked = bank.ask(make_person(1))
    interpose(monkeypatch, finishing, "sign_plan", lambda: attempt.confirm(attempt.chip.id))
    bank.work()
    card = bank.card_of(bank.look(asked))
    assert (card.level, bank.look(asked)["result"]) == ("L3", "002")
    assert cards(both) == 1


def test_a_bank_and_an_enrollment_at_the_same_moment_make_one_card_at_l3(both):
    bank: Bank = make_bank(both)
    for number in range(1, ROUNDS // 5 + 1):
        attempt = Attempt(both, card=both.make_card(number)).until("complete")
        asked = bank.ask(make_person(number))
        confirmed, _ = together(partial(attempt.confirm, attempt.chip.id), partial(finish_one, bank.desk))
        bank.work()
        assert confirmed.status_code == 201, confirmed.text
        issued = bank.look(asked)
        assert bank.card_of(issued).id == confirmed.json()["id"]
        assert bank.card_of(issued).level == "L3"
        assert cards(both) == number


def cards(service: Service) -> int:
    with service.database.transaction() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(electronic_cards)).scalar_one()
