"""The signature doctor over HTTP: whom it answers, about whom, how often, and what it gives away."""

import base64
import json

import pytest
import sqlalchemy as sa

from auth.models import signed_requests
from sm.der import signature_to_der
from sm.signed_request import base_string
from tests.channels.forms_of_partners import FORMS, Request
from tests.channels.partners import change, make_partner
from tests.service import running_service

ANYBODY, OWN = "/v1/sandbox/signature-examinations", "/v1/channel/signature-examinations"
PATH = "/v1/channel?a=%2F"


def claim(header: str, method: str = "GET", target: str = PATH, **more: str) -> dict:
    return {"method": method, "target": target, "header_fields": {"Authorization": header}, **more}


def ask(city, given: dict):
    return city.http.post(ANYBODY, json=given)


@pytest.fixture
def sandbox(city):
    return make_partner(city, "sandbox")


def codes(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["code"] for one in answer.json()["diagnosis"]]


def test_a_refused_request_is_explained_to_whoever_sent_it(city, sandbox):
    header = sandbox.sign("GET", "/v1/channel")  # the query was not signed
    refused = city.http.get(PATH, headers={"Authorization": header})
    assert refused.json()["code"] == "signature_wrong"
    told = ask(city, claim(header)).json()
    assert [one["code"] for one in told["diagnosis"]] == ["query_missing"]
    assert (told["signature"], told["algorithm"], told["app_found"]) == ("wrong", "ESSC-SM2-SM3", True)
    assert told["key"] | {"serial_no": sandbox.serial, "found": True, "state": "valid"} == told["key"]
    assert told["clock"]["skew"] == 0
    nonce = header.split('nonce="')[1].split('"')[0]
    ours = base_string("GET", PATH, told["clock"]["timestamp"], nonce, b"")
    assert base64.b64decode(told["base_string"]["base64"]) == ours
    assert told["base_string"]["escaped"] == ours.decode().replace("\n", "\\n")


def test_the_base_string_that_is_shown_is_the_one_that_is_verified(city, sandbox):
    told = ask(city, claim(sandbox.sign("GET", PATH))).json()
    base = base64.b64decode(told["base_string"]["base64"])
    header = sandbox.sign("GET", PATH)
    again = header.split('signature="')[0] + f'signature="{_signature(sandbox, base)}"'
    nonce = base.split(b"\n")[3].decode()
    again = again.replace(header.split('nonce="')[1].split('"')[0], nonce)
    assert city.http.get(PATH, headers={"Authorization": again}).status_code == 200


def _signature(partner, base: bytes) -> str:
    return base64.b64encode(signature_to_der(partner.signer.sign(base))).decode()


def test_a_body_in_another_encoding_is_given_in_base64(city, sandbox):
    body = '{"reason":"挂失"}'
    header = sandbox.sign("POST", PATH, body.encode())
    sent = base64.b64encode(body.encode("gb18030")).decode()
    assert codes(ask(city, claim(header, "POST", body_base64=sent))) == ["body_encoding"]
    theirs = f"POST\n{PATH}\n"
    told = ask(city, claim(header, "POST", body=body, base_string=theirs)).json()
    assert told["difference"]["theirs"].endswith("»end")


@pytest.mark.parametrize("standing", ["applied", "reviewed", "live", "suspended", "closed"])
def test_nobody_learns_anything_of_channels_outside_of_the_sandbox(city, sandbox, standing):
    other = make_partner(city, standing)
    there = ask(city, claim(other.sign("GET", PATH))).json()
    nowhere = ask(city, claim(other.sign("GET", PATH, app_id="chn_" + "0" * 26))).json()
    for told in (there, nowhere):
        told.pop("base_string"), told.pop("app_id")
    assert there == nowhere
    assert [one["code"] for one in there["diagnosis"]] == ["app_unknown"]
    assert there["key"] == nowhere["key"]


def test_a_live_channel_has_its_own_requests_examined_and_no_other_s(city):
    partner, other = make_partner(city), make_partner(city)
    body = claim(partner.sign("GET", "/v1/channel"))
    assert codes(_own(partner, body)) == ["query_missing"]
    assert codes(_own(other, body)) == ["app_unknown"]


