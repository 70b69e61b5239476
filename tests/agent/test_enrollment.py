"""The agent's part of an enrollment, step by step, with a card in the process and a service that checks its proofs."""

import logging

import pytest

from physical.chip.agent import LastTryKept, NoCardPresented, PhoneDidNotCome
from physical.chip.errors import CardMute, CardRemoved, FileNotFound, MalformedAnswer, PinLocked, PinUnusable, WrongPin
from physical.chip.pinpad import PinNotEntered
from physical.chip.profiles import CONTACT_2_0, CONTACT_3_0, CONTACTLESS_3_0
from physical.chip.terminal_client import ServiceRefused, ServiceUnavailable
from physical.chip.trace import APDU_LEVEL, APDU_LOGGER
from physical.chip.virtual_card_faults import Faults
from tests.agent.builders import make_bench
from tests.agent.fake_service import DISPLAY, problem
from tests.chip.builders import make_card
from tests.persons import ANNA


@pytest.mark.parametrize("profile", [CONTACT_3_0, CONTACTLESS_3_0], ids=lambda profile: profile.name)
def test_a_card_with_a_certificate_signs_the_binding_that_the_service_rebuilds(profile):
    bench = make_bench(make_card(profile, pin=b"271828"))
    verified = bench.agent.enroll()
    assert (verified.state, verified.level) == ("verified", "L3")
    assert bench.shown == [DISPLAY]
    assert bench.steps == [
        "session_opened",
        "phone_begun",
        "waiting_for_card",
        "card_read",
        "hello_accepted",
        "holder_read",
        "pin_asked",
        "card_proved",
        "completed",
    ]


def test_a_card_without_certificate_proves_its_key_and_its_pin():
    bench = make_bench(make_card(CONTACT_2_0, pin=b"271828"), proof="pin")
    assert bench.agent.enroll().level == "L2"
    assert bench.service.body_of("hello")["certificate"] is None
    assert bench.service.body_of("complete")["signature"] is None
    assert bench.service.body_of("complete")["pin_verified"] is True


def test_the_holder_records_travel_as_they_stand_on_the_card():
    card = make_card(pin=b"271828")
    bench = make_bench(card)
    bench.agent.enroll()
    assert bench.service.body_of("complete")["holder_data"] == card.contents.holder_records.hex()


def test_hello_tells_interface_algorithm_tries_and_the_round_trip():
    bench = make_bench(make_card(CONTACTLESS_3_0, pin=b"271828"))
    bench.agent.enroll()
    hello = bench.service.body_of("hello")
    assert (hello["interface"], hello["algorithm"], hello["pin_tries_left"]) == ("contactless", "SM4", 6)
    assert hello["round_trip_ms"] == 7


@pytest.mark.parametrize(("pin", "is_default"), [(b"123456", True), (b"271828", False)])
def test_the_default_pin_is_noticed_and_told(pin, is_default):
    bench = make_bench(make_card(pin=pin), pin=pin)
    bench.agent.enroll()
    assert bench.service.body_of("complete")["default_pin"] is is_default


@pytest.mark.parametrize("pin", [b"271828", b"000000", b"12ab"], ids=["right", "wrong", "unusable"])
def test_the_pin_is_wiped_whatever_came_of_it(pin):
    bench = make_bench(pin=pin)
    try:
        bench.agent.enroll()
    except (WrongPin, PinUnusable):
        assert pin != b"271828"
    assert bench.pin_pad.given == [bytearray(len(pin))]


def test_neither_log_nor_steps_contain_pin_holder_or_card(caplog):
    card = make_card(pin=b"271828")
    with caplog.at_level(logging.DEBUG, "physical.chip"), caplog.at_level(APDU_LEVEL, APDU_LOGGER):
        bench = make_bench(card)
        bench.agent.enroll()
    said = caplog.text.lower() + repr(bench.told).lower()
    secrets = ["271828", ANNA.name, ANNA.social_security_number, card.contents.holder_records.hex()]
    assert "00a40400" in said
    assert [secret for secret in secrets if secret.lower() in said] == []


def test_a_wrong_pin_ends_the_enrollment_and_names_the_tries_left():
    bench = make_bench(pin=b"000000")
    with pytest.raises(WrongPin):
        bench.agent.enroll()
    assert bench.service.body_of("abandon") == {"reason": "wrong_pin", "pin_tries_left": 5}
    assert bench.service.called("complete") == 0
    assert bench.slot.connected is False


@pytest.mark.parametrize(
    ("tries_left", "error", "told"),
    [
        (0, PinLocked, {"reason": "pin_locked", "pin_tries_left": 0}),
        (1, LastTryKept, {"reason": "last_try_kept", "pin_tries_left": 1}),
    ],
)
def test_the_last_try_is_never_used_even_when_the_service_would_allow_it(tries_left, error, told):
    card = make_card(pin=b"271828")
    card.contents.pki_pin.tries_left = tries_left
    bench = make_bench(card)
    with pytest.raises(error):
        bench.agent.enroll()
    assert bench.service.body_of("abandon") == told
    assert bench.pin_pad.given == []
    assert card.contents.pki_pin.tries_left == tries_left


