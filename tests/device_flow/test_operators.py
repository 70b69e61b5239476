"""Who may let terminals in: appointed holders, for their own institutions, not by trying codes."""

import contextlib
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import cli.terminal_operators
import cli.terminals
from auth.errors import StepUpNeeded
from auth.institution_operators import MOST_WRONG_CODES, NotAnOperator, TooManyWrongCodes
from auth.models import institution_operators, institutions
from auth.oauth.client_register import set_client_standing
from auth.oauth.device_approval import (
    PurposesNotAllowed,
    TerminalRequestOver,
    UserCodeUnknown,
    dismiss_operator,
)
from auth.oauth.models import device_authorizations, oauth_grants
from auth.parties import parties
from core.audit import audit_entries
from core.errors import Limited, Malformed, Unavailable
from core.ids import new_id
from tests.device_flow.terminals_of_tests import make_town
from tests.service import START, running_service
from web.worker import Worker

# ── The code ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_operator_sees_who_asks(town):
    software = town.software("private_key_jwt")
    software.ask()
    town.service.clock.step(20)
    seen = town.type_code(town.operator(), software.asked["user_code"])
    assert seen.user_code == software.asked["user_code"]
    assert (seen.name_zh, seen.name_en, seen.is_proven) == ("示范收银软件", "Example Till", True)
    assert (seen.address, seen.begun_at, seen.expires_at) == ("127.0.0.1", START, START + timedelta(seconds=600))


def test_software_without_a_key_of_its_own_is_shown_as_such(town, software):
    software.ask()
    assert not town.type_code(town.operator(), software.asked["user_code"]).is_proven


@pytest.mark.parametrize(
    "spelt",
    [
        lambda code: code,
        str.lower,
        lambda code: code.replace("-", ""),
        lambda code: code.replace("-", " "),
        lambda code: f"  {code[:2]} {code[2:]} ",
        lambda code: code.replace("-", "–"),
        lambda code: "".join(chr(ord(letter) + 0xFEE0) for letter in code),
    ],
    ids=["as shown", "small", "no hyphen", "blank", "blanks", "dash", "full width"],
)
def test_a_code_is_taken_however_it_is_typed(town, software, spelt):
    software.ask()
    assert town.type_code(town.operator(), spelt(software.asked["user_code"]))


@pytest.mark.parametrize("typed", ["", "BCDF", "BCDF-GHJK-L", "AEIO-UAEI", "BCDF-GHJ1", "B" * 10_000, "\x00", "\ud800"])
def test_what_is_no_code_is_unknown(town, typed):
    with pytest.raises(UserCodeUnknown):
        town.type_code(town.operator(), typed)


@pytest.mark.parametrize(("seconds", "known"), [(599.999, True), (600, False)])
def test_a_code_can_be_typed_until_its_expiry(town, software, seconds, known):
    software.ask()
    town.service.clock.step(seconds)
    with contextlib.nullcontext() if known else pytest.raises(UserCodeUnknown):
        town.type_code(town.operator(), software.asked["user_code"])


def test_an_answered_code_is_as_unknown_as_any(town, software):
    software.ask()
    operator = town.operator()
    town.type_code(operator, software.asked["user_code"])
    town.refuse(operator)
    with pytest.raises(UserCodeUnknown):
        town.type_code(town.operator(), software.asked["user_code"])


def test_who_types_last_answers(town, software):
    software.ask()
    first, second = town.operator(), town.operator()
    town.type_code(first, software.asked["user_code"])
    town.type_code(second, software.asked["user_code"])
    with pytest.raises(TerminalRequestOver):
        town.allow(first)
    town.allow(second)
    assert software.poll().status_code == 200


def test_a_login_answers_one_terminal_at_a_time(town):
    first, second, operator = town.software(), town.software(), town.operator()
    first.ask()
    second.ask()
    town.type_code(operator, first.asked["user_code"])
    town.type_code(operator, second.asked["user_code"])
    town.allow(operator)
    assert first.poll().json()["error"] == "authorization_pending"
    assert second.poll().status_code == 200
    with pytest.raises(TerminalRequestOver):
        town.allow(operator)
    with pytest.raises(TerminalRequestOver):
        town.type_code(operator, first.asked["user_code"])


# ── Trying codes ─────────────────────────────────────────────────────────────────────────────────────────────────