def _own(partner, given: dict):
    return partner.send("POST", OWN, json.dumps(given).encode())


def test_a_withdrawn_certificate_is_told_as_such(city, sandbox):
    change(city, sandbox.channel, "withdrawal", {"serial": sandbox.serial, "reason": "test"})
    told = ask(city, claim(sandbox.sign("GET", PATH))).json()
    assert (told["key"]["state"], told["signature"]) == ("withdrawn", "right")


@pytest.mark.parametrize("form", [name for name in FORMS if name != "H5-SM2-SM3"])
def test_every_form_of_signature_is_examined(city, form):
    partner = make_partner(city, "sandbox", algorithms=list(FORMS))
    body = b"{}" if form != "RFC9421-SM2-SM3" else b""
    sent: Request = FORMS[form](partner, "POST", "/v1/channel", body)
    given = {"method": "POST", "target": sent.target, "header_fields": sent.headers, "body": sent.body.decode()}
    told = ask(city, given).json()
    assert (told["algorithm"], told["signature"], told["diagnosis"]) == (form, "right", [])
    late = FORMS[form](partner, "POST", "/v1/channel", body, off=-400)
    given = {"method": "POST", "target": late.target, "header_fields": late.headers, "body": late.body.decode()}
    assert codes(ask(city, given)) == ["clock_off"]


def test_an_h5_entry_is_read_up_to_what_is_encrypted(city):
    partner = make_partner(city, "sandbox", algorithms=list(FORMS))

    def asked(**changed: str):
        sent: Request = FORMS["H5-SM2-SM3"](partner, "POST", "/v1/h5-entries", b"{}", **changed)
        given = {"method": "POST", "target": sent.target, "header_fields": sent.headers, "body": sent.body.decode()}
        return ask(city, given)

    answer = asked(_api_timestamp="1772438400")
    assert codes(answer) == ["form_unreadable"]
    assert "milliseconds" in answer.json()["diagnosis"][0]["detail"]
    assert (asked().status_code, asked().json()["code"]) == (404, "not_found")
    assert "--envelope-secret" in asked().json()["detail"]


def test_a_form_that_was_not_agreed_on_is_told(city, sandbox):
    sent = FORMS["GATEWAY-SM2-SM3"](sandbox, "GET", "/v1/channel")
    told = ask(city, {"method": "GET", "target": sent.target, "header_fields": {}})
    assert codes(told) == ["form_not_agreed"]


def test_a_request_that_is_not_signed_is_told_so(city, sandbox):
    assert codes(ask(city, {"method": "GET", "target": PATH, "header_fields": {}})) == ["not_signed"]


def test_examinations_are_limited_by_address_and_by_channel(sqlite_url, tmp_path):
    with running_service(sqlite_url, tmp_path, examinations_per_minute=3) as town:
        partner, body = make_partner(town), claim("x")
        for send in (lambda: ask(town, body), lambda: _own(partner, body)):
            assert [send().status_code for _ in range(4)] == [200, 200, 200, 429]
            town.clock.step(60)
            assert send().status_code == 200


def test_an_examination_spends_no_nonce_and_keeps_nothing(city, sandbox):
    header = sandbox.sign("GET", PATH)
    before = _evidence(city)
    assert ask(city, claim(header)).json()["signature"] == "right"
    assert _evidence(city) == before
    assert city.http.get(PATH, headers={"Authorization": header}).status_code == 200


def _evidence(city) -> int:
    with city.database.transaction() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(signed_requests)).scalar_one()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"method": "GET", "target": "no path", "header_fields": {}},
        {"method": "GET", "target": "/", "header_fields": {"a": 1}},
        {"method": "GET", "target": "/", "header_fields": {}, "base_string_base64": "YQ"},
        {"method": "GET", "target": "/", "header_fields": {}, "body_base64": "!"},
        {"method": "GET", "target": "/", "header_fields": {}, "body": "x" * 65537},
    ],
)
def test_what_is_no_claim_is_refused(city, sandbox, given):
    answer = ask(city, given)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
