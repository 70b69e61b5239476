"""The device code grant: each error of RFC 8628 section 3.5, and the one time that there is a token."""

import pytest

from auth.devices import end_device
from auth.oauth.client_register import set_client_standing
from tests.device_flow.terminals_of_tests import DEVICE
from tests.oauth.clients_of_tests import Key


def error_of(answer) -> str:
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]


def test_nobody_has_answered_yet(software):
    software.ask()
    assert error_of(software.poll()) == "authorization_pending"


def test_who_asks_too_early_waits_five_seconds_longer_each_time(software):
    software.ask()
    step = software.service.clock.step
    waits = [(0, "authorization_pending"), (4.999, "slow_down"), (9.999, "slow_down"), (15, "authorization_pending")]
    for seconds, error in waits:
        step(seconds)
        assert error_of(software.poll()) == error
    step(14.999)  # the longer wait counts for all that follow
    assert error_of(software.poll()) == "slow_down"


def test_who_waits_as_long_as_was_said_is_never_told_to_slow_down(software):
    software.ask()
    for _ in range(4):
        assert error_of(software.poll()) == "authorization_pending"
        software.service.clock.step(5)


def test_an_allowed_code_is_answered_at_once_however_early_it_comes(town, software):
    software.ask()
    software.poll()
    operator = town.operator()
    town.type_code(operator, software.asked["user_code"])
    assert error_of(software.poll()) == "slow_down"
    town.allow(operator)
    assert software.poll().status_code == 200


def test_a_refused_code_says_so(town, software):
    software.ask()
    operator = town.operator()
    town.type_code(operator, software.asked["user_code"])
    town.refuse(operator)
    assert error_of(software.poll()) == "access_denied"
    assert error_of(software.poll()) == "access_denied"


@pytest.mark.parametrize(("seconds", "error"), [(599.999, "authorization_pending"), (600, "expired_token")])
def test_a_code_that_nobody_answers_dies_at_its_expiry(software, seconds, error):
    software.ask()
    software.service.clock.step(seconds)
    assert error_of(software.poll()) == error


@pytest.mark.parametrize(("seconds", "status"), [(599, 200), (600, 400)])
def test_a_code_that_was_allowed_dies_at_its_expiry_as_well(town, software, seconds, status):
    software.ask()
    operator = town.operator()
    town.type_code(operator, software.asked["user_code"])
    town.allow(operator)
    software.service.clock.step(seconds)
    answer = software.poll()
    assert answer.status_code == status
    assert status == 200 or error_of(answer) == "expired_token"


def test_the_token_is_bound_short_and_for_one_thing(town, software):
    granted = town.let_in(software).granted
    assert granted["token_type"] == "DPoP"
    assert granted["scope"] == "terminals.enrol"
    assert granted["expires_in"] == 300
    assert granted["grant_id"].startswith("grt_")
    assert "refresh_token" not in granted
    assert "id_token" not in granted


def test_a_code_gives_one_token(town, software):
    town.let_in(software)
    again = software.poll()
    assert error_of(again) == "invalid_grant"
    assert software.register().status_code == 201  # who repeats the code needs its key: the first token stays good


@pytest.mark.parametrize("given", ["", "x", "x" * 43, "BCDF-GHJK", "\ud7ff", "é" * 43])
def test_a_code_that_never_was_is_no_code(software, given):
    software.ask()
    assert error_of(software.poll(device_code=given)) == ("invalid_grant" if given else "invalid_request")


def test_the_user_code_is_no_device_code(software):
    asked = software.ask().json()
    assert error_of(software.poll(device_code=asked["user_code"])) == "invalid_grant"


def test_the_code_of_another_client_looks_like_none(town, software):
    software.ask()
    other = town.software()
    other.client.dpop = software.client.dpop
    answer = other.poll(device_code=software.asked["device_code"])
    unknown = other.poll(device_code="x" * 43)
    assert error_of(answer) == "invalid_grant"
    assert answer.json() == unknown.json()


