"""The virtual card behaves as the table of commands says (chip-card.md 1.6), byte for byte."""

import json
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physical.chip import errors
from physical.chip.card import SocialSecurityApplication
from physical.chip.card_keys import external_authentication, unblock_block
from physical.chip.errors import CardFileUnusable, CardMute, CardRemoved, MalformedAnswer
from physical.chip.pin import challenge_proof
from physical.chip.profiles import CONTACT_2_0, CONTACT_3_0, CONTACTLESS_3_0, PROFILES, CardProfile
from physical.chip.virtual_card import VirtualCard
from physical.chip.virtual_card_faults import NO_FAULTS, Faults
from physical.chip.virtual_card_maker import personalise
from tests.chip.builders import (
    DATA,
    MADE_AT,
    ROOT_KEYS,
    authorities,
    counting_randomness,
    make_card,
    pin,
    pki,
    prove,
    provider,
    ssse,
    transmit,
)
from tests.persons import ANNA, REGION

SELECT_SSSE = "00A404000F7378312E73682EC9E7BBE1B1A3D5CF"
SELECT_PKI = "00A404000C504B492EC9E7BBE1B1A3D5CF"
SELECT_ADF = "00A404000C53532E434552542E41444631"
SELECT_PBOC = "00A404000E315041592E5359532E4444463031"
SELECT_EF05 = "00A4020002EF05"
SELECT_EF06 = "00A4020002EF06"
SELECT_KEY = "00A40000020012"
SELECT_CERTIFICATE = "00A40000020018"
CHALLENGE = "0084000008"
VERIFY = "0020000003"
SIGN = "002A9E9A20" + "00" * 32
FCI = "6F1C840F7378312E73682EC9E7BBE1B1A3D5CFA50988011E9F0C03860103"
CARD_FILE_PARTS = (
    "format",
    "warning",
    "profile",
    "historical_bytes",
    "issuer_records",
    "holder_records",
    "keys",
    "key_tries",
    "pin",
    "pki_pin",
    "certificate_key",
    "blocked",
)


@pytest.fixture
def contact() -> VirtualCard:
    return make_card(CONTACT_3_0)


@pytest.fixture
def contactless() -> VirtualCard:
    return make_card(CONTACTLESS_3_0)


def external_block(card: VirtualCard, key: bytes, challenge: str) -> str:
    return (external_authentication(key, bytes.fromhex(challenge[:16]), DATA) + DATA).hex()


def pki_proof(card: VirtualCard, packed: str, challenge_command: str = CHALLENGE) -> str:
    challenge = bytes.fromhex(transmit(card, challenge_command).split()[0])
    return "0020018110" + challenge_proof(bytes.fromhex(packed), challenge).hex()


# --- transmission -------------------------------------------------------------------------------------------------


def test_on_t0_select_announces_its_answer_and_get_response_brings_it(contact):
    assert transmit(contact, SELECT_SSSE) == "611E"
    assert transmit(contact, "00C000001E") == f"{FCI} 9000"


def test_without_contacts_select_answers_at_once(contactless):
    assert transmit(contactless, SELECT_SSSE + "00") == f"{FCI} 9000"


def test_without_contacts_and_without_le_no_data_comes(contactless):
    assert transmit(contactless, SELECT_SSSE) == "9000"


def test_an_answer_can_be_fetched_in_pieces(contact):
    assert transmit(contact, SELECT_SSSE, "00C0000002") == "6F1C 611C"
    assert transmit(contact, "00C000001C") == f"{FCI[4:]} 9000"


def test_get_response_for_more_than_there_is_names_the_length(contact):
    assert transmit(contact, SELECT_SSSE, "00C00000FF") == "6C1E"


def test_an_answer_is_gone_after_another_command(contact):
    assert transmit(contact, SELECT_SSSE, CHALLENGE, "00C000001E") == "6985"


def test_get_response_without_an_answer_is_refused(contact):
    assert transmit(contact, "00C0000001") == "6985"