def wrong_code(number: int) -> str:
    letters = "BCDFGHJKLMNPQRSTVWXZ"
    return "".join(letters[number // 20**place % 20] for place in range(8))


def mistype(town, operator, times: int, address: str = "192.0.2.9") -> None:
    for number in range(times):
        with pytest.raises(UserCodeUnknown):
            town.type_code(operator, wrong_code(number), address)


def test_an_operator_who_mistypes_too_often_waits_an_hour(both):
    software = both.software()
    mistype(both, both.operator(), MOST_WRONG_CODES)
    software.ask()
    with pytest.raises(TooManyWrongCodes):
        both.type_code(both.operator(), software.asked["user_code"], "192.0.2.10")  # neither login nor address helps
    both.service.clock.step(3600)
    software.ask()
    assert both.type_code(both.operator(), software.asked["user_code"])


def test_a_good_code_does_not_wipe_out_the_wrong_ones(fresh):
    software = fresh.software()
    mistype(fresh, fresh.operator(), MOST_WRONG_CODES - 1)
    software.ask()
    fresh.type_code(fresh.operator(), software.asked["user_code"])
    mistype(fresh, fresh.operator(), 1)
    with pytest.raises(TooManyWrongCodes):
        fresh.type_code(fresh.operator(), software.asked["user_code"])


def test_an_operator_of_two_institutions_has_no_more_tries(fresh):
    fresh.appoint(fresh.phone.card, fresh.service.add_institution())
    mistype(fresh, fresh.operator(), MOST_WRONG_CODES)
    with pytest.raises(TooManyWrongCodes):
        fresh.type_code(fresh.operator(), wrong_code(1))


def test_many_operators_at_one_address_are_limited_together(fresh):
    cards = [new_id("crd") for _ in range(6)]
    for card in cards:
        fresh.appoint(card)
    for card in cards[:5]:
        mistype(fresh, fresh.operator(card=card), MOST_WRONG_CODES)
    with pytest.raises(TooManyWrongCodes):
        fresh.type_code(fresh.operator(card=cards[5]), wrong_code(1), "192.0.2.9")
    mistype(fresh, fresh.operator(card=cards[5]), 1, "192.0.2.10")


def test_without_a_store_to_count_in_no_code_is_looked_up(both):
    software = both.software()
    software.ask()
    with both.service.database.transaction() as connection:
        connection.execute(sa.text("ALTER TABLE ephemeral RENAME TO away"))
    with pytest.raises((Unavailable, sa.exc.ProgrammingError, psycopg.errors.UndefinedTable)):
        both.type_code(both.operator(), software.asked["user_code"])
    with both.service.database.transaction() as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO ephemeral"))
    assert both.type_code(both.operator(), software.asked["user_code"])


def test_a_holder_whom_nobody_appointed_cannot_even_try(town, software):
    software.ask()
    stranger = town.operator(card=new_id("crd"))
    for typed in (software.asked["user_code"], wrong_code(1)):
        with pytest.raises(NotAnOperator):
            town.type_code(stranger, typed)


# ── Allowing ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def typed(fresh):
    """A pharmacy whose operator has typed the code of a scanner."""
    software, operator = fresh.software(), fresh.operator()
    software.ask()
    fresh.type_code(operator, software.asked["user_code"])
    return fresh, software, operator


def test_an_operator_acts_for_his_own_institution_alone(typed):
    town, software, operator = typed
    with pytest.raises(NotAnOperator):
        town.allow(operator, institution=town.service.add_institution())
    with pytest.raises(NotAnOperator):
        town.allow(operator, institution="ins_" + "0" * 26)
    assert software.poll().json()["error"] == "authorization_pending"


def test_an_operator_dismissed_between_typing_and_allowing_allows_nothing(typed):
    town, software, operator = typed
    dismiss(town, operator.card)
    with pytest.raises(NotAnOperator):
        town.allow(operator)
    assert software.poll().json()["error"] == "authorization_pending"


@pytest.mark.parametrize("how_far", ["allowed", "token"])
def test_what_a_dismissed_operator_allowed_is_worth_nothing(typed, how_far):
    town, software, operator = typed
    town.allow(operator)
    if how_far == "token":
        assert software.poll().status_code == 200
        dismiss(town, operator.card)
        assert software.register().status_code == 401
    else:
        dismiss(town, operator.card)
        assert software.poll().json()["error"] == "invalid_grant"


def test_terminals_that_a_dismissed_operator_let_in_stay(typed):
    town, software, operator = typed
    town.allow(operator)
    software.poll()
    till = software.till(software.register().json())
    dismiss(town, operator.card)
    assert till.redeem("1" * 20, "medical").status_code != 401


@pytest.mark.parametrize(("seconds", "may"), [(-0.001, True), (0, False)])
def test_an_appointment_ends_on_time(typed, seconds, may):
    town, _software, operator = typed
    town.appoint(operator.card, until=START + timedelta(seconds=60))
    town.service.clock.step(60 + seconds)
    with contextlib.nullcontext() if may else pytest.raises(NotAnOperator):
        town.allow(operator)


def test_an_appointment_that_ends_after_allowing_registers_no_terminal(typed):
    town, software, operator = typed
    town.appoint(operator.card, until=START + timedelta(seconds=60))
    town.allow(operator)
    software.poll()
    town.service.clock.step(60)
    answer = software.register()
    assert (answer.status_code, answer.json()["code"]) == (403, "not_an_operator")
    with town.service.database.transaction() as connection:
        named = sa.select(parties.c.id).where(parties.c.name == "3 号收银台")
        assert connection.execute(named).first() is None


def test_somebody_dismissed_can_be_appointed_again(typed):
    town, _software, operator = typed
    dismiss(town, operator.card)
    town.appoint(operator.card)
    town.allow(operator)


def test_an_operator_whose_card_is_suspended_allows_nothing(typed):
    town, _software, operator = typed
    assert town.phone.call("POST", f"/v1/cards/{town.phone.card}/loss-reports").status_code == 201
    with pytest.raises(NotAnOperator):
        town.allow(operator)


def test_a_login_below_the_level_allows_nothing(typed):
    town, software, operator = typed
    weak = town.operator(login=operator.login, acr="L1")
    with pytest.raises(StepUpNeeded):
        town.allow(weak)
    town.allow(operator)
    assert software.poll().status_code == 200


@pytest.mark.parametrize(
    "purposes",
    [("identity",), ("medical", "gate"), ("medical", "medical"), ("everything",), ()],
    ids=str,
)
def test_only_purposes_of_the_institution_are_allowed(typed, purposes):
    town, _software, operator = typed
    with town.service.database.transaction() as connection:
        only_redeems = institutions.update().where(institutions.c.id == town.institution)
        connection.execute(only_redeems.values(scopes=["redeem"]))
    with pytest.raises(PurposesNotAllowed):
        town.allow(operator, purposes=purposes)


def test_a_reader_needs_no_purpose_where_the_institution_enrolls_holders(typed):
    town, software, operator = typed
    town.allow(operator, purposes=())
    software.poll()
    assert software.register().json()["purposes"] == []


@pytest.mark.parametrize(
    "changes",
    [{"name": ""}, {"name": " "}, {"name": "x" * 101}, {"name": "a\nb"}, {"site": "\x00"}, {"site": "\u202e"}],
)
def test_a_terminal_has_a_name_and_a_site_that_can_be_read(typed, changes):
    town, _software, operator = typed
    with pytest.raises(Malformed):
        town.allow(operator, **changes)


def test_a_client_suspended_between_typing_and_allowing_ends_it(typed):
    town, software, operator = typed
    with town.service.database.transaction() as connection:
        set_client_standing(connection, software.client.id, "suspended")
    town.service.runtime.oauth.desk.clients._known.clear()
    with pytest.raises(TerminalRequestOver):
        town.allow(operator)


@pytest.mark.parametrize(("seconds", "may"), [(599.999, True), (600, False)])
def test_a_request_can_be_allowed_until_its_expiry(typed, seconds, may):
    town, _software, operator = typed
    town.service.clock.step(seconds)
    with contextlib.nullcontext() if may else pytest.raises(TerminalRequestOver):
        town.allow(operator)


def test_an_institution_lets_in_only_so_many_a_day(sqlite_url, tmp_path):
    with running_service(sqlite_url, tmp_path, terminals_per_institution_day=2) as running:
        town = make_town(running)
        town.let_in(town.software())
        town.let_in(town.software())
        with pytest.raises(Limited):
            town.let_in(town.software())
        running.clock.step(86_400)
        assert town.phone.sign_in().status_code == 200
        town.let_in(town.software())


def test_the_audit_trail_says_who_allowed_what(typed):
    town, software, operator = typed
    town.allow(operator)
    software.poll()
    made = software.register().json()
    with town.service.database.transaction() as connection:
        entries = connection.execute(sa.select(audit_entries).where(audit_entries.c.act.like("terminal.%"))).all()
    (allowed,) = [entry for entry in entries if entry.act == "terminal.allowed"]
    (registered,) = [entry for entry in entries if entry.act == "terminal.registered"]
    assert (allowed.actor, town.institution in allowed.detail) == (operator.device, True)
    assert (registered.actor, registered.subject) == (operator.card, made["terminal"])
    assert software.granted["grant_id"] in registered.detail


def test_an_allowed_terminal_is_on_no_list_of_what_the_holder_granted(typed):
    town, _software, operator = typed
    town.allow(operator)
    with town.service.database.transaction() as connection:
        row = connection.execute(sa.select(oauth_grants)).one()
    assert row.card is None
    assert row.expires_at - row.granted_at == 600_000


def dismiss(town, card: str) -> None:
    desk = town.service.runtime.oauth.desk
    with town.service.database.transaction() as connection:
        assert dismiss_operator(desk, connection, card, town.institution, actor="operator:zhang")


def test_housekeeping_forgets_requests_a_day_after_their_end(typed):
    town, _software, _operator = typed

    def left() -> int:
        with town.service.database.transaction() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(device_authorizations)).scalar_one()

    town.service.clock.step(600 + 86_399)
    Worker(town.service.runtime).clean()
    assert left() == 1
    town.service.clock.step(1)
    Worker(town.service.runtime).clean()
    assert left() == 0


# ── ecard terminals ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(fresh, monkeypatch):
    @contextlib.contextmanager
    def opened():
        yield fresh.service.runtime

    for module in (cli.terminals, cli.terminal_operators):
        monkeypatch.setattr(module, "opened_runtime", opened)

    def run(*arguments, code=0):
        done = CliRunner().invoke(cli.terminals.terminals, [*arguments])
        assert done.exit_code == code, done.output
        return done.output.strip()

    return run


def test_the_card_centre_appoints_and_dismisses(fresh, run):
    card, by = ("--card", fresh.phone.card), ("--operator", "zhang")
    place = run("add-institution", "--name", "示范诊所", "--kind", "hospital", "--region", "990100", *by)
    assert "set-purposes" in run("appoint", place, *card, *by)
    assert run("set-purposes", place, "--purpose", "medical", "--purpose", "identity", *by) == "medical identity"
    assert run("appoint", place, *card, "--until", "2026-12-31", *by) == "appointed"
    assert f"{fresh.phone.card} until 2026-12-31 {place} 示范诊所" in run("operators")
    assert "would end, with 0 permissions" in run("dismiss", place, *card, "--dry-run", *by)
    assert "until 2026-12-31" in run("operators")
    assert run("dismiss", place, *card, *by) == "dismissed"
    assert f"{fresh.phone.card} dismissed {place}" in run("operators")
    assert "nothing would happen" in run("dismiss", place, *card, "--dry-run", *by)
    run("dismiss", place, *card, *by, code=1)
    with fresh.service.database.transaction() as connection:
        query = sa.select(audit_entries.c.act, audit_entries.c.actor).where(audit_entries.c.subject == place)
        acts = [tuple(row) for row in connection.execute(query.order_by(audit_entries.c.number))]
    assert acts == [
        (act, "operator:zhang")
        for act in (
            "institution.registered", "operator.appointed", "institution.purposes_set", "operator.appointed",
            "operator.dismissed",
        )
    ]  # fmt: skip


def test_the_dry_run_counts_what_would_end(fresh, run):
    software, operator = fresh.software(), fresh.operator()
    software.ask()
    fresh.type_code(operator, software.asked["user_code"])
    fresh.allow(operator)
    given = (fresh.institution, "--card", fresh.phone.card, "--dry-run", "--operator", "zhang")
    assert "with 1 permissions" in run("dismiss", *given)
    software.poll()
    software.register()
    assert "with 0 permissions" in run("dismiss", *given)


def test_nobody_is_appointed_without_a_card_a_place_and_a_time(fresh, run):
    by = ("--operator", "zhang")
    good = ("--card", fresh.phone.card)
    run("appoint", fresh.institution, "--card", "zhang", *by, code=2)
    run("appoint", fresh.institution, "--card", new_id("crd"), *by, code=1)
    run("appoint", fresh.institution, *good, "--until", "2026-03-01", *by, code=1)
    missing = CliRunner().invoke(cli.terminals.terminals, ["appoint", new_id("ins"), *good, *by])
    assert type(missing.exception).__name__ == "Missing"
    assert "over" not in run("operators")


def test_the_last_day_of_an_appointment_is_a_whole_day_in_beijing(fresh, run):
    run("appoint", fresh.institution, "--card", fresh.phone.card, "--until", "2026-03-02", "--operator", "zhang")
    with fresh.service.database.transaction() as connection:
        until = connection.execute(sa.select(institution_operators.c.until)).scalar_one()
    assert until == int((START.replace(hour=16)).timestamp() * 1000)
