"""The threats of chip-card.md section 4 and of threats.md (E1 to E6, D1, D3): each row has its test, here or where
``ROWS`` says.
"""

import ast
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from auth import signed_requests
from auth.parties import set_standing, withdraw_key
from channels.notices import tell_events
from cli.till import Till
from ecard.standing import cancel_card, report_loss
from physical.chip.card_keys import CardKeys
from physical.chip.files import read_ef06, write_ef06
from physical.chip.profiles import CONTACT_2_0, CONTACT_3_0
from physical.chip.virtual_card import VirtualCard
from sm.sm2 import random_private_key
from tests.enrollment.attempt import Attempt
from tests.persons import make_person
from tests.service import PROVIDER, Service

ROWS = {
    "replay of part of or a whole session": [
        "test_hostile_transcripts.test_e2_a_whole_transcript_sent_again_does_nothing",
        "test_hostile_transcripts.test_e2_what_a_card_has_answered_is_of_no_use_to_the_next_enrollment",
    ],
    "cloned files, guessed ATR": ["test_threats.test_a_clone_of_a_card_s_files_proves_nothing"],
    "someone else's phone; the agent swaps the device key": [
        "test_threats.test_a_phone_proves_its_key_over_the_very_code_that_the_reader_shows",
        "test_hostile_transcripts.test_e1_a_card_s_answer_made_for_another_phone_s_key_is_refused",
    ],
    "the agent changes the holder's data": ["test_threats.test_a_reader_that_changes_the_holder_is_found_out"],
    "fake or stolen terminal": [
        "test_threats.test_a_terminal_that_nobody_registered_is_refused",
        "test_threats.test_a_stolen_terminal_is_refused_in_the_middle_of_an_enrollment",
        "test_threats.test_a_terminal_without_the_scope_does_not_enroll",
        "test_levels_and_pins.test_a_terminal_enrolls_so_many_times_a_day",
    ],
    "lost or cancelled card": [
        "test_card_checks.test_a_card_that_does_not_stand_well_is_refused_before_the_hsm_is_asked",
        "test_card_checks.test_a_card_that_falls_between_reading_and_confirming_is_not_issued",
        "test_threats.test_a_lost_or_cancelled_card_stops_at_each_use_of_the_electronic_card",
    ],
    "PIN guessing": [
        "test_levels_and_pins.test_the_last_try_of_a_pin_is_never_used",
        "test_levels_and_pins.test_wrong_pins_are_counted_for_the_card_at_all_terminals_together",
        "test_levels_and_pins.test_wrong_pins_are_counted_for_the_terminal_over_all_cards",
    ],
    "default PIN 123456": ["test_levels_and_pins.test_with_the_default_pin_no_level_may_pay"],
    "relay to a victim's card elsewhere": [
        "test_levels_and_pins.test_a_card_that_answers_too_slowly_may_lie_elsewhere",
        "test_threats.test_a_relayed_card_is_noticed_by_its_holder_and_can_be_stopped_at_once",
    ],
    "a recorded PIN exchange": [
        "test_privacy.test_a_recorded_pin_exchange_is_not_in_any_log",
        "test_privacy.test_the_agent_wipes_the_pin_whether_it_was_right_or_wrong",
    ],
    "personal data in logs": ["test_privacy.test_no_log_of_a_whole_enrollment_tells_who_it_was"],
    "E1": [
        "test_hostile_transcripts.test_e1_no_mutated_hello_is_accepted",
        "test_hostile_transcripts.test_e1_no_mutated_completion_is_accepted",
        "test_hostile_transcripts.test_e1_a_card_s_answer_made_for_another_terminal_is_refused",
        "test_hostile_transcripts.test_e1_another_card_s_certificate_and_signature_do_not_make_up_for_the_card",
        "test_hostile_transcripts.test_e1_no_word_of_the_terminal_replaces_a_proof",
    ],
    "E2": [
        "test_hostile_transcripts.test_e2_a_challenge_is_answered_once",
        "test_steps.test_a_step_is_good_strictly_before_the_end",
    ],
    "E3": ["test_model.test_e3_no_order_of_messages_makes_a_card_without_card_pin_and_phone"],
    "E4": ["test_total_parsers.test_e4_no_edited_certificate_is_believed"],
    "E5": [
        "test_threats.test_e5_the_sixth_wrong_number_of_a_day_is_refused_also_in_another_channel",
        "test_threats.test_e5_a_known_and_an_unknown_number_are_answered_alike",
    ],
    "E6": [
        "test_races.test_e6_a_loss_report_that_races_an_enrollment_never_leaves_an_active_card",
        "test_races.test_e6_a_loss_reported_while_the_credential_is_being_signed_refuses_the_card",
        "test_races.test_e6_a_loss_reported_while_the_card_is_being_written_waits_and_then_suspends_it",
    ],
    "D1": [
        "test_issuance.test_d1_moving_to_a_new_phone_ends_the_old_one_and_tells_it",
        "test_issuance.test_d1_a_card_never_has_more_active_phones_than_the_policy_allows",
    ],
    "D3": ["test_unknown_fields.test_d3_no_field_of_an_answer_is_taken_in_a_request"],
}


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_of_each_row_are_there(row):
    for name in ROWS[row]:
        module, _, test = name.partition(".")
        tree = ast.parse((Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


# ── Cloned files ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", [CONTACT_3_0, CONTACT_2_0], ids=lambda profile: profile.name)
def test_a_clone_of_a_card_s_files_proves_nothing(sqlite_city: Service, profile):
    """Everything that can be read of the card, its ATR included, on another chip."""
    genuine = sqlite_city.make_card(profile=profile)
    keys = CardKeys(*(secrets.token_bytes(16) for _ in range(4)))
    certified = genuine.contents.certificate_key
    cloned = replace(
        genuine.contents, keys=keys, certificate_key=certified and replace(certified, private_key=PROVIDER.generate())
    )
    attempt = Attempt(sqlite_city, card=VirtualCard(cloned, PROVIDER)).until("begin")
    refused = attempt.hello()
    assert (refused.status_code, refused.json()["code"]) == (403, "chip_card_not_authentic")


# ── Phones ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("changed", ["session", "terminal_nonce", "channel"])
def test_a_phone_proves_its_key_over_the_very_code_that_the_reader_shows(light_attempt: Attempt, changed):
    light_attempt.until("open")
    other = Attempt(light_attempt.service).until("open")
    sent = []
    light_attempt.phone._request = lambda *given: sent.append(given)
    light_attempt.phone.begin(light_attempt.session["display"])
    method, path, content, headers = sent[0]
    replaced = {"session": other.session["id"], "terminal_nonce": other.session["terminal_nonce"], "channel": "thief"}
    known = {
        "session": light_attempt.session["id"],
        "terminal_nonce": light_attempt.session["terminal_nonce"],
        "channel": "app",
    }
    swapped = content.replace(known[changed].encode(), replaced[changed].encode())
    assert swapped != content
    headers = {**headers, "Content-Type": "application/json"}
    refused = light_attempt.service.http.request(method, path, content=swapped, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "proof_wrong")
    assert light_attempt.service.http.request(method, path, content=content, headers=headers).status_code == 201


# ── The holder's data ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("field", ["name", "social_security_number"])
def test_a_reader_that_changes_the_holder_is_found_out(light_attempt: Attempt, field):
    light_attempt.until("hello")
    signed = light_attempt.read_completion()
    holder, other = read_ef06(bytes.fromhex(signed["holder_data"])), make_person(77).holder_data()
    changed = write_ef06(replace(holder, **{field: getattr(other, field)}))
    refused = light_attempt.send("complete", signed | {"holder_data": changed.hex()})
    assert (refused.status_code, refused.json()["code"], light_attempt.state) == (
        403,
        "card_signature_wrong",
        "refused",
    )


# ── Terminals ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_terminal_that_nobody_registered_is_refused(light_attempt: Attempt):
    light_attempt.until("begin")
    genuine = light_attempt.till
    stranger = PROVIDER.signer(random_private_key())
    for fake in (
        Till(genuine.http, genuine.terminal, genuine.serial, stranger, genuine.now),
        Till(genuine.http, "trm_" + "0" * 26, genuine.serial, stranger, genuine.now),
        Till(genuine.http, genuine.terminal, "key_" + "0" * 26, genuine.signer, genuine.now),
    ):
        refused = light_attempt.hello(fake)
        assert (refused.status_code, refused.json()["code"]) == (401, "signature_wrong")
    assert light_attempt.hello().status_code == 200


@pytest.mark.parametrize("reached", ["open", "begin", "hello"])
@pytest.mark.parametrize("end", ["stolen", "suspended", "key withdrawn"])
def test_a_stolen_terminal_is_refused_in_the_middle_of_an_enrollment(sqlite_city: Service, monkeypatch, reached, end):
    monkeypatch.setattr(signed_requests, "_PARTY_SECONDS", 0.0)  # what a worker knows of a terminal grows old at once
    attempt = Attempt(sqlite_city).until(reached)
    till = attempt.till
    body = {"begin": attempt.read_hello, "hello": attempt.read_completion}.get(reached, dict)()
    with sqlite_city.database.transaction() as connection:
        if end == "key withdrawn":
            withdraw_key(connection, till.terminal, till.serial, at=sqlite_city.clock())
        else:
            set_standing(connection, till.terminal, end)
    session = f"/v1/terminal-sessions/{attempt.session['id']}"
    refused = (
        till.send("GET", session)
        if reached == "open"
        else attempt.send({"begin": "hello", "hello": "complete"}[reached], body)
    )
    assert (refused.status_code, refused.json()["code"]) == (401, "signature_wrong")
    assert attempt.electronic_card is None


def test_a_terminal_without_the_scope_does_not_enroll(light_attempt: Attempt):
    service = light_attempt.service
    till = service.add_till(service.add_institution("merchant", scopes=("redeem",)))
    light_attempt.until("begin")
    refusals = [
        till.send("POST", "/v1/terminal-sessions", {"operator": "op-1"}),
        till.send("GET", f"/v1/terminal-sessions/{light_attempt.session['id']}"),
        light_attempt.hello(till),
        light_attempt.complete(till),
        light_attempt.abandon(till=till),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in refusals} == {(403, "terminal_not_allowed")}
    assert light_attempt.state == "pending"


# ── Lost and cancelled cards ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "shown", "taken"),
    [
        (report_loss, "electronic_card_suspended", "card_suspended"),
        (cancel_card, "electronic_card_ended", "card_cancelled"),
    ],
)
def test_a_lost_or_cancelled_card_stops_at_each_use_of_the_electronic_card(city: Service, change, shown, taken):
    card, till = city.make_card(), city.add_till()
    phone = city.enroll(till, card)
    live = phone.code("medical").json()["code"]
    ground, chip = city.runtime.ground, Attempt(city, card=card).chip.id
    with ground.database.transaction() as connection:
        change(ground, connection, chip, actor="hotline")
    assert phone.code("medical").json()["code"] == shown
    refused = till.redeem(live, "medical")
    assert (refused.is_error, refused.json()["code"]) == (True, taken)
    assert phone.call("GET", f"/v1/cards/{phone.card}").json()["state"] in {"suspended", "revoked"}


# ── Relay ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_relayed_card_is_noticed_by_its_holder_and_can_be_stopped_at_once(sqlite_city: Service):
    """Cryptography does not see a relay: the holder hears of it, and one report ends what the thief has got."""
    card, till = sqlite_city.make_card(), sqlite_city.add_till()
    holder = sqlite_city.enroll(till, card)
    thief = sqlite_city.enroll(till, card)
    with sqlite_city.database.transaction() as connection:
        while tell_events(connection, at=sqlite_city.clock()):
            pass
    told = holder.send("GET", "/v1/notices").json()["items"][0]
    assert (told["kind"], told["card"]) == ("device.ended", holder.card)
    ground, chip = sqlite_city.runtime.ground, Attempt(sqlite_city, card=card).chip.id
    with ground.database.transaction() as connection:
        report_loss(ground, connection, chip, actor="hotline")
    assert thief.code("medical").json()["code"] == "electronic_card_suspended"
    assert Attempt(sqlite_city, card=card).until("begin").hello().json()["code"] == "chip_card_lost"


# ── Enumeration (E5) ─────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def statements(service: Service) -> Iterator[list[str]]:
    """Collect the statements that reach the database."""
    sent: list[str] = []

    def note(_connection, _cursor, statement, *_more):
        sent.append(statement)

    engine = service.database.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def test_e5_the_sixth_wrong_number_of_a_day_is_refused_also_in_another_channel(city: Service):
    card = city.make_card(profile=CONTACT_2_0)
    for number in range(5):
        attempt = Attempt(city, card=card).until("hello")
        guessed = write_ef06(make_person(6000 + number).holder_data()).hex()
        assert attempt.complete(holder_data=guessed).json()["code"] == "holder_mismatch"
    sixth = Attempt(city, card=card).until("open")
    begun = sixth.phone.begin(sixth.session["display"], channel="another-app")
    sixth.id, sixth.service_nonce = begun.json()["id"], bytes.fromhex(begun.json()["service_nonce"])
    refused = sixth.hello()
    assert (refused.status_code, refused.json()["code"]) == (429, "enrollment_limit")


def test_e5_a_known_and_an_unknown_number_are_answered_alike(city: Service):
    """Same status, same body, and the same work for the database: nothing to tell them apart by."""
    known = city.make_card(6101)
    Attempt(city, card=known).until("confirm")
    answers, work = [], []
    for number in (6101, 6102):
        attempt = Attempt(city, card=city.make_card(6100, CONTACT_2_0)).until("hello")
        body = attempt.read_completion() | {"holder_data": write_ef06(make_person(number).holder_data()).hex()}
        with statements(city) as sent:
            answer = attempt.send("complete", body)
        work.append(sent)
        answers.append((answer.status_code, answer.json() | {"request_id": ""}))
    assert answers[0] == answers[1]
    assert answers[0][1]["code"] == "holder_mismatch"
    assert work[0] == work[1]
    assert len(work[0]) > 3
