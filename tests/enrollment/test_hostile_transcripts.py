"""Transcripts that no honest enrollment makes (threats.md E1, E2; trust.md, figure 15): none of them is accepted."""

import json
import random
from typing import Any

import httpx
import pytest

from ecard.models import enrollments
from physical.chip.binding import device_key_digest
from tests.enrollment.attempt import Attempt
from tests.enrollment.certificates import certificate
from tests.service import ISSUER, Service

MUTATIONS = 250  # of each message


def put_back(attempt: Attempt, row: Any) -> None:
    """Undo a refusal in the database, so that the next hostile message meets the same enrollment."""
    with attempt.service.database.transaction() as connection:
        connection.execute(enrollments.update().where(enrollments.c.id == attempt.id).values(**row._asdict()))


def sent_raw(attempt: Attempt, message: str, content: bytes) -> httpx.Response:
    """Send any bytes at all, signed by the terminal."""
    path = f"/v1/enrollments/{attempt.id}/{message}"
    headers = {"Authorization": attempt.till.sign("POST", path, content), "Content-Type": "application/json"}
    return attempt.till.http.post(path, content=content, headers=headers)


def flipped(text: str, draw: random.Random, first: int = 0, last: int | None = None) -> str:
    """Flip one bit between two bytes of a text of hex digits."""
    data = bytearray.fromhex(text)
    data[draw.randrange(first, len(data) if last is None else last)] ^= 1 << draw.randrange(8)
    return data.hex()


