"""Whoever races, one wins: threads behind a barrier, each with a connection of its own to PostgreSQL."""

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from auth.institution_operators import MOST_WRONG_CODES, NotAnOperator, TooManyWrongCodes
from auth.models import institution_operators, parties, party_keys
from auth.oauth.device_approval import TerminalRequestOver, UserCodeUnknown, dismiss_operator
from auth.oauth.models import device_authorizations, oauth_grants
from cli.till import Till
from core.errors import Refusal
from tests.device_flow.terminals_of_tests import SCOPE, Rotating, Software, new_key
from tests.oauth.clients_of_tests import Key
from tests.oauth.test_races import MANY, ROUNDS, alone, at_once

pytestmark = pytest.mark.parametrize("round_", range(ROUNDS))


def apart(software: Software) -> Software:
    return replace(software, client=alone(software.client), granted=dict(software.granted))


def tried(act) -> str:
    """Name how an act ended."""
    try:
        act()
    except Refusal as refusal:
        return type(refusal).__name__
    return "done"


def count(town, table, *conditions) -> int:
    with town.service.database.transaction() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one()


def typed(town):
    software, operator = town.software(), town.operator()
    software.ask()
    town.type_code(operator, software.asked["user_code"])
    return software, operator


def test_a_device_code_sent_by_many_at_once_gives_one_token(race, round_):
    software, operator = typed(race)
    race.allow(operator)
    answers = at_once(lambda _number: apart(software).poll())
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: MANY - 1}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    software.granted = next(answer.json() for answer in answers if answer.status_code == 200)
    assert software.register().status_code == 201


def test_a_code_without_a_key_belongs_to_one_of_many_keys(race, round_):
    software, operator = race.software(), race.operator()
    software.asked = software.client.post("/oauth/device_authorization", {"scope": SCOPE}).json()
    race.type_code(operator, software.asked["user_code"])
    race.allow(operator)
    many = [apart(software) for _ in range(MANY)]
    for one in many:
        one.client.dpop = Key()
    answers = at_once(lambda number: many[number].poll())
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: MANY - 1}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_dpop_proof"}
    winner = next(one for one in many if one.granted)
    assert winner.register().status_code == 201


def test_of_many_polls_at_once_one_is_in_time(race, round_):
    software, _operator = typed(race)
    answers = at_once(lambda _number: apart(software).poll())
    errors = Counter(answer.json()["error"] for answer in answers)
    assert errors == {"authorization_pending": 1, "slow_down": MANY - 1}
    waits = sa.select(device_authorizations.c.poll_seconds).where(device_authorizations.c.client == software.client.id)
    with race.service.database.transaction() as connection:
        assert connection.execute(waits).scalar_one() == 5 * MANY


def test_an_operator_who_allows_many_times_at_once_allows_one_terminal(race, round_):
    software, operator = typed(race)
    outcomes = Counter(at_once(lambda _number: tried(lambda: race.allow(operator))))
    assert outcomes == {"done": 1, TerminalRequestOver.__name__: MANY - 1}
    assert count(race, oauth_grants, oauth_grants.c.client == software.client.id) == 1


def test_allowing_and_refusing_at_once_end_in_one_answer(race, round_):
    software, operator = typed(race)
    acts = [race.allow, race.refuse]
    outcomes = Counter(at_once(lambda number: tried(lambda: acts[number % 2](operator))))
    assert outcomes == {"done": 1, TerminalRequestOver.__name__: MANY - 1}
    answer = software.poll()
    assert (answer.status_code == 200) == (count(race, oauth_grants, oauth_grants.c.client == software.client.id) == 1)


def test_many_registrations_with_one_key_make_one_terminal(race, round_):
    software = race.let_in(race.software())
    answers = at_once(lambda _number: apart(software).register())
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["terminal"] for answer in answers}) == 1
    assert count(race, party_keys, party_keys.c.public_key == software.signer.public_key.hex()) == 1


def test_many_registrations_with_keys_of_their_own_make_one_terminal(race, round_):
    software = race.let_in(race.software())
    before = count(race, parties)
    answers = at_once(lambda _number: apart(software).register(new_key()))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: MANY - 1}
    assert count(race, parties) == before + 1


def test_a_dismissal_comes_before_or_after_a_permission_never_into_it(race, round_):
    software, operator = typed(race)
    desk = race.service.runtime.oauth.desk

    def dismiss() -> None:
        with race.service.database.transaction() as connection:
            dismiss_operator(desk, connection, operator.card, race.institution, actor="operator:zhang")

    outcomes = at_once(lambda number: tried(dismiss if number else lambda: race.allow(operator)), 2)
    assert outcomes[0] in {"done", NotAnOperator.__name__}
    assert software.poll().status_code == 400
    race.appoint(operator.card)


def test_many_wrong_codes_at_once_are_all_counted(race, round_):
    operator, address = race.operator(), f"198.51.100.{round_}"
    reset(race)
    letters = "BCDFGHJKLMNPQRST"
    attempts = [partial(race.type_code, operator, f"BCDF-GHJ{letter}", address) for letter in letters]
    outcomes = Counter(at_once(lambda number: tried(attempts[number])))
    reset(race)
    assert outcomes == {UserCodeUnknown.__name__: MOST_WRONG_CODES, TooManyWrongCodes.__name__: MANY - MOST_WRONG_CODES}


def reset(race) -> None:
    with race.service.database.transaction() as connection:
        connection.execute(institution_operators.update().values(wrong_codes=0, wrong_since=0))


def test_a_terminal_that_adds_many_keys_at_once_has_two(race, round_):
    software = race.let_in(race.software())
    till = software.till(software.register().json())

    def add(_number: int) -> Any:
        apart = Till(alone(software.client).http, till.terminal, till.serial, till.signer, till.now)
        return Rotating(apart).add(new_key())

    answers = at_once(add)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: MANY - 1}
    assert count(race, party_keys, party_keys.c.party == till.terminal) == 2
