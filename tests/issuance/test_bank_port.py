"""The bank port over HTTP: signed both ways, bound to one question, and anything else is no answer."""

import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from channels.bank_port import BankQuestion, HttpBankPort, NoAnswer
from channels.destinations import resolve_host
from channels.posting import HttpPost, Posted
from channels.signing import find_signing_channel
from ecard.assured_issuance import AssuredPerson
from sm.sm2 import random_private_key
from tests.channels.partners import PartnerApp, change, make_partner
from tests.issuance.bank_server import BankServer, send, serving
from tests.service import PROVIDER, Service, running_service

PHONE = "19900000001"
PERSON = AssuredPerson("990100198503140128", "测试甲", PHONE)
QUESTION = BankQuestion(f"iss_{'0' * 26}", "B-1", PERSON)


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartnerApp]:
    home = tmp_path_factory.mktemp("port")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home) as running:
        yield make_partner(running, scopes=("issue",), requests_per_minute=60_000)


@pytest.fixture
def core(shared_app: PartnerApp) -> Iterator[BankServer]:
    with serving(BankServer(shared_app)) as server:
        yield server


def port_of(service: Service, whole_seconds: float = 10.0) -> HttpBankPort:
    """Give the port of a service, with shorter patience where a test has no time."""
    return HttpBankPort(
        ground=service.runtime.ground,
        provider=PROVIDER,
        answer_keys=service.runtime.gate.answer_keys,
        find_channel=partial(find_signing_channel, service.database),
        resolve=resolve_host,
        post=HttpPost(ssl.create_default_context, keeps_answers=True, whole_seconds=whole_seconds),
    )


def ask(core: BankServer, **options):
    return port_of(core.app.service, **options).ask(core.app.channel, core.url, QUESTION)


def reason_of(core: BankServer, **options) -> str:
    with pytest.raises(NoAnswer) as refused:
        ask(core, **options)
    return refused.value.reason


# ── What is asked and what is believed ───────────────────────────────────────────────────────────────────────────


def test_the_question_is_signed_by_a_published_key_and_says_what_is_agreed(core):
    ask(core)
    assert core.wrong == []
    assert core.apps == ["card.example"]
    assert core.asked == [
        {
            "issuance": QUESTION.issuance,
            "out_request_no": "B-1",
            "social_security_number": PERSON.social_security_number,
            "name": "测试甲",
            "phone": PHONE,
        }
    ]


@pytest.mark.parametrize(
    ("function", "agrees", "vouches"),
    [
        ("active", True, True),
        ("active", False, False),
        ("inactive", True, False),
        ("not_ours", True, False),
        ("not_ours", False, False),
    ],
)
def test_a_signed_answer_is_believed_and_its_evidence_kept(core, function, agrees, vouches):
    core.said = {"financial_function": function, "phone_agrees": agrees}
    answer = ask(core)
    assert (answer.financial_function, answer.phone_agrees, answer.vouches) == (function, agrees, vouches)
    assert answer.evidence["serial"] == core.app.serial
    assert not {PHONE, "测试甲", PERSON.social_security_number} & set(map(str, answer.evidence.values()))


def test_the_second_certificate_of_a_bank_is_as_good_and_a_withdrawn_one_is_none(shared_app):
    second = shared_app.with_new_key()
    with serving(BankServer(second)) as core:
        ask(core)
        change(second.service, second.channel, "withdrawal", {"serial": second.serial, "reason": "test"})
        assert reason_of(core) == "no_live_certificate"


# ── What is no answer ────────────────────────────────────────────────────────────────────────────────────────────