def test_with_two_tries_left_one_is_used():
    card = make_card(pin=b"271828")
    card.contents.pki_pin.tries_left = 2
    assert make_bench(card).agent.enroll().level == "L3"


@pytest.mark.parametrize("command", range(1, 60))
def test_a_card_pulled_at_any_command_is_told_as_removed(command):
    card = make_card(pin=b"271828")
    card.set_faults(Faults(remove_on=command))
    bench = make_bench(card)
    with pytest.raises(CardRemoved):
        bench.agent.enroll()
    assert bench.service.body_of("abandon")["reason"] == "card_removed"
    assert bench.service.called("complete") == 0


@pytest.mark.parametrize(
    ("faults", "error", "reason"),
    [
        (Faults(mute_on=5), CardMute, "card_mute"),
        (Faults(garble_on=5), MalformedAnswer, "card_error"),
    ],
)
def test_other_faults_of_a_card_are_told_by_their_kind(faults, error, reason):
    card = make_card(pin=b"271828")
    card.set_faults(faults)
    bench = make_bench(card)
    with pytest.raises(error):
        bench.agent.enroll()
    assert bench.service.body_of("abandon") == {"reason": reason, "pin_tries_left": None}


def test_a_card_of_another_kind_is_refused():
    bench = make_bench()
    bench.slot.card.send_and_receive = lambda _apdu: (b"", 0x6A82)
    with pytest.raises(FileNotFound):
        bench.agent.enroll()
    assert bench.service.body_of("abandon")["reason"] == "card_error"


def test_a_holder_who_gives_no_pin_ends_it_without_a_try():
    bench = make_bench()

    def nothing() -> bytearray:
        raise PinNotEntered

    bench.pin_pad.read_pin = nothing
    with pytest.raises(PinNotEntered):
        bench.agent.enroll()
    assert bench.service.body_of("abandon")["reason"] == "operator"


def test_an_operator_who_stops_the_program_ends_the_enrollment():
    bench = make_bench()

    def stop() -> bytearray:
        raise KeyboardInterrupt

    bench.pin_pad.read_pin = stop
    with pytest.raises(KeyboardInterrupt):
        bench.agent.enroll()
    assert bench.service.body_of("abandon")["reason"] == "operator"
    assert bench.slot.connected is False


def test_without_a_phone_the_session_ends_at_its_expiry():
    bench = make_bench(phone_comes_at_look=10**6)
    with pytest.raises(PhoneDidNotCome):
        bench.agent.enroll()
    assert bench.service.looks == 240  # each half second for 120 seconds
    assert bench.service.called("abandon") == 0


@pytest.mark.parametrize("state", ["expired", "closed"])
def test_a_session_that_ended_early_is_not_looked_at_again(state):
    bench = make_bench(spoil={"ts_1": (200, {"id": "ts_1", "state": state, "enrollment": None})})
    with pytest.raises(PhoneDidNotCome):
        bench.agent.enroll()
    assert bench.service.called("ts_1") == 1


def test_without_a_card_the_enrollment_ends_at_its_expiry():
    bench = make_bench()
    bench.slot.card = None
    with pytest.raises(NoCardPresented):
        bench.agent.enroll()
    assert bench.service.body_of("abandon") == {"reason": "operator", "pin_tries_left": None}


def test_a_reader_that_comes_back_in_time_is_used():
    bench = make_bench()
    bench.slot.failing_looks, bench.slot.empty_looks = 3, 2
    assert bench.agent.enroll().level == "L3"
    assert bench.steps.count("reader_unavailable") == 3


def test_what_the_service_refuses_is_not_abandoned_once_more():
    bench = make_bench(spoil={"hello": problem(409, "card_lost")})
    with pytest.raises(ServiceRefused) as refusal:
        bench.agent.enroll()
    assert refusal.value.code == "card_lost"
    assert bench.service.called("abandon") == 0
    assert bench.pin_pad.given == []


def test_a_card_fault_stays_the_error_when_the_service_cannot_be_told():
    bench = make_bench(pin=b"000000", spoil={"abandon": problem(503, "unavailable")})
    with pytest.raises(WrongPin):
        bench.agent.enroll()


def test_an_answer_of_the_service_with_a_short_block_stops_before_the_card():
    answer = {"state": "hello", "external_authentication": "00" * 15, "proof": "signature"}
    bench = make_bench(spoil={"hello": (200, answer)})
    with pytest.raises(ServiceUnavailable):
        bench.agent.enroll()
    assert bench.pin_pad.given == []


def test_the_next_holder_waits_until_the_last_card_is_taken():
    bench = make_bench()
    looks = iter([True, True, False])
    present = bench.slot.look(0)
    bench.slot.look = lambda _ms: present if next(looks) else type(present)(False, False, False, b"")
    bench.agent.wait_until_card_is_taken()
    assert bench.steps == ["take_card"]