def accepted(attempt: Attempt, message: str, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send each body to the same enrollment and list those that moved it; any fault of ours fails at once."""
    before = attempt.row
    moved = []
    for body in bodies:
        answer = attempt.send(message, body)
        assert 400 <= answer.status_code < 500 or answer.is_success, answer.text
        if answer.is_success or attempt.row.state not in {before.state, "refused"}:
            moved.append(body)
        put_back(attempt, before)
    return moved


# ── Mutations of what was recorded ───────────────────────────────────────────────────────────────────────────────


def test_e1_no_mutated_hello_is_accepted(sqlite_city: Service):
    attempt = Attempt(sqlite_city).until("begin")
    good, draw = attempt.read_hello(), random.Random(15)

    def mutated() -> dict[str, Any]:
        # what the chip proves: key bytes of the ATR, its code (first record of EF05), its answer, its certificate
        name, first, last = draw.choice(
            [("atr", 9, 17), ("issuer_data", 2, 18), ("internal_authentication", 0, 8), ("certificate", 0, None)]
        )
        return good | {name: flipped(good[name], draw, first, last)}

    assert accepted(attempt, "hello", [mutated() for _ in range(MUTATIONS)]) == []
    assert attempt.send("hello", good).status_code == 200


def test_e1_no_mutated_completion_is_accepted(sqlite_city: Service):
    attempt = Attempt(sqlite_city).until("hello")
    good, draw = attempt.read_completion(), random.Random(16)
    names = [draw.choice(["holder_data", "signature"]) for _ in range(MUTATIONS)]
    assert accepted(attempt, "complete", [good | {name: flipped(good[name], draw)} for name in names]) == []
    assert attempt.send("complete", good).status_code == 200


@pytest.mark.parametrize(("message", "reached"), [("hello", "begin"), ("complete", "hello")])
def test_no_body_of_another_shape_is_accepted_or_breaks_the_service(sqlite_city: Service, message, reached):
    attempt = Attempt(sqlite_city).until(reached)
    good = attempt.read_hello() if message == "hello" else attempt.read_completion()
    odd: list[Any] = [
        None,
        "",
        "zz",
        "0",
        0,
        -1,
        1e999,
        2**80,
        True,
        [],
        {},
        [good],
        "00" * 2000,
        "\x00",
        "１２",
        "ab\n",
    ]
    bodies = [{**good, name: value} for name in good for value in odd if value not in (good[name], None, True, 0)]
    bodies += [{**good, name: f"{value}\n"} for name, value in good.items() if isinstance(value, str)]
    bodies += [{key: value for key, value in good.items() if key != name} for name in good]
    bodies += [
        {**good, name: value.upper()}
        for name, value in good.items()
        if isinstance(value, str) and value.upper() != value
    ]
    assert accepted(attempt, message, bodies) == []
    for content in (
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"a":1}' * 9,
        b'"' + b"0" * 3000 + b'"',
        b"NaN",
    ):
        assert 400 <= sent_raw(attempt, message, content).status_code < 500
    assert attempt.send(message, good).status_code == 200


# ── Replays ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seconds", [0, 61, 121, 301, 3600])
def test_e2_a_whole_transcript_sent_again_does_nothing(city: Service, seconds):
    recorded: list[httpx.Request] = []
    attempt = Attempt(city)
    attempt.till.http = attempt.phone.http = httpx.Client(
        transport=httpx.WSGITransport(app=city.app), base_url=ISSUER, event_hooks={"request": [recorded.append]}
    )
    attempt.until("confirm")
    before = attempt.row, attempt.electronic_card
    city.clock.step(seconds)
    answers = [city.http.send(_copy(request)) for request in recorded if request.method == "POST"]
    assert [answer.status_code for answer in answers if answer.status_code not in {401, 409}] == []
    assert len(answers) == 5
    assert (attempt.row, attempt.electronic_card) == before
    attempt.till.http.close()


def _copy(request: httpx.Request) -> httpx.Request:
    return httpx.Request(request.method, request.url, headers=request.headers, content=request.read())


@pytest.mark.parametrize("message", ["hello", "complete"])
def test_e2_what_a_card_has_answered_is_of_no_use_to_the_next_enrollment(city: Service, message):
    """The same terminal, phone and card, and a terminal key in the thief's hand."""
    earlier = Attempt(city).until("confirm")
    attempt = Attempt(city, till=earlier.till, card=earlier.card, phone=earlier.phone)
    attempt.until("begin" if message == "hello" else "hello")
    refused = attempt.send(message, earlier.sent[message])
    code = {"hello": "chip_card_not_authentic", "complete": "card_signature_wrong"}[message]
    assert (refused.status_code, refused.json()["code"], attempt.state) == (403, code, "refused")


def test_e2_a_challenge_is_answered_once(attempt: Attempt):
    attempt.until("hello")
    second = attempt.read_hello()
    assert second["internal_authentication"] == attempt.sent["hello"]["internal_authentication"]
    assert attempt.send("hello", second).status_code == 409
    assert attempt.state == "refused"


# ── Swaps ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_e1_a_card_s_answer_made_for_another_terminal_is_refused(light_attempt: Attempt):
    light_attempt.until("begin")
    elsewhere = light_attempt.read_hello(terminal=light_attempt.service.add_till().terminal)
    refused = light_attempt.send("hello", elsewhere)
    assert (refused.status_code, refused.json()["code"]) == (403, "chip_card_not_authentic")


def test_e1_a_card_s_answer_made_for_another_phone_s_key_is_refused(light_attempt: Attempt):
    light_attempt.until("begin")
    for_thief = light_attempt.read_hello(device_key_sm3=device_key_digest(light_attempt.service.phone().jwk))
    refused = light_attempt.send("hello", for_thief)
    assert (refused.status_code, refused.json()["code"]) == (403, "chip_card_not_authentic")


@pytest.mark.parametrize(
    "changes",
    [
        {"enrollment": "enr_" + "0" * 26},
        {"service_nonce": bytes(16)},
        {"terminal_nonce": bytes(16)},
        {"terminal": "trm_" + "0" * 26},
        {"device_key_sm3": bytes(32)},
        {"card_identification_code": "990100D15600000500000000FFFFFFFF"},
        {"holder_sm3": bytes(32)},
        {"version": 2},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_e1_a_genuine_signature_over_any_other_binding_is_refused(light_attempt: Attempt, changes):
    light_attempt.until("hello")
    signed = light_attempt.read_completion(**changes)
    refused = light_attempt.send("complete", signed)
    assert (refused.status_code, refused.json()["code"], light_attempt.state) == (
        403,
        "card_signature_wrong",
        "refused",
    )


def test_e1_the_signature_of_another_genuine_card_is_refused(light_attempt: Attempt):
    light_attempt.until("hello")
    stranger = light_attempt.service.make_card(2)
    signed = light_attempt.read_completion()
    binding = light_attempt.binding(bytes.fromhex(signed["holder_data"]))
    forged = light_attempt.sign_as(stranger.contents.certificate_key.private_key, binding)
    refused = light_attempt.send("complete", signed | {"signature": forged})
    assert (refused.status_code, refused.json()["code"]) == (403, "card_signature_wrong")


def test_e1_another_card_s_certificate_and_signature_do_not_make_up_for_the_card(light_attempt: Attempt):
    """The thief holds a genuine card and wants somebody else's: code and answer of one, certificate of the other."""
    light_attempt.until("begin")
    own = light_attempt.service.make_card(2)
    hello = light_attempt.read_hello() | {"certificate": own.contents.certificate_key.certificate.hex()}
    refused = light_attempt.send("hello", hello)
    assert (refused.status_code, refused.json()["code"]) == (403, "card_certificate_wrong")


def test_e1_a_stolen_certificate_without_its_key_is_of_no_use(light_attempt: Attempt):
    light_attempt.until("begin")
    card = light_attempt.card
    card.contents.certificate_key.certificate = certificate(light_attempt.service, card)
    card.contents.certificate_key.private_key = light_attempt.service.make_card(2).contents.certificate_key.private_key
    assert light_attempt.hello().status_code == 200
    assert light_attempt.complete().json()["code"] == "card_signature_wrong"


def test_e1_no_word_of_the_terminal_replaces_a_proof(light_attempt: Attempt):
    """A terminal with a good key and no card says that everything was verified."""
    light_attempt.until("begin")
    claimed = light_attempt.read_hello() | {"internal_authentication": "11" * 8}
    assert light_attempt.send("hello", claimed).status_code == 403
    for said in ({"state": "verified"}, {"level": "L3"}, {"verified": True}):
        content = json.dumps(claimed | said).encode()
        assert sent_raw(light_attempt, "hello", content).status_code == 400
    assert light_attempt.state == "refused"