def test_on_t0_a_record_is_read_at_exactly_its_length(contact):
    assert transmit(contact, SELECT_SSSE, SELECT_EF05, "00B2030000") == "6C06"
    assert transmit(contact, "00B2030006") == "0304332E3030 9000"
    assert transmit(contact, "00B2030005") == "6C06"


def test_without_contacts_a_record_is_read_whole_or_not_at_all(contactless):
    assert transmit(contactless, SELECT_SSSE, SELECT_EF05, "00B2030000") == "0304332E3030 9000"
    assert transmit(contactless, "00B2030003") == "6C06"


@pytest.mark.parametrize("apdu", ["", "00", "00A404", "00A4040005EF", "00A4040001EF0000"])
def test_bytes_that_are_no_command_have_a_wrong_length(contact, apdu):
    assert transmit(contact, apdu) == "6700"


@pytest.mark.parametrize("cla", ["01", "90", "FF"])
def test_an_unknown_class_is_refused(contact, cla):
    assert transmit(contact, f"{cla}84000008") == "6E00"


@pytest.mark.parametrize("apdu", ["8084000008", "005E010001FF", "0424000100"])
def test_a_command_of_another_class_is_refused(contact, apdu):
    assert transmit(contact, apdu) == "6E00"


@pytest.mark.parametrize("ins", ["00", "DC", "E0", "FF"])
def test_an_unknown_instruction_is_refused(contact, ins):
    assert transmit(contact, f"00{ins}000000") == "6D00"


# --- 1, 2, 8: select ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("apdu", [SELECT_PBOC, "00A4040003A0A1A2", SELECT_ADF, "00A4020002EF07", "00A40000020012"])
def test_what_is_not_there_is_not_found(contact, apdu):
    assert transmit(contact, SELECT_SSSE, apdu) == "6A82"


@pytest.mark.parametrize("apdu", [SELECT_PKI, SELECT_ADF])
def test_an_older_card_has_no_certificate_application(apdu):
    assert transmit(make_card(CONTACT_2_0), apdu) == "6A82"


def test_the_adf_is_found_inside_its_application_only(contact):
    assert transmit(contact, SELECT_ADF) == "6A82"
    assert transmit(contact, SELECT_PKI, SELECT_ADF) == "9000"


def test_no_file_is_found_without_an_application(contact):
    assert transmit(contact, SELECT_EF05) == "6A82"


def test_the_master_file_leaves_every_application(contact):
    assert transmit(contact, SELECT_SSSE, "00A40000023F00") == "9000"
    assert transmit(contact, SELECT_EF05) == "6A82"


@pytest.mark.parametrize("application", [SELECT_SSSE, SELECT_PKI])
def test_a_blocked_application_says_so(contact, application):
    contact.contents.blocked = True
    assert transmit(contact, application) == "9303"


@pytest.mark.parametrize("apdu", ["00A40304021234", "00A4040101AA", "00A40900021234"])
def test_other_ways_to_select_are_refused(contact, apdu):
    assert transmit(contact, apdu) == "6A86"


@pytest.mark.parametrize("apdu", ["00A4020001EF", "00A4020003EF0500"])
def test_a_file_identifier_has_two_bytes(contact, apdu):
    assert transmit(contact, SELECT_SSSE, apdu) == "6700"


# --- 3: read record -----------------------------------------------------------------------------------------------


def test_a_record_needs_a_selected_file(contact):
    assert transmit(contact, "00B2030006") == "6986"
    assert transmit(contact, SELECT_SSSE, "00B2030006") == "6986"


def test_selecting_the_application_again_leaves_the_file(contact):
    assert transmit(contact, SELECT_SSSE, SELECT_EF05, SELECT_SSSE, "00B2030006") == "6986"


@pytest.mark.parametrize("tag", ["08", "4E", "FF", "00"])
def test_a_tag_that_the_file_does_not_have_is_not_found(contact, tag):
    assert transmit(contact, SELECT_SSSE, SELECT_EF05, f"00B2{tag}0000") == "6A83"


def test_a_record_is_not_read_by_its_number(contact):
    assert transmit(contact, SELECT_SSSE, SELECT_EF05, "00B2030400") == "6A86"


