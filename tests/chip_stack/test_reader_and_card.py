"""Cards and readers as a real PC/SC daemon shows them."""

import pytest

from physical.chip.apdu import Transmission
from physical.chip.binding import Binding
from physical.chip.errors import (
    CardMute,
    CardRemoved,
    MalformedAnswer,
    PinLocked,
    ReaderUnavailable,
    SecurityNotSatisfied,
    WrongPin,
)
from physical.chip.presented_card import present_card
from physical.chip.profiles import CONTACT_2_0, CONTACT_3_0, CONTACTLESS_3_0, Algorithm, Interface
from physical.chip.reader import ReaderInUse
from physical.chip.watched_reader import WatchedReader, list_readers
from tests.chip.builders import make_card, pin
from tests.persons import ANNA, BOJIN

BINDING = Binding(
    enrollment="enr_1",
    service_nonce=bytes(16),
    terminal_nonce=bytes(16),
    terminal="trm_1",
    device_key_sm3=bytes(32),
    card_identification_code="990100D15600000500000000FFFFFFFF",
    holder_sm3=bytes(32),
)
GET_CHALLENGE = bytes.fromhex("0084000008")


def test_both_slots_are_listed(stack):
    assert list_readers(stack.daemon.socket) == ["Virtual PCD 00 00", "Virtual PCD 00 01"]


def test_a_reader_that_does_not_exist_is_unavailable(stack):
    reader = WatchedReader("No such reader", pcsc_socket=stack.daemon.socket)
    with pytest.raises(ReaderUnavailable):
        reader.look(0)
    reader.close()


def test_a_card_is_seen_when_it_comes_and_when_it_goes(stack):
    card = make_card()
    slot = stack.put(card, absent=True)
    assert slot.reader.look(0).card_present is False
    slot.tell("insert")
    assert slot.wait_for_card().atr == card.atr
    slot.tell("remove")
    assert slot.wait_until_empty().atr == b""


def test_another_card_in_the_same_slot_is_another_card(stack):
    first, second = make_card(person=ANNA), make_card(CONTACTLESS_3_0, BOJIN)
    slot = stack.put(first)
    assert slot.wait_for_card().atr == first.atr
    slot.tell(f"swap {stack.card_file(second, 'second')}")
    slot.wait_until_empty()
    assert slot.wait_for_card().atr == second.atr


