"""The two sessions of a card: what they send, and what they make of the answers."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physical.chip import card as card_module
from physical.chip import card_keys, errors
from physical.chip.binding import Binding
from physical.chip.card import PkiApplication, Selected, SocialSecurityApplication
from physical.chip.files import CardClass, FileId
from physical.chip.pin import pack_pin
from physical.chip.profiles import (
    CONTACT_2_0,
    CONTACT_2_0_READ_KEY,
    CONTACT_3_0,
    CONTACTLESS_3_0,
    PROFILES,
    Algorithm,
    Interface,
    profile_for,
    transmission_of,
)
from sm.certificates import Trust, read_certificate
from sm.digest import sm3
from tests.chip.builders import (
    MADE_AT,
    ROOT_KEYS,
    ScriptedCard,
    authorities,
    make_card,
    pin,
    pki,
    prove,
    provider,
    ssse,
)
from tests.persons import ANNA, PERSONS

ALL_PROFILES = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
WITH_CERTIFICATE = pytest.mark.parametrize("profile", [CONTACT_3_0, CONTACTLESS_3_0], ids=lambda profile: profile.name)
GARBAGE = st.lists(st.tuples(st.binary(max_size=260), st.integers(0, 0xFFFF)), min_size=1, max_size=12)


@ALL_PROFILES
def test_issuer_data_is_free_to_read(profile):
    data = ssse(make_card(profile)).issuer_data()
    assert (data.version, data.region, data.card_class) == (profile.version, "990100", CardClass.ADULT)
    assert (data.issued_on, data.expires_on) == (date(2024, 5, 6), date(2034, 5, 6))
    assert data.institution == "915600000299010099010001"
    assert data.card_identification_code[6:16] == "D156000005"


@ALL_PROFILES
def test_the_card_names_its_algorithm(profile):
    assert SocialSecurityApplication(make_card(profile), profile).select() == Selected(Algorithm.SM4)


@ALL_PROFILES
def test_the_card_proves_its_key_over_the_given_challenge(profile):
    card = make_card(profile)
    keys = ROOT_KEYS.diversify(card.contents.historical_bytes, "990100")
    challenge = bytes(range(16))
    answer = ssse(card).internal_authenticate(challenge)
    assert answer == card_keys.internal_authentication(keys.internal, challenge)


@pytest.mark.parametrize(
    "profile", [CONTACT_3_0, CONTACTLESS_3_0, CONTACT_2_0_READ_KEY], ids=lambda profile: profile.name
)
def test_holder_data_opens_after_the_read_key_is_proven(profile):
    card = make_card(profile)
    session = ssse(card)
    with pytest.raises(errors.SecurityNotSatisfied):
        session.holder_data()
    prove(session, card.contents.keys.read)
    assert session.holder_data() == ANNA.holder_data()


def test_holder_data_of_an_older_card_is_free_to_read():
    assert ssse(make_card(CONTACT_2_0)).holder_data() == ANNA.holder_data()


@pytest.mark.parametrize("person", PERSONS, ids=range(len(PERSONS)))
def test_every_person_is_read_as_the_card_was_made(person):
    assert ssse(make_card(CONTACT_2_0, person)).holder_data() == person.holder_data()


@ALL_PROFILES
def test_records_come_as_the_card_keeps_them(profile):
    card = make_card(profile)
    session = ssse(card)
    prove(session, card.contents.keys.read)
    assert session.issuer_records() == card.contents.issuer_records
    assert session.holder_records() == card.contents.holder_records


def test_a_record_that_older_cards_lack_is_left_out():
    card = make_card(CONTACT_2_0)
    records = card.contents.holder_records
    start = records.index(b"\x4e\x14")
    card.contents.holder_records = records[:start] + records[start + 22 :]
    assert ssse(card).holder_data() == ANNA.holder_data()


def test_a_required_record_that_is_not_there_is_an_error():
    card = make_card(CONTACT_2_0)
    card.contents.holder_records = card.contents.holder_records[20:]
    with pytest.raises(errors.RecordNotFound):
        ssse(card).holder_records()


@ALL_PROFILES
def test_the_plain_pin_is_verified_and_counted(profile):
    card = make_card(profile)
    session = ssse(card)
    with pytest.raises(errors.WrongPin) as wrong:
        session.verify_pin(pin("000000"))
    assert wrong.value.tries_left == session.tries_left() == profile.pin_tries - 1
    session.verify_pin(pin())
    assert session.tries_left() == profile.pin_tries


@WITH_CERTIFICATE
def test_the_pin_of_the_certificate_application_is_verified_by_challenge(profile):
    session = pki(make_card(profile))
    with pytest.raises(errors.WrongPin):
        session.verify_pin(pin("000000"))
    assert session.tries_left() == profile.pki.pin_tries - 1
    session.verify_pin(pin())
    assert session.tries_left() == profile.pki.pin_tries


@WITH_CERTIFICATE
def test_the_certificate_is_read_whole_and_verifies_up_to_the_root(profile):
    card = make_card(profile)
    certificate = read_certificate(pki(card).certificate())
    _, hierarchy = authorities()
    Trust([hierarchy.ministry], provider()).verify_chain(certificate, hierarchy.intermediates, MADE_AT)
    assert certificate.subject_common_name == ssse(card).issuer_data().card_identification_code
    assert certificate.public_key == pki(card).public_key()


@WITH_CERTIFICATE
def test_the_card_signs_a_binding(profile):
    session = pki(make_card(profile))
    binding = Binding(
        enrollment="enr_1",
        service_nonce=bytes(16),
        terminal_nonce=bytes(16),
        terminal="trm_1",
        device_key_sm3=sm3(b"device"),
        card_identification_code="990100D1560000050000000112345678",
        holder_sm3=sm3(b"holder"),
    )
    session.verify_pin(pin())
    signature = session.sign_digest(binding.digest(session.public_key()))
    verifier = provider().verifier(session.public_key(), profile.pki.user_id)
    verifier.verify(binding.encode(), signature)


@WITH_CERTIFICATE
def test_the_card_does_not_sign_without_the_pin(profile):
    with pytest.raises(errors.SecurityNotSatisfied):
        pki(make_card(profile)).sign_digest(bytes(32))


@ALL_PROFILES
def test_a_pin_can_be_changed(profile):
    card = make_card(profile)
    session = ssse(card)
    session.change_pin(pin(), pin("24680"))
    session.verify_pin(pin("24680"))
    with pytest.raises(errors.WrongPin):
        session.verify_pin(pin())


@WITH_CERTIFICATE
def test_the_pin_of_the_certificate_application_is_changed_by_itself(profile):
    card = make_card(profile)
    session = pki(card)
    session.change_pin(pin(), pin("24680"))
    session.verify_pin(pin("24680"))
    ssse(card).verify_pin(pin())


@ALL_PROFILES
def test_a_locked_pin_is_unblocked_with_the_proof_and_the_block_of_the_hsm(profile):
    card = make_card(profile)
    session = ssse(card)
    for _ in range(profile.pin_tries - 1):
        with pytest.raises(errors.WrongPin):
            session.verify_pin(pin("000000"))
    for _ in range(2):
        with pytest.raises(errors.PinLocked):
            session.verify_pin(pin("000000"))
    assert session.tries_left() == 0
    key = card.contents.keys.unblock
    prove(session, key, 0x06)
    session.unblock_pin(card_keys.unblock_block(key, session.get_challenge(), bytes(pack_pin(pin("135790")))))
    session.verify_pin(pin("135790"))


def test_a_card_without_certificate_has_no_such_session():
    with pytest.raises(errors.ApplicationNotOffered):
        PkiApplication(make_card(CONTACT_2_0), CONTACT_2_0)


def test_a_blocked_application_is_told_apart_from_a_missing_one():
    card = make_card()
    card.contents.blocked = True
    with pytest.raises(errors.ApplicationBlocked) as blocked:
        ssse(card)
    assert "网点" in blocked.value.advice.zh


# --- the caller's buffers -----------------------------------------------------------------------------------------


@pytest.fixture
def packed_buffers(monkeypatch):
    """Keep every buffer that a PIN is packed into."""
    made = []

    def keeping(digits):
        made.append(pack_pin(digits))
        return made[-1]

    monkeypatch.setattr(card_module, "pack_pin", keeping)
    return made


@pytest.mark.parametrize("text", ["123456", "000000"])
@pytest.mark.parametrize("open_session", [ssse, pki])
def test_the_packed_pin_is_wiped_whether_it_is_right_or_wrong(packed_buffers, open_session, text):
    session = open_session(make_card())
    try:
        session.verify_pin(pin(text))
    except errors.WrongPin as error:
        assert error.tries_left
    assert packed_buffers == [bytearray(3)]


def test_the_packed_pin_is_wiped_when_the_card_is_pulled(packed_buffers):
    card = ScriptedCard([])
    card.send_and_receive = lambda apdu: (_ for _ in ()).throw(errors.CardRemoved)
    session = SocialSecurityApplication(card, CONTACT_3_0)
    with pytest.raises(errors.CardRemoved):
        session.verify_pin(pin())
    assert packed_buffers == [bytearray(3)]


def test_the_callers_pin_is_left_for_the_caller_to_wipe():
    digits = pin()
    ssse(make_card()).verify_pin(digits)
    assert digits == b"123456"


# --- answers of strange cards -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fci",
    ["6F0A84087378312E73682E41", "", "6F00", "6F11840F7378312E73682EC9E7BBE1B1A3D5CF"],
)
def test_a_card_that_names_no_algorithm_is_an_old_one(fci):
    session = SocialSecurityApplication(ScriptedCard([(fci, 0x9000)]), CONTACT_2_0)
    assert session.select().algorithm is Algorithm.DES


@pytest.mark.parametrize(("last", "algorithm"), [("01", Algorithm.DES), ("02", Algorithm.SSF33), ("03", Algorithm.SM4)])
def test_the_last_byte_of_the_answer_to_select_is_the_algorithm(last, algorithm):
    fci = f"6F1C840F7378312E73682EC9E7BBE1B1A3D5CFA50988011E9F0C038601{last}"
    session = SocialSecurityApplication(ScriptedCard([(fci, 0x9000)]), CONTACT_3_0)
    assert session.select().algorithm is algorithm


@pytest.mark.parametrize("fci", ["6F", "6F08A5069F0C03860109", "6F08A5069F0C03870103", "6F07A5059F0C028601", "84"])
def test_an_answer_to_select_that_makes_no_sense_is_malformed(fci):
    with pytest.raises(errors.MalformedAnswer):
        SocialSecurityApplication(ScriptedCard([(fci, 0x9000)]), CONTACT_3_0).select()


def test_another_record_than_the_one_asked_for_is_malformed():
    with pytest.raises(errors.MalformedAnswer):
        SocialSecurityApplication(ScriptedCard([("0A0131", 0x9000)]), CONTACT_2_0).read_record(0x0B)


def test_a_challenge_of_another_length_is_malformed():
    with pytest.raises(errors.MalformedAnswer):
        SocialSecurityApplication(ScriptedCard([("00" * 7, 0x9000)]), CONTACT_2_0).get_challenge()


@pytest.mark.parametrize("head", ["30810000", "31820100", "3082FFFF", "00000000", "FFFFFFFF"])
def test_a_file_that_holds_no_certificate_is_malformed(head):
    session = PkiApplication(ScriptedCard([("", 0x9000), (head, 0x9000)]), CONTACT_3_0)
    with pytest.raises(errors.MalformedAnswer):
        session.certificate()


@pytest.mark.parametrize("key", ["0100" + "00" * 64, "0200" + "11" * 64, "0100" + "11" * 64, "00" * 65])
def test_a_file_that_holds_no_public_key_is_malformed(key):
    session = PkiApplication(ScriptedCard([("", 0x9000), (key, 0x9000)]), CONTACT_3_0)
    with pytest.raises(errors.MalformedAnswer):
        session.public_key()


def test_a_card_that_answers_9000_to_the_question_for_tries_has_them_all():
    session = SocialSecurityApplication(ScriptedCard([("", 0x9000)]), CONTACT_3_0)
    assert session.tries_left() == CONTACT_3_0.pin_tries


@pytest.mark.parametrize(
    "ask",
    [
        lambda session: session.internal_authenticate(bytes(8)),
        lambda session: session.external_authenticate(bytes(8)),
        lambda session: session.unblock_pin(bytes(19)),
    ],
    ids=["internal", "external", "unblock"],
)
def test_blocks_of_another_length_never_reach_the_card(ask):
    with pytest.raises(ValueError, match="bytes are needed"):
        ask(SocialSecurityApplication(ScriptedCard([]), CONTACT_3_0))


class EndlessCard:
    """Answers from a list, over and over."""

    def __init__(self, answers):
        self.answers = answers
        self.count = 0

    def send_and_receive(self, _apdu):
        self.count += 1
        return self.answers[self.count % len(self.answers)]


@given(GARBAGE)
def test_no_answers_break_a_session(answers):
    session = SocialSecurityApplication(EndlessCard(answers), CONTACT_3_0)
    application = PkiApplication(EndlessCard(answers), CONTACT_3_0)
    for ask in (
        session.select,
        session.issuer_data,
        session.holder_data,
        session.get_challenge,
        session.tries_left,
        lambda: session.internal_authenticate(bytes(16)),
        lambda: session.external_authenticate(bytes(16)),
        lambda: session.verify_pin(pin()),
        application.select,
        application.certificate,
        application.public_key,
        lambda: application.verify_pin(pin()),
        lambda: application.sign_digest(bytes(32)),
    ):
        try:
            ask()
        except errors.ChipError:
            continue


# --- profiles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interface", "version", "profile"),
    [
        (Interface.CONTACT, "3.0", CONTACT_3_0),
        (Interface.CONTACTLESS, "3.0", CONTACTLESS_3_0),
        (Interface.CONTACT, "2.0", CONTACT_2_0),
    ],
)
def test_the_profile_follows_from_interface_and_version(interface, version, profile):
    assert profile_for(interface, version) is profile
    assert transmission_of(interface) is profile.transmission


@pytest.mark.parametrize(("interface", "version"), [(Interface.CONTACT, "4.0"), (Interface.CONTACTLESS, "2.0")])
def test_a_generation_without_profile_is_refused(interface, version):
    with pytest.raises(errors.UnknownGeneration):
        profile_for(interface, version)


def test_file_identifiers_are_those_of_the_file_tree():
    assert (FileId.ISSUER, FileId.HOLDER, FileId.SIGNING_CERTIFICATE) == (0xEF05, 0xEF06, 0x0018)
