"""`ecard keys rotate-answers`, `withdraw-answer` and what the list says of the ring."""

import pytest

from sm.answer_keys import answer_ring
from tests.cli.test_keys import DAY, Desk, conduct, found_production


@pytest.fixture
def founded(tmp_path):
    desk = Desk(tmp_path)
    desk.did("init")
    desk.clock.step(5)
    return desk


def states(desk):
    return {key.kid: str(key.state) for key in answer_ring(desk.store(), desk.clock()).keys}


def test_the_next_key_of_answers_takes_over_and_another_is_certified(founded):
    assert states(founded) == {"answer-1": "current", "answer-2": "next"}
    said = founded.did("rotate-answers")
    assert "answer-3  next" in said
    assert states(founded) == {"answer-1": "retired", "answer-2": "current", "answer-3": "next"}
    assert "-----BEGIN CERTIFICATE-----" in founded.did("show", "city/answer-signing/answer-3-certificate")


def test_the_next_key_waits_for_its_time(founded):
    founded.did("rotate-answers", "--lead", 3600)
    founded.clock.step(3599)
    result = founded.run("rotate-answers")
    assert (result.exit_code, "key_not_usable" in result.stderr) == (1, True)
    founded.clock.step(1)
    founded.did("rotate-answers")


def test_a_withdrawn_key_is_followed_by_the_next(founded):
    founded.did("withdraw-answer", "answer-1")
    assert states(founded) == {"answer-1": "withdrawn", "answer-2": "current", "answer-3": "next"}
    assert founded.run("withdraw-answer", "answer-9").exit_code == 1


def test_whoever_withdraws_the_only_key_that_signs_is_warned(founded):
    founded.did("rotate-answers", "--lead", 3600)
    result = founded.run("withdraw-answer", "answer-2")
    assert (result.exit_code, "no answer key signs now" in result.stderr) == (0, True)


def test_the_list_shows_the_ring(founded):
    said = founded.did("list")
    assert "answer key  state" in said
    assert "answer-2  next" in said


def test_a_dry_run_and_one_operator_change_nothing(tmp_path):
    desk = Desk(tmp_path, "production")
    assert found_production(desk).exit_code == 0
    desk.clock.step(DAY)
    before = states(desk)
    assert "rotate-answers" in desk.did("rotate-answers", "--dry-run")
    assert desk.run("rotate-answers").exit_code == 1
    assert states(desk) == before
    assert conduct(desk, ["rotate-answers"], ["alice"]).exit_code == 1
    assert conduct(desk, ["rotate-answers"], ["alice", "bob"]).exit_code == 0
    assert states(desk)["answer-2"] == "current"