def test_holder_data_of_a_new_card_is_closed(contact):
    assert transmit(contact, SELECT_SSSE, SELECT_EF06, "00B2080000") == "6982"


def test_holder_data_of_an_older_card_is_open():
    assert transmit(make_card(CONTACT_2_0), SELECT_SSSE, SELECT_EF06, "00B2080000") == "6C14"


@pytest.mark.parametrize("key_id", [0x04, 0x06])
def test_another_key_does_not_open_holder_data(contact, key_id):
    session = ssse(contact)
    prove(session, contact.contents.proving_key(key_id), key_id)
    with pytest.raises(errors.SecurityNotSatisfied):
        session.holder_records()


# --- 4: get challenge ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", ["04", "08", "10"])
def test_a_challenge_has_4_8_or_16_bytes(contact, length):
    data, status_word = transmit(contact, f"00840000{length}").split()
    assert (len(data) // 2, status_word) == (int(length, 16), "9000")


@pytest.mark.parametrize("length", ["00", "01", "07", "09", "11", "FF"])
def test_a_challenge_of_another_length_is_refused(contact, length):
    assert transmit(contact, f"00840000{length}") == "6700"


def test_two_challenges_differ(contact):
    assert transmit(contact, CHALLENGE) != transmit(contact, CHALLENGE)


def test_a_challenge_has_no_parameters(contact):
    assert transmit(contact, "0084010008") == "6A86"


# --- 5: internal authenticate -------------------------------------------------------------------------------------


def test_internal_authenticate_gives_eight_bytes(contact):
    assert transmit(contact, SELECT_SSSE, "0088000010" + "00" * 16) == "6108"


@pytest.mark.parametrize("length", [1, 8, 15, 17])
def test_internal_authenticate_takes_sixteen_bytes(contact, length):
    assert transmit(contact, SELECT_SSSE, f"00880000{length:02X}" + "00" * length) == "6700"


@pytest.mark.parametrize("parameters", ["0001", "0100"])
def test_internal_authenticate_knows_one_key(contact, parameters):
    assert transmit(contact, SELECT_SSSE, f"0088{parameters}10" + "00" * 16) == "6A88"


def test_internal_authenticate_needs_its_application(contact):
    assert transmit(contact, "0088000010" + "00" * 16) == "6A88"
    assert transmit(contact, SELECT_PKI, "0088000010" + "00" * 16) == "6A88"


# --- 6: external authenticate -------------------------------------------------------------------------------------


def test_a_challenge_is_good_for_one_proof(contact):
    transmit(contact, SELECT_SSSE)
    block = external_block(contact, contact.contents.keys.read, transmit(contact, CHALLENGE))
    assert transmit(contact, f"0082000A10{block}") == "9000"
    assert transmit(contact, f"0082000A10{block}") == "6984"


def test_a_wrong_proof_uses_the_challenge_up_and_is_counted(contact):
    transmit(contact, SELECT_SSSE)
    block = external_block(contact, contact.contents.keys.read, transmit(contact, CHALLENGE))
    assert transmit(contact, "0082000A10" + "00" * 16) == "63CE"
    assert transmit(contact, f"0082000A10{block}") == "6984"
    assert transmit(contact, SELECT_EF06, "00B2080000") == "6982"


def test_a_proof_without_a_challenge_is_refused_and_not_counted(contact):
    assert transmit(contact, SELECT_SSSE, "0082000A10" + "00" * 16) == "6984"
    assert contact.contents.key_tries[0x0A] == CONTACT_3_0.key_tries


@pytest.mark.parametrize("length", ["04", "10"])
def test_a_proof_over_a_challenge_of_another_length_is_refused(contact, length):
    assert transmit(contact, SELECT_SSSE, f"00840000{length}", "0082000A10" + "00" * 16) == "6984"


def test_a_key_locks_after_its_tries_and_the_right_proof_comes_too_late(contact):
    transmit(contact, SELECT_SSSE)
    answers = [transmit(contact, CHALLENGE, "0082000A10" + "00" * 16) for _ in range(CONTACT_3_0.key_tries)]
    assert answers == [f"63C{tries:X}" for tries in range(CONTACT_3_0.key_tries - 1, -1, -1)]
    block = external_block(contact, contact.contents.keys.read, transmit(contact, CHALLENGE))
    assert transmit(contact, f"0082000A10{block}") == "6983"


def test_the_right_proof_sets_the_counter_back(contact):
    session = ssse(contact)
    transmit(contact, CHALLENGE, "0082000A10" + "00" * 16)
    prove(session, contact.contents.keys.read)
    assert contact.contents.key_tries[0x0A] == CONTACT_3_0.key_tries


@pytest.mark.parametrize("parameters", ["000B", "0000", "010A"])
def test_a_key_that_is_not_there_is_not_found(contact, parameters):
    assert transmit(contact, SELECT_SSSE, CHALLENGE, f"0082{parameters}10" + "00" * 16) == "6A88"


@pytest.mark.parametrize("length", [8, 15, 17])
def test_a_proof_has_sixteen_bytes(contact, length):
    assert transmit(contact, SELECT_SSSE, CHALLENGE, f"0082000A{length:02X}" + "00" * length) == "6700"


def test_what_was_proven_is_forgotten_when_another_application_is_selected(contact):
    session = ssse(contact)
    prove(session, contact.contents.keys.read)
    assert transmit(contact, SELECT_PKI, SELECT_SSSE, SELECT_EF06, "00B2080000") == "6982"


# --- 7: verify the plain PIN --------------------------------------------------------------------------------------


def test_wrong_pins_are_counted_down_to_the_lock(contact):
    transmit(contact, SELECT_SSSE)
    answers = [transmit(contact, VERIFY + "000000") for _ in range(CONTACT_3_0.pin_tries + 1)]
    assert answers == ["63C5", "63C4", "63C3", "63C2", "63C1", "63C0", "6983"]
    assert transmit(contact, VERIFY + "123456") == "6983"


def test_the_right_pin_sets_the_counter_back(contact):
    assert transmit(contact, SELECT_SSSE, VERIFY + "000000", VERIFY + "123456") == "9000"
    assert contact.contents.pin.tries_left == CONTACT_3_0.pin_tries


def test_asking_for_the_tries_left_uses_none_up(contact):
    transmit(contact, SELECT_SSSE, VERIFY + "000000")
    assert [transmit(contact, "0020000000") for _ in range(3)] == ["63C5"] * 3
    assert transmit(contact, "00200000") == "63C5"


def test_a_locked_pin_answers_the_question_for_tries_with_locked(contact):
    contact.contents.pin.tries_left = 0
    assert transmit(contact, SELECT_SSSE, "0020000000") == "6983"


@pytest.mark.parametrize("apdu", ["0020000103123456", "0020018103123456", "0020008100"])
def test_a_pin_that_is_not_there_is_not_found(contact, apdu):
    assert transmit(contact, SELECT_SSSE, apdu) == "6A88"


def test_a_pin_needs_an_application(contact):
    assert transmit(contact, VERIFY + "123456") == "6A88"
    assert transmit(contact, SELECT_PKI, VERIFY + "123456") == "6A88"


def test_a_longer_pin_is_another_pin(contact):
    assert transmit(contact, SELECT_SSSE, "002000000412345600") == "63C5"


def test_each_application_counts_its_own_pin(contact):
    transmit(contact, SELECT_SSSE, VERIFY + "000000", SELECT_PKI, SELECT_ADF)
    assert transmit(contact, "0020018100") == "63C6"


# --- 9: verify the PIN by challenge -------------------------------------------------------------------------------


@pytest.mark.parametrize("challenge", ["0084000004", "0084000008", "0084000010"])
def test_the_proof_of_the_pin_is_over_the_cards_challenge(contact, challenge):
    transmit(contact, SELECT_PKI, SELECT_ADF)
    assert transmit(contact, pki_proof(contact, "123456", challenge)) == ("9000" if challenge == CHALLENGE else "6984")


def test_a_recorded_proof_does_not_open_the_card_again(contact):
    transmit(contact, SELECT_PKI, SELECT_ADF)
    recorded = pki_proof(contact, "123456")
    assert transmit(contact, recorded) == "9000"
    assert transmit(contact, recorded) == "6984"
    assert transmit(contact, CHALLENGE, recorded) == "63C5"


def test_wrong_proofs_of_the_pin_are_counted_down_to_the_lock(contact):
    transmit(contact, SELECT_PKI, SELECT_ADF)
    answers = [transmit(contact, pki_proof(contact, "000000")) for _ in range(CONTACT_3_0.pki.pin_tries + 1)]
    assert answers == ["63C5", "63C4", "63C3", "63C2", "63C1", "63C0", "6983"]
    assert transmit(contact, pki_proof(contact, "123456")) == "6983"


def test_a_proof_of_another_length_is_refused_and_not_counted(contact):
    assert transmit(contact, SELECT_PKI, SELECT_ADF, CHALLENGE, "0020018103123456") == "6700"
    assert contact.contents.pki_pin.tries_left == CONTACT_3_0.pki.pin_tries


# --- 10: read binary ----------------------------------------------------------------------------------------------


def test_the_public_key_file_has_66_bytes(contact):
    key = contact.contents.certificate_key.public_key.hex().upper()
    assert transmit(contact, SELECT_PKI, SELECT_ADF, SELECT_KEY, "00B0000000") == "6C42"
    assert transmit(contact, "00B0000042") == f"0100{key} 9000"


def test_the_certificate_file_has_1020_bytes(contactless):
    transmit(contactless, SELECT_PKI, SELECT_ADF, SELECT_CERTIFICATE)
    assert transmit(contactless, "00B003FB01") == "00 9000"
    assert transmit(contactless, "00B003FC01") == "6B00"
    assert len(transmit(contactless, "00B0030000")) == 2 * (1020 - 0x300) + 5


@pytest.mark.parametrize("file_id", ["0013", "0015"])
@pytest.mark.parametrize("with_pin", [False, True])
def test_private_keys_are_never_read(contact, file_id, with_pin):
    session = pki(contact)
    if with_pin:
        session.verify_pin(pin())
    assert transmit(contact, f"00A4000002{file_id}", "00B0000020") == "6982"


def test_bytes_need_a_selected_file(contact):
    assert transmit(contact, SELECT_PKI, SELECT_ADF, "00B0000001") == "6986"
    assert transmit(contact, SELECT_SSSE, SELECT_EF05, "00B0000001") == "6986"


# --- 11: sign -----------------------------------------------------------------------------------------------------


def test_a_signature_needs_the_pin(contact):
    assert transmit(contact, SELECT_PKI, SELECT_ADF, SIGN) == "6982"
    assert transmit(contact, pki_proof(contact, "123456"), SIGN) == "6140"


def test_a_wrong_pin_takes_back_what_the_right_one_gave(contact):
    transmit(contact, SELECT_PKI, SELECT_ADF)
    assert transmit(contact, pki_proof(contact, "123456")) == "9000"
    assert transmit(contact, pki_proof(contact, "000000")) == "63C5"
    assert transmit(contact, SIGN) == "6982"


def test_the_plain_pin_does_not_make_the_card_sign(contact):
    assert transmit(contact, SELECT_SSSE, VERIFY + "123456", SELECT_PKI, SELECT_ADF, SIGN) == "6982"


def test_a_signature_needs_its_application(contact):
    assert transmit(contact, SIGN) == "6985"
    assert transmit(contact, SELECT_SSSE, SIGN) == "6985"


@pytest.mark.parametrize("apdu", ["002A9E9A1F" + "00" * 31, "002A9E9A21" + "00" * 33])
def test_what_is_signed_has_32_bytes(contact, apdu):
    pki(contact).verify_pin(pin())
    assert transmit(contact, apdu) == "6700"


def test_other_security_operations_are_refused(contact):
    pki(contact).verify_pin(pin())
    assert transmit(contact, "002A9E9B20" + "00" * 32) == "6A86"


def test_an_older_card_does_not_know_the_command_to_sign():
    assert transmit(make_card(CONTACT_2_0), SELECT_SSSE, SIGN) == "6D00"


# --- 12: change and unblock ---------------------------------------------------------------------------------------


def test_change_pin_takes_old_ff_new(contact):
    assert transmit(contact, SELECT_SSSE, "805E010007123456FF654321") == "9000"
    assert transmit(contact, VERIFY + "654321") == "9000"


def test_change_pin_with_the_wrong_old_pin_is_counted(contact):
    assert transmit(contact, SELECT_SSSE, "805E010007000000FF654321") == "63C5"
    assert transmit(contact, VERIFY + "123456") == "9000"


def test_a_locked_pin_cannot_be_changed(contact):
    contact.contents.pin.tries_left = 0
    assert transmit(contact, SELECT_SSSE, "805E010007123456FF654321") == "6983"


@pytest.mark.parametrize("data", ["123456", "123456FF", "123456FF65", "123456FF65432A", "123456FF6543F1", "123456FFFF"])
def test_a_new_pin_that_is_none_is_refused_and_not_counted(contact, data):
    assert transmit(contact, SELECT_SSSE, f"805E0100{len(data) // 2:02X}{data}") == "6A80"
    assert contact.contents.pin.tries_left == CONTACT_3_0.pin_tries


@pytest.mark.parametrize("apdu", ["805E000007123456FF654321", "8424000214" + "00" * 20])
def test_changes_of_other_pins_are_not_found(contact, apdu):
    assert transmit(contact, SELECT_SSSE, apdu) == "6A88"


def test_unblocking_needs_the_proof_of_its_key(contact):
    assert transmit(contact, SELECT_SSSE, CHALLENGE, "8424000114" + "00" * 20) == "6982"


def test_unblocking_needs_a_challenge_of_its_own(contact):
    prove(ssse(contact), contact.contents.keys.unblock, 0x06)
    assert transmit(contact, "8424000114" + "00" * 20) == "6984"


def test_unblocking_with_a_wrong_mac_is_refused(contact):
    session = ssse(contact)
    prove(session, contact.contents.keys.unblock, 0x06)
    block = bytearray(unblock_block(contact.contents.keys.unblock, session.get_challenge(), bytes.fromhex("654321")))
    block[-1] ^= 1
    assert transmit(contact, "8424000114" + block.hex()) == "6988"
    assert transmit(contact, VERIFY + "123456") == "9000"


def test_unblocking_with_something_that_is_no_pin_is_refused(contact):
    session = ssse(contact)
    prove(session, contact.contents.keys.unblock, 0x06)
    block = unblock_block(contact.contents.keys.unblock, session.get_challenge(), bytes.fromhex("ABCDEF"))
    assert transmit(contact, "8424000114" + block.hex()) == "6A80"


def test_a_block_for_unblocking_has_20_bytes(contact):
    assert transmit(contact, SELECT_SSSE, "8424000113" + "00" * 19) == "6700"


# --- reset --------------------------------------------------------------------------------------------------------


def test_a_reset_forgets_selection_challenge_and_proofs(contact):
    session = ssse(contact)
    prove(session, contact.contents.keys.read)
    session.holder_records()
    challenge = transmit(contact, CHALLENGE)
    contact.reset()
    assert transmit(contact, "00B2080014") == "6986"
    block = external_block(contact, contact.contents.keys.read, challenge)
    assert transmit(contact, SELECT_SSSE, f"0082000A10{block}") == "6984"
    assert transmit(contact, SELECT_EF06, "00B2080000") == "6982"


def test_a_reset_closes_the_signature(contact):
    pki(contact).verify_pin(pin())
    contact.reset()
    assert transmit(contact, SELECT_PKI, SELECT_ADF, SIGN) == "6982"


def test_a_reset_does_not_give_back_tries(contact):
    transmit(contact, SELECT_SSSE, VERIFY + "000000")
    contact.reset()
    assert transmit(contact, SELECT_SSSE, "0020000000") == "63C5"


@pytest.mark.parametrize(("profile", "length"), [(CONTACT_3_0, 17), (CONTACTLESS_3_0, 18), (CONTACT_2_0, 17)])
def test_a_reset_answers_with_the_atr_of_the_profile(profile, length):
    card = make_card(profile)
    assert card.reset() == card.atr
    assert card.atr.startswith(profile.atr_prefix)
    assert len(card.atr) == length


# --- faults -------------------------------------------------------------------------------------------------------


def test_a_card_falls_mute_at_the_nth_command_and_stays_so_until_it_is_reset(contact):
    contact.set_faults(Faults(mute_on=2))
    transmit(contact, SELECT_SSSE)
    for _ in range(2):
        with pytest.raises(CardMute):
            transmit(contact, "0020000000")
    contact.reset()
    assert transmit(contact, SELECT_SSSE) == "611E"


def test_a_card_is_pulled_at_the_nth_command_and_comes_back_without_its_proofs(contact):
    pki(contact).verify_pin(pin())
    contact.set_faults(Faults(remove_on=1))
    for _ in range(2):
        with pytest.raises(CardRemoved):
            transmit(contact, SIGN)
    contact.reset()
    assert transmit(contact, SELECT_PKI, SELECT_ADF, SIGN) == "6982"


def test_a_card_that_was_pulled_has_lost_its_proofs_even_when_the_fault_is_taken_back(contact):
    pki(contact).verify_pin(pin())
    contact.set_faults(Faults(remove_on=1))
    with pytest.raises(CardRemoved):
        transmit(contact, SIGN)
    contact.set_faults(NO_FAULTS)
    assert transmit(contact, SIGN) == "6985"


def test_one_answer_is_garbage(contact):
    contact.set_faults(Faults(garble_on=1))
    session = SocialSecurityApplication(contact, contact.profile)
    with pytest.raises(MalformedAnswer):
        session.select()
    session.select()


def test_every_answer_is_garbage(contact):
    contact.set_faults(Faults(garble_every=True))
    session = SocialSecurityApplication(contact, contact.profile)
    for _ in range(3):
        with pytest.raises(MalformedAnswer):
            session.select()


def test_a_slow_card_takes_its_time_at_every_command():
    waited = []
    contents = make_card().contents
    card = VirtualCard(contents, provider(), sleep=waited.append, faults=Faults(delay_seconds=0.25))
    transmit(card, SELECT_SSSE, CHALLENGE)
    assert waited == [0.25, 0.25]


def test_faults_can_be_taken_back(contact):
    contact.set_faults(Faults(mute_on=1))
    with pytest.raises(CardMute):
        transmit(contact, SELECT_SSSE)
    contact.set_faults(NO_FAULTS)
    assert transmit(contact, SELECT_SSSE) == "611E"


# --- any input ----------------------------------------------------------------------------------------------------


@cache
def fuzzed_card(profile: CardProfile) -> VirtualCard:
    """Make one card for all examples; each begins where the last one left it."""
    return make_card(profile)


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_break_the_card(apdus):
    card = fuzzed_card(CONTACT_3_0)
    for apdu in apdus:
        data, status_word = card.send_and_receive(apdu)
        assert len(data) <= 256
        assert 0x6000 < status_word < 0xA000


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x00, 0x80, 0x84]),
            st.sampled_from([0xA4, 0xB2, 0xB0, 0x84, 0x88, 0x82, 0x20, 0x5E, 0x24, 0x2A, 0xC0]),
            st.sampled_from([0x00, 0x01, 0x02, 0x04, 0x9E]),
            st.sampled_from([0x00, 0x01, 0x0A, 0x81, 0x9A]),
            st.sampled_from(["", "00", "08", "02EF05", "02EF06", "020012", "10" + "00" * 16, "20" + "00" * 32]),
        ),
        max_size=8,
    )
)
def test_no_commands_open_what_needs_a_proof(commands):
    card = fuzzed_card(CONTACTLESS_3_0)
    card.reset()
    transmit(card, SELECT_SSSE + "00")
    for cla, ins, p1, p2, tail in commands:
        transmit(card, f"{cla:02X}{ins:02X}{p1:02X}{p2:02X}{tail}")
    assert not card._commands.session.proven_keys
    assert not card._commands.session.pin_verified


