"""`ecard keys rotate-tokens`, `withdraw-token` and what the list says of the rings."""

import json
from datetime import timedelta

import pytest

from sm.canonical import write_time
from sm.city_keys import SIGNING_RINGS
from sm.token_keys import as_of, token_ring
from tests.cli.test_keys import DAY, START, Desk, conduct, found_production, snapshot

RINGS = {ring.prefix: ring for ring in SIGNING_RINGS}


@pytest.fixture
def founded(tmp_path):
    desk = Desk(tmp_path)
    desk.did("init")
    desk.clock.step(5)
    return desk


@pytest.fixture
def production(tmp_path):
    desk = Desk(tmp_path, "production")
    assert found_production(desk).exit_code == 0
    desk.clock.step(DAY)
    return desk


def states(desk, ring="es256"):
    standing = as_of(token_ring(desk.store(), RINGS[ring]), desk.clock())
    return {key.kid: str(key.state) for key in standing.keys}


@pytest.mark.parametrize("ring", RINGS)
def test_each_ring_is_rotated_by_its_name_and_no_other_with_it(founded, ring):
    others = {other: states(founded, other) for other in RINGS if other != ring}
    said = founded.did("rotate-tokens", ring)
    assert f"{ring}-3  next" in said
    assert states(founded, ring) == {f"{ring}-1": "retired", f"{ring}-2": "current", f"{ring}-3": "next"}
    assert {other: states(founded, other) for other in others} == others


def test_the_next_key_waits_for_its_time(founded):
    founded.did("rotate-tokens", "es256", "--lead", 3600)
    founded.clock.step(3599)
    result = founded.run("rotate-tokens", "es256")
    assert (result.exit_code, "key_not_usable" in result.stderr) == (1, True)
    founded.clock.step(1)
    founded.did("rotate-tokens", "es256")


def test_a_key_is_withdrawn_by_its_kid(founded):
    said = founded.did("withdraw-token", "phone-es256-1")
    assert "withdrawn" in said
    assert states(founded, "phone-es256")["phone-es256-1"] == "withdrawn"
    assert states(founded)["es256-1"] == "current"


@pytest.mark.parametrize("kid", ["es256-9", "es256", "1", "token-1", "../es256-1"])
def test_a_kid_that_never_was_is_refused(founded, kid):
    result = founded.run("withdraw-token", kid)
    assert (result.exit_code, "there is no token key" in result.stderr) == (1, True)


def test_whoever_withdraws_the_only_key_that_signs_is_warned(founded):
    founded.did("rotate-tokens", "es256", "--lead", 3600)
    result = founded.run("withdraw-token", "es256-2")
    assert (result.exit_code, "no key of es256 signs now" in result.stderr) == (0, True)


def test_the_list_shows_every_ring_with_its_dates_and_who_takes_over_when(founded):
    said = founded.did("list")
    for ring in RINGS:
        assert f"{ring}-1  current" in said
        assert f"{ring}-2  next" in said
    assert said.count("takes over by itself at 2028-05-31T11:45:00Z") == len(RINGS)


def test_a_turn_is_set_for_a_date_and_comes_without_anybody(founded):
    at = START + timedelta(days=3)
    said = founded.did("rotate-tokens", "es256", "--at", write_time(at))
    assert f"es256-2 takes over by itself at {write_time(at)}" in said
    founded.clock.now = at - timedelta(seconds=1)
    assert states(founded) == {"es256-1": "current", "es256-2": "next"}
    founded.clock.now = at
    assert states(founded) == {"es256-1": "retired", "es256-2": "current"}
    assert "no next key: `ecard keys rotate-tokens es256` announces one" in founded.did("list")
    founded.did("rotate-tokens", "es256")
    assert states(founded) == {"es256-1": "retired", "es256-2": "current", "es256-3": "next"}


@pytest.mark.parametrize("given", ["tomorrow", "2026-06-02", "2026-06-02T00:00:00", "2026-06-31T00:00:00Z"])
def test_a_date_has_one_form(founded, given):
    assert founded.run("rotate-tokens", "es256", "--at", given).exit_code == 2


def test_a_date_and_a_lead_exclude_each_other(founded):
    assert founded.run("rotate-tokens", "es256", "--at", "2026-06-02T00:00:00Z", "--lead", 5).exit_code == 2


def test_a_ring_that_is_not_there_is_wrong_usage(founded):
    assert founded.run("rotate-tokens", "rs256").exit_code == 2


ACTS = [
    ["rotate-tokens", "es256"],
    ["rotate-tokens", "phone-sm2"],
    ["rotate-tokens", "sm2", "--at", "2026-06-09T02:00:00Z"],
    ["withdraw-token", "phone-es256-1"],
]


@pytest.mark.parametrize("command", ACTS, ids=" ".join)
def test_a_dry_run_writes_the_plan_and_changes_nothing(founded, command):
    before = snapshot(founded.directory)
    plan = json.loads(founded.did(*command, "--dry-run"))
    assert plan["action"] == command[0]
    assert plan["details"]["ring"] in RINGS
    assert snapshot(founded.directory) == before


@pytest.mark.parametrize("command", ACTS, ids=" ".join)
def test_in_production_nobody_acts_alone(production, command):
    before = snapshot(production.directory / "entries")
    refused = production.run(*command)
    assert (refused.exit_code, "two operators approve" in refused.stderr) == (1, True)
    assert conduct(production, command, ["alice"]).exit_code == 1
    assert conduct(production, command, ["alice", "alice"]).exit_code == 1
    assert snapshot(production.directory / "entries") == before
    done = conduct(production, command, ["alice", "bob"])
    assert done.exit_code == 0, done.output
    assert snapshot(production.directory / "entries") != before
    assert f"{command[0]} done  by alice, bob" in production.did("ceremonies")


def test_approvals_for_one_ring_or_date_do_not_serve_another(production):
    assert conduct(production, ["rotate-tokens", "es256"], ["alice", "bob"]).exit_code == 0
    approvals = [("--approval", production.folder / f"approval-{number}.json") for number in (0, 1)]
    given = ["--plan", production.folder / "plan.json", *(word for pair in approvals for word in pair)]
    for command in (["rotate-tokens", "sm2"], ["rotate-tokens", "es256"], ["withdraw-token", "es256-1"]):
        assert production.run(*command, *given).exit_code == 1


def test_in_production_clients_have_time_to_hear_of_a_key(production):
    result = production.run("rotate-tokens", "es256", "--lead", 599, "--dry-run")
    assert (result.exit_code, "ceremony_refused" in result.stderr) == (1, True)
    production.did("rotate-tokens", "es256", "--lead", 600, "--dry-run")
    production.did("rotate-tokens", "phone-es256", "--lead", 1, "--dry-run")  # nobody else verifies these


def test_a_store_from_before_gets_the_rings_that_it_lacks(founded):
    for path in (founded.directory / "entries").glob("city~token-*phone*"):
        path.unlink()
    said = founded.did("init")
    assert "made city/token-ring-phone-es256\n" in said
    assert states(founded, "phone-es256") == {"phone-es256-1": "current", "phone-es256-2": "next"}