def test_the_code_is_no_good_under_another_key(town, software):
    software.ask()
    operator = town.operator()
    town.type_code(operator, software.asked["user_code"])
    town.allow(operator)
    own, software.client.dpop = software.client.dpop, Key()
    assert error_of(software.poll()) == "invalid_dpop_proof"
    form = {"grant_type": DEVICE, "device_code": software.asked["device_code"]}
    assert error_of(software.client.post("/oauth/token", form)) == "invalid_dpop_proof"
    software.client.dpop = own
    assert software.poll().status_code == 200


def test_a_code_for_which_no_key_was_shown_is_bound_to_the_key_that_asks_first(town, software):
    software.asked = software.client.post("/oauth/device_authorization", {"scope": "terminals.enrol"}).json()
    assert error_of(software.poll()) == "authorization_pending"
    operator = town.operator()
    town.type_code(operator, software.asked["user_code"])
    town.allow(operator)
    form = {"grant_type": DEVICE, "device_code": software.asked["device_code"]}
    assert error_of(software.client.post("/oauth/token", form)) == "invalid_dpop_proof"
    own, software.client.dpop = software.client.dpop, Key()
    assert error_of(software.poll()) == "invalid_dpop_proof"
    software.client.dpop = own
    assert software.poll().status_code == 200
    assert software.register().status_code == 201


def test_a_poll_under_another_key_does_not_slow_the_software_down(software):
    software.ask()
    own, software.client.dpop = software.client.dpop, Key()
    assert error_of(software.poll()) == "invalid_dpop_proof"
    software.client.dpop = own
    assert error_of(software.poll()) == "authorization_pending"


def test_a_suspended_client_gets_nothing_for_what_was_allowed(town, software):
    software.ask()
    operator = town.operator()
    town.type_code(operator, software.asked["user_code"])
    town.allow(operator)
    suspend(town, software)
    answer = software.poll()
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_suspended_client_s_token_is_worth_nothing(town, software):
    town.let_in(software)
    suspend(town, software)
    assert software.register().status_code == 401


def suspend(town, software) -> None:
    with town.service.database.transaction() as connection:
        set_client_standing(connection, software.client.id, "suspended")
    town.service.runtime.oauth.desk.clients._known.clear()


def test_the_software_learns_nothing_of_who_allowed_it(town, software):
    town.let_in(software)
    answer = software.client.call(software.granted["access_token"], "/oauth/userinfo")
    assert answer.status_code == 401  # the token is for the API alone
    for secret in (town.phone.card, town.phone.device):
        assert secret not in str(software.granted)


def test_a_proven_client_s_token_introspects_as_its_own(town):
    software = town.let_in(town.software("private_key_jwt"))
    said = software.client.post("/oauth/introspect", {"token": software.granted["access_token"]}).json()
    assert said["active"] is True
    assert said["sub"] == said["client_id"] == software.client.id
    assert (said["scope"], said["acr"], said["cnf"]) == (
        "terminals.enrol", "L2", {"jkt": software.client.dpop.thumbprint},
    )  # fmt: skip


def test_a_public_client_may_give_its_token_back_but_not_introspect(town, software):
    town.let_in(software)
    form = {"token": software.granted["access_token"]}
    assert software.client.post("/oauth/introspect", form).status_code == 401
    assert software.client.post("/oauth/revoke", form).status_code == 200
    assert software.register().status_code == 401


def test_a_token_is_no_good_once_the_operator_s_phone_is_unbound(fresh):
    software = fresh.let_in(fresh.software())
    with fresh.service.database.transaction() as connection:
        end_device(connection, fresh.phone.device, because="test", at=fresh.service.clock())
    assert software.register().status_code == 401


def test_a_card_reported_lost_between_allowing_and_asking_gives_no_token(fresh):
    software = fresh.software()
    software.ask()
    operator = fresh.operator()
    fresh.type_code(operator, software.asked["user_code"])
    fresh.allow(operator)
    assert fresh.phone.call("POST", f"/v1/cards/{fresh.phone.card}/loss-reports").status_code == 201
    assert error_of(software.poll()) == "invalid_grant"