HEADERS = {
    "another nonce": ({"nonce": "0123456789abcdef"}, "another_nonce"),
    "an old answer": ({"timestamp": 1}, "stale"),
    "an unknown certificate": ({"serial_no": "5f"}, "no_live_certificate"),
    "a serial with a line end": ({"serial_no": "5f\\n"}, "not_signed"),
    "a field more": ({"status": "200"}, "not_signed"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_is_not_for_this_question_proves_nothing(core, name):
    core.header, reason = HEADERS[name]
    assert reason_of(core) == reason


@pytest.mark.parametrize(("seconds", "believed"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_the_clock_of_a_bank_may_be_five_minutes_off(core, seconds, believed):
    core.header = {"timestamp": int(core.app.service.clock().timestamp()) + seconds}
    assert reason_of(core) == "stale" if not believed else ask(core).vouches


def test_another_key_does_not_sign_for_the_bank(core):
    core.signer = PROVIDER.signer(random_private_key())
    assert reason_of(core) == "not_signed"


def test_another_channel_does_not_sign_for_the_bank(core):
    other = make_partner(core.app.service, scopes=("issue",))
    core.header, core.signer = {"serial_no": other.serial}, other.signer
    assert reason_of(core) == "no_live_certificate"


WORDS = {
    "another question": ({"issuance": f"iss_{'1' * 26}"}, "another_question"),
    "a member too many": ({"name": "x"}, "another_question"),
    "a member too few": ({"phone_agrees": None}, "another_question"),
    "a function that is none": ({"financial_function": "Active"}, "unknown_words"),
    "a list": ({"financial_function": ["active"]}, "unknown_words"),
    "a number for yes": ({"phone_agrees": 1}, "unknown_words"),
    "a word for yes": ({"phone_agrees": "true"}, "unknown_words"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_signed_answer_in_other_words_is_none(core, name):
    core.said, reason = WORDS[name]
    assert reason_of(core) == reason


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'{"issuance":1,"issuance":2}', b"[" * 5000])
def test_a_signed_body_that_is_no_object_of_the_form_is_none(core, body):
    def answer(handler, _written, _headers):
        nonce = handler.headers["Authorization"].partition('nonce="')[2].partition('"')[0]
        send(handler, body, {"ESSC-Signature": core.sign(200, handler.path, nonce, body)})

    core.answer = answer
    assert reason_of(core) in {"no_json", "another_question"}


def test_a_changed_body_is_none(core):
    core.said = {"phone_agrees": False}
    core.answer = lambda handler, body, headers: send(handler, body.replace(b"false", b"true"), headers)
    assert reason_of(core) == "not_signed"


def test_an_answer_without_a_signature_or_with_two_is_none(core):
    core.answer = lambda handler, body, _headers: send(handler, body, {})
    assert reason_of(core) == "not_signed"
    core.answer = lambda handler, body, headers: send(handler, body, {**headers, "essc-signature": "x"})
    assert reason_of(core) == "not_signed"


@pytest.mark.parametrize("status", [201, 204, 301, 302, 400, 401, 404, 409, 429, 500, 503])
def test_every_other_status_is_no_answer_and_redirects_are_not_followed(core, status):
    core.answer = lambda handler, body, headers: send(
        handler, body, {**headers, "Location": core.url + "&again"}, status=status
    )
    assert reason_of(core) == f"http_{status}"
    assert len(core.asked) == 1


def test_an_answer_of_more_than_16_kb_is_none(core):
    core.answer = lambda handler, _body, headers: send(handler, b"x" * (16 * 1024), headers)
    assert reason_of(core) == "not_signed"
    core.answer = lambda handler, _body, headers: send(handler, b"x" * (16 * 1024 + 1), headers)
    assert reason_of(core) == "too_large"


def test_an_answer_that_breaks_off_is_none(core):
    def answer(handler, body, headers):
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body) + 10))
        handler.end_headers()
        handler.wfile.write(body)

    core.answer = answer
    assert reason_of(core) in {"no_http", "no_connection"}


def test_a_bank_that_drips_is_left_at_the_end_of_the_whole_time(core):
    def answer(handler, body, headers):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(50):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.1)

    core.answer = answer
    begun = time.monotonic()
    assert reason_of(core, whole_seconds=0.5) == "timeout"
    assert time.monotonic() - begun < 3


def test_a_bank_that_is_down_gives_no_answer(core):
    with serving(BankServer(core.app)) as other:
        url = other.url
    with pytest.raises(NoAnswer) as refused:
        port_of(core.app.service).ask(core.app.channel, url, QUESTION)
    assert refused.value.reason == "no_connection"


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "64:ff9b::7f00:1", "::1"])
def test_a_name_that_leads_into_a_network_of_ours_is_not_called(shared_app, address):
    called = []
    port = replace(
        port_of(shared_app.service),
        resolve=lambda *_: [address],
        post=lambda *given: called.append(given) or Posted(200, "http_200"),
    )
    with pytest.raises(NoAnswer) as refused:
        port.ask(shared_app.channel, "https://core.bank.example/essc", QUESTION)
    assert (refused.value.reason, called) == ("destination_not_allowed", [])


def test_the_person_does_not_stand_in_what_is_printed_of_a_question():
    for text in (repr(QUESTION), repr(PERSON), str(QUESTION)):
        assert not [secret for secret in (PERSON.social_security_number, "测试甲", PHONE) if secret in text]