# --- the file of a card -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_card_is_the_same_after_it_was_kept_in_a_file(profile):
    card = make_card(profile)
    transmit(card, SELECT_SSSE, VERIFY + "000000")
    kept = VirtualCard.from_json(card.to_json(), provider())
    assert kept.contents == card.contents
    assert ssse(kept).tries_left() == profile.pin_tries - 1


def test_a_card_file_says_that_it_is_for_development():
    assert "development" in json.loads(make_card().to_json())["warning"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "something else"),
        ("warning", ""),
        ("profile", "9.0"),
        ("historical_bytes", "00"),
        ("issuer_records", "00"),
        ("holder_records", "zz"),
        ("keys", {"internal": "00"}),
        ("keys", None),
        ("key_tries", {"0A": 1}),
        ("pin", {"packed": "12", "tries_left": 3}),
        ("pin", {"packed": "123456", "tries_left": 16}),
        ("pki_pin", None),
        ("certificate_key", None),
        ("certificate_key", {"private_key": "00" * 32, "public_key": "", "certificate": ""}),
    ],
)
def test_a_card_file_that_was_changed_is_refused(name, value):
    changed = json.loads(make_card().to_json()) | {name: value}
    with pytest.raises(CardFileUnusable):
        VirtualCard.from_json(json.dumps(changed), provider())


