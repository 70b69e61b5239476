"""The bank port by itself: who may ask, what is answered, and what the bank believes."""

import json
import re
from base64 import b64decode

import pytest

from sm.der import read_der_signature
from sm.signed_answer import answer_base_string
from sm.sm2 import random_private_key
from tests.channels.partners import make_partner
from tests.partners.bank_of_tests import PORT, customer_row
from tests.service import PROVIDER


def ask(bank, **changes):
    body = json.dumps(bank.question(**changes), ensure_ascii=False).encode()
    return bank.ask(body, bank.sign(body))


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, ("active", True)),
        ({"phone": "10000000002"}, ("active", False)),
        ({"name": "别人"}, ("not_ours", False)),
        ({"social_security_number": customer_row(3)["social_security_number"]}, ("not_ours", False)),
        ({n: customer_row(2)[n] for n in ("social_security_number", "name", "phone")}, ("inactive", True)),
    ],
    ids=["active", "other phone", "other name", "stranger", "inactive"],
)
def test_the_bank_s_own_core_answers(bank, changes, answer):
    told = ask(bank, **changes)
    assert told.status_code == 200
    assert told.get_json() == {
        "issuance": bank.question()["issuance"],
        "financial_function": answer[0],
        "phone_agrees": answer[1],
    }


def test_an_answer_is_signed_for_this_request(bank):
    body = json.dumps(bank.question()).encode()
    told = bank.ask(body, bank.sign(body, nonce="0123456789abcdef"))
    fields = dict(re.findall(r'([a-z_]+)="([^"]+)"', told.headers["ESSC-Signature"]))
    signed = answer_base_string(200, PORT, int(fields["timestamp"]), "0123456789abcdef", told.data)
    signature = read_der_signature(b64decode(fields["signature"]))
    PROVIDER.verifier(bank.proofs.key.public_key).verify(signed, signature)


def test_a_question_is_answered_once(bank):
    body = json.dumps(bank.question()).encode()
    signed = bank.sign(body)
    assert [bank.ask(body, signed).status_code for _ in range(2)] == [200, 409]


@pytest.mark.parametrize(("seconds", "status"), [(-300, 200), (-301, 401), (300, 200), (301, 401)])
def test_a_signature_is_good_for_five_minutes(bank, seconds, status):
    body = json.dumps(bank.question()).encode()
    assert bank.ask(body, bank.sign(body, seconds=seconds)).status_code == status


def test_another_body_is_not_what_was_signed(bank):
    body = json.dumps(bank.question()).encode()
    assert bank.ask(body + b" ", bank.sign(body)).status_code == 401


def test_another_address_is_not_what_was_signed(bank):
    body = json.dumps(bank.question()).encode()
    assert bank.ask(body, bank.sign(body, target="/ecard/other")).status_code == 401


@pytest.mark.parametrize("authorization", ["", "Bearer x", "ESSC-SM2-SM3 ", 'ESSC-SM2-SM3 app_id="a",app_id="b"'])
def test_who_does_not_sign_is_told_nothing(bank, authorization):
    body = json.dumps(bank.question()).encode()
    told = bank.ask(body, authorization)
    assert (told.status_code, told.get_json()) == (401, {"code": "signature_wrong"})
    assert "ESSC-Signature" not in told.headers


def test_a_partner_s_certificate_of_the_same_city_asks_nothing(bank):
    other = make_partner(bank.service)
    body = json.dumps(bank.question()).encode()
    assert bank.ask(body, other.sign("POST", PORT, body)).status_code == 401


def test_a_key_that_nobody_certified_asks_nothing(bank):
    body = json.dumps(bank.question()).encode()
    serial, _ = bank.service.runtime.channels.answer_keys().require_signer()
    forged = make_partner(bank.service)
    forged.serial, forged.signer = serial, PROVIDER.signer(random_private_key())
    assert bank.ask(body, forged.sign("POST", PORT, body)).status_code == 401


@pytest.mark.parametrize(
    "given",
    [b"", b"[]", b"{", b'{"issuance": 1}', b"\xff", json.dumps({"issuance": "iss_x", "name": "a"}).encode()],
)
def test_what_is_no_question_is_refused(bank, given):
    assert bank.ask(given, bank.sign(given)).status_code == 400


def test_nothing_of_a_customer_is_logged_or_written_down(bank, caplog):
    caplog.set_level("DEBUG")
    ask(bank)
    written = [*caplog.messages, str(bank.rows("SELECT * FROM asked"))]
    for member in ("social_security_number", "name", "phone"):
        assert not any(customer_row(1)[member] in line for line in written)


@pytest.mark.parametrize(
    ("fault", "status"), [("broken", 503), ("slow", 200), ("lie", 200), ("wrong_signature", 200), ("other_nonce", 200)]
)
def test_a_switch_lets_the_port_fail_for_a_while(bank, fault, status):
    assert bank.control("POST", body={"name": "port", "fault": fault, "seconds": 30}).status_code == 200
    assert ask(bank, name="别人").status_code == status
    lied = {"lie": "active"}.get(fault, "not_ours")
    if status == 200:
        assert ask(bank, name="别人").get_json()["financial_function"] == lied
    bank.switches.ticks = lambda: 10**9
    assert ask(bank, name="别人").get_json()["financial_function"] == "not_ours"


def test_a_bank_that_is_down_cuts_the_connection(bank):
    bank.control("POST", body={"name": "port", "fault": "down"})
    with pytest.raises(ConnectionError):
        ask(bank)