@pytest.mark.parametrize(
    ("profile", "transmission", "interface"),
    [
        (CONTACT_3_0, Transmission.T0, Interface.CONTACT),
        (CONTACTLESS_3_0, Transmission.TCL, Interface.CONTACTLESS),
        (CONTACT_2_0, Transmission.T0, Interface.CONTACT),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_every_kind_of_card_is_read_over_its_own_protocol(stack, profile, transmission, interface):
    made = make_card(profile)
    slot = stack.put(made)
    presence = slot.wait_for_card()
    assert slot.reader.connect() is transmission
    card = present_card(slot.reader, presence.atr)
    assert (card.profile.version, card.profile.interface) == (profile.version, interface)
    assert card.shown.algorithm is Algorithm.SM4
    assert card.shown.issuer_records == made.contents.issuer_records
    key = made.contents.certificate_key
    assert card.certificate() == (key.certificate if key else None)


def test_a_connection_keeps_everybody_else_out_until_it_ends(stack):
    slot = stack.put(make_card())
    slot.wait_for_card()
    slot.reader.connect()
    other = stack.watched()
    assert other.look(0).in_use is True
    with pytest.raises(ReaderInUse):
        other.connect()
    slot.reader.disconnect()
    other.connect()


def test_what_the_pin_opened_is_closed_after_the_connection(stack):
    slot = stack.put(make_card())
    presence = slot.wait_for_card()
    slot.reader.connect()
    card = present_card(slot.reader, presence.atr)
    card.verify_pin(pin(), for_signature=True)
    slot.reader.disconnect()
    other = stack.watched()
    other.connect()
    card = present_card(other, presence.atr)
    card.certificate()
    with pytest.raises(SecurityNotSatisfied):
        card.sign(BINDING)


def test_a_pin_locks_and_stays_locked_for_the_next_connection(stack):
    slot = stack.put(make_card(pin=b"271828"))
    presence = slot.wait_for_card()
    slot.reader.connect()
    card = present_card(slot.reader, presence.atr)
    for tries_left in (5, 4, 3, 2, 1):
        with pytest.raises(WrongPin) as refusal:
            card.verify_pin(pin("000000"), for_signature=False)
        assert refusal.value.tries_left == tries_left
    with pytest.raises(PinLocked):
        card.verify_pin(pin("000000"), for_signature=False)
    with pytest.raises(PinLocked):
        card.verify_pin(pin("271828"), for_signature=False)
    slot.reader.disconnect()
    slot.reader.connect()
    assert present_card(slot.reader, presence.atr).pin_tries_left(for_signature=False) == 0


def test_a_card_that_was_taken_out_is_gone_for_its_connection(stack):
    slot = stack.put(make_card())
    slot.wait_for_card()
    slot.reader.connect()
    slot.tell("remove")
    with pytest.raises(CardRemoved):
        slot.reader.send_and_receive(GET_CHALLENGE)


def test_a_card_pulled_in_the_middle_of_a_command_is_gone_and_can_come_back(stack):
    slot = stack.put(make_card())
    presence = slot.wait_for_card()
    slot.reader.connect()
    slot.tell("pull 3")
    with pytest.raises(CardRemoved):
        present_card(slot.reader, presence.atr)
    with pytest.raises(CardRemoved):
        slot.reader.send_and_receive(GET_CHALLENGE)
    slot.reader.disconnect()
    slot.wait_until_empty()
    slot.tell("insert")
    slot.wait_for_card()
    slot.reader.connect()
    assert present_card(slot.reader, presence.atr).profile is CONTACT_3_0


def test_connecting_to_an_empty_reader_says_that_there_is_no_card(stack):
    slot = stack.put(make_card(), absent=True)
    slot.reader.look(0)
    with pytest.raises(CardRemoved):
        slot.reader.connect()


def test_nonsense_from_the_card_is_a_malformed_answer(stack):
    slot = stack.put(make_card())
    presence = slot.wait_for_card()
    slot.reader.connect()
    slot.tell("garble")
    with pytest.raises(MalformedAnswer):
        present_card(slot.reader, presence.atr)


def test_two_readers_do_not_disturb_each_other_even_when_one_card_is_mute(stack):
    silent, talking = stack.put(make_card(), answer_within=0.5), stack.put(make_card(CONTACTLESS_3_0, BOJIN), slot=1)
    silent.wait_for_card()
    presence = talking.wait_for_card()
    silent.reader.connect()
    talking.reader.connect()
    silent.tell("mute")
    with pytest.raises(CardMute):
        silent.reader.send_and_receive(GET_CHALLENGE)
    assert present_card(talking.reader, presence.atr).profile is CONTACTLESS_3_0


def test_the_watchdog_ends_a_mute_card_and_the_reader_works_again_with_the_next(stack):
    slot = stack.put(make_card(), answer_within=0.5)
    presence = slot.wait_for_card()
    slot.reader.connect()
    slot.tell("mute")
    with pytest.raises(CardMute):
        slot.reader.send_and_receive(GET_CHALLENGE)
    assert slot.reader.look(0).card_present is True
    with pytest.raises(ReaderInUse):
        slot.reader.connect()
    slot.tell("remove")
    slot.wait_until_empty()
    slot.tell("heal")
    slot.tell("insert")
    slot.wait_for_card()
    slot.reader.connect()
    assert present_card(slot.reader, presence.atr).profile is CONTACT_3_0


def test_after_the_watchdog_the_old_connection_is_not_taken_up_again(stack):
    slot = stack.put(make_card(), answer_within=0.5)
    slot.wait_for_card()
    slot.reader.connect()
    slot.tell("mute")
    with pytest.raises(CardMute):
        slot.reader.send_and_receive(GET_CHALLENGE)
    slot.tell("heal")
    with pytest.raises(CardRemoved):
        slot.reader.send_and_receive(GET_CHALLENGE)


@pytest.mark.parametrize("hard", [False, True], ids=["restarted", "killed"])
def test_a_daemon_that_was_restarted_is_found_again(stack, hard):
    slot = stack.put(make_card())
    presence = slot.wait_for_card()
    slot.reader.connect()
    stack.daemon.stop_daemon(hard=hard)
    with pytest.raises(ReaderUnavailable):
        slot.reader.send_and_receive(GET_CHALLENGE)
    with pytest.raises(ReaderUnavailable):
        slot.reader.look(0)
    stack.daemon.start_daemon()
    slot.wait_for_card()
    slot.reader.connect()
    assert present_card(slot.reader, presence.atr).shown.issuer.region == "990100"


def test_a_reader_process_that_dies_is_replaced(stack):
    slot = stack.put(make_card())
    slot.wait_for_card()
    slot.reader.connect()
    slot.reader._worker.process.kill()
    with pytest.raises(ReaderUnavailable):
        slot.reader.send_and_receive(GET_CHALLENGE)
    slot.reader.look(0)
    slot.reader.connect()
    assert len(slot.reader.send_and_receive(GET_CHALLENGE)[0]) == 8
