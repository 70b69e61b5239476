"""The device authorization endpoint: who may ask, and what nobody may ask for."""

import re

import pytest
import sqlalchemy as sa

from auth.oauth.client_register import set_client_standing
from auth.oauth.models import device_authorizations
from core.errors import Malformed
from tests.device_flow.terminals_of_tests import SCOPE, Town
from tests.oauth.clients_of_tests import Key, make_native, make_partner
from tests.service import ISSUER, running_service

PATH = "/oauth/device_authorization"


def test_the_metadata_names_the_endpoint_and_the_grant(town):
    said = town.service.http.get("/.well-known/oauth-authorization-server").json()
    assert said["device_authorization_endpoint"] == ISSUER + PATH
    assert "urn:ietf:params:oauth:grant-type:device_code" in said["grant_types_supported"]
    assert SCOPE in said["scopes_supported"]


def test_the_answer_is_that_of_rfc_8628(software):
    answer = software.ask()
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    said = answer.json()
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", said["user_code"])
    assert len(said["device_code"]) == 43
    assert {
        name: said[name] for name in ("verification_uri", "verification_uri_complete", "expires_in", "interval")
    } == {
        "verification_uri": f"{ISSUER}/device",
        "verification_uri_complete": f"{ISSUER}/device?user_code={said['user_code']}",
        "expires_in": 600,
        "interval": 5,
    }


def test_neither_code_is_kept(software):
    said = software.ask().json()
    with software.service.database.transaction() as connection:
        kept = str(connection.execute(sa.select(device_authorizations)).all())
    assert said["device_code"] not in kept
    assert said["user_code"] not in kept
    assert said["user_code"].replace("-", "") not in kept


def test_software_with_a_key_of_its_own_asks_as_well(town):
    assert town.software("private_key_jwt").ask().status_code == 200
    assert town.software("private_key_jwt", algorithm="SGD_SM3_SM2").ask().status_code == 200


def test_a_registered_key_has_to_be_shown(town):
    proven = town.software("private_key_jwt")
    answer = town.service.http.post(PATH, data={"client_id": proven.client.id, "scope": SCOPE})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("make", [make_partner, make_native], ids=["partner", "native"])
def test_other_profiles_have_no_device_flow(town, make):
    client = make(town.service)
    for form, path in (({"scope": "openid"}, PATH), ({"device_code": "x" * 43}, "/oauth/token")):
        grant = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"} if path == "/oauth/token" else {}
        answer = client.post(path, {**form, **grant}, proven=True)
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


def test_a_suspended_client_is_as_unknown_as_one_that_never_was(town, software):
    with town.service.database.transaction() as connection:
        set_client_standing(connection, software.client.id, "suspended")
    suspended = software.ask()
    software.client.id = "cli_" + "0" * 26
    unknown = software.ask()
    assert suspended.status_code == unknown.status_code == 401
    assert suspended.json() == unknown.json()


def test_a_library_that_sends_no_proof_here_gets_a_code(software):
    assert software.client.post(PATH, {"scope": SCOPE}).status_code == 200


def test_a_proof_is_good_for_this_endpoint_and_once(software):
    proof = software.client.proof(PATH)
    form = {**software.client.identity(), "scope": SCOPE}
    post = software.service.http.post
    assert post(PATH, data=form, headers={"DPoP": proof}).status_code == 200
    again = post(PATH, data=form, headers={"DPoP": proof})
    elsewhere = post(PATH, data=form, headers={"DPoP": software.client.proof("/oauth/token")})
    for answer in (again, elsewhere):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": None}, "invalid_request"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"scope": f"{SCOPE} {SCOPE}"}, "invalid_scope"),
        ({"scope": f"{SCOPE} card.read"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example/"}, "invalid_target"),
        ({"resource": f"{ISSUER}/oauth/userinfo"}, "invalid_target"),
    ],
    ids=str,
)
def test_what_may_not_be_asked_for_is_refused(software, changes, error):
    answer = software.ask(**changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"client_id=%FF",
        b"scope=terminals.enrol&scope=terminals.enrol",
        b"client_id=" + b"x" * 40_000,
        b"&".join(b"p%d=1" % number for number in range(100)),
        b"client_id=%00",
        b"scope",
        b"client_assertion=x&client_assertion_type=y&client_secret=z",
    ],
    ids=lambda body: body[:24],
)
def test_hostile_forms_get_an_answer_in_oauth_s_form(town, body):
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = town.service.http.post(PATH, content=body, headers=sent)
    assert answer.status_code in {400, 401}
    assert answer.json()["error"] in {"invalid_request", "invalid_client"}


def test_another_form_and_a_query_are_refused(software):
    json_body = software.service.http.post(PATH, json={"client_id": software.client.id})
    query = software.service.http.post(f"{PATH}?scope={SCOPE}", data={"client_id": software.client.id})
    for answer in (json_body, query):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert software.service.http.get(PATH).status_code == 405


def test_an_address_asks_only_so_often_in_a_minute(sqlite_url, tmp_path):
    with running_service(sqlite_url, tmp_path, device_authorizations_per_minute=2) as running:
        software = Town(running, running.phone(), running.institution).software()
        assert [software.ask().status_code for _ in range(3)] == [200, 200, 429]
        running.clock.step(61)
        assert software.ask().status_code == 200


def test_scopes_of_operators_and_scopes_of_holders_do_not_mix(town):
    with pytest.raises(Malformed):
        town.software(scopes=[SCOPE, "card.read"])
    with pytest.raises(Malformed):
        make_partner(town.service, scopes=["openid", SCOPE])


def test_two_scanners_of_one_maker_have_codes_of_their_own(town):
    first, second = town.software(), town.software()
    second.client.id, second.client.dpop = first.client.id, Key()
    codes = [software.ask().json() for software in (first, second)]
    assert codes[0]["user_code"] != codes[1]["user_code"]
    assert codes[0]["device_code"] != codes[1]["device_code"]