@pytest.mark.parametrize("name", CARD_FILE_PARTS)
def test_a_card_file_without_one_of_its_parts_is_refused(name):
    changed = json.loads(make_card().to_json())
    assert set(changed) == set(CARD_FILE_PARTS)
    del changed[name]
    with pytest.raises(CardFileUnusable):
        VirtualCard.from_json(json.dumps(changed), provider())


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", "[" * 5000, "{" + " " * 70_000 + "}"], ids=range(7))
def test_what_is_no_card_file_is_refused(text):
    with pytest.raises(CardFileUnusable):
        VirtualCard.from_json(text, provider())


def test_a_card_does_not_show_its_secrets(contact):
    shown = repr(contact.contents)
    for secret in (contact.contents.keys.read, contact.contents.pin.packed, contact.contents.holder_records):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


# --- personalisation ----------------------------------------------------------------------------------------------


def test_two_cards_of_one_person_are_different_cards():
    first, second = make_card(), make_card()
    other = personalise(
        ANNA.holder_data(),
        CONTACT_2_0,
        region=REGION,
        root_keys=ROOT_KEYS,
        issue_certificate=lambda *_: b"",
        clock=lambda: MADE_AT,
        randomness=counting_randomness(b"another"),
        provider=provider(),
    )
    assert first.atr == second.atr
    assert other.atr != first.atr
    assert ssse(other).issuer_data().card_identification_code != ssse(first).issuer_data().card_identification_code


def test_a_card_made_on_a_leap_day_expires_on_the_day_before_the_first_of_march():
    card = personalise(
        ANNA.holder_data(),
        CONTACT_2_0,
        region=REGION,
        root_keys=ROOT_KEYS,
        issue_certificate=lambda *_: b"",
        clock=lambda: MADE_AT.replace(year=2024, month=2, day=29),
        randomness=counting_randomness(),
        provider=provider(),
    )
    assert ssse(card).issuer_data().expires_on.isoformat() == "2034-02-28"


def test_a_certificate_that_does_not_fit_its_file_is_a_mistake_of_the_maker():
    with pytest.raises(ValueError, match="1020"):
        personalise(
            ANNA.holder_data(),
            CONTACT_3_0,
            region=REGION,
            root_keys=ROOT_KEYS,
            issue_certificate=lambda *_: bytes(1021),
            clock=lambda: MADE_AT,
            randomness=counting_randomness(),
            provider=provider(),
        )


def test_a_certificate_of_our_authorities_fits_its_file():
    assert authorities()
    assert len(make_card().contents.certificate_key.certificate) <= 1020
