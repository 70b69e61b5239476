"""The APDU log: what it shows, and what it must never show."""

import logging

import pytest

from physical.chip.card import PkiApplication, SocialSecurityApplication
from physical.chip.card_keys import unblock_block
from physical.chip.errors import FileNotFound, WrongPin
from physical.chip.pin import challenge_proof
from physical.chip.profiles import CONTACT_2_0, CONTACT_3_0, CONTACTLESS_3_0, PROFILES
from physical.chip.trace import APDU_LEVEL, APDU_LOGGER, TracedConnection, name_apdu_level
from tests.chip.builders import ScriptedCard, make_card, pin, prove, ssse
from tests.persons import ANNA


@pytest.fixture
def logger(caplog):
    caplog.set_level(APDU_LEVEL, logger=APDU_LOGGER)
    return logging.getLogger(APDU_LOGGER)


def whole_visit(card, logger):
    traced = TracedConnection(card, logger)
    session = SocialSecurityApplication(traced, card.profile)
    session.select()
    session.issuer_records()
    session.internal_authenticate(bytes(16))
    prove(session, card.contents.keys.read)
    session.holder_records()
    session.tries_left()
    session.verify_pin(pin())
    session.change_pin(pin(), pin("654321"))
    if card.profile.pki:
        application = PkiApplication(traced, card.profile)
        application.select()
        application.certificate()
        application.public_key()
        application.verify_pin(pin())
        application.sign_digest(bytes(32))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_whole_visit_leaves_no_personal_data_and_no_pin(profile, logger, caplog):
    card = make_card(profile)
    whole_visit(card, logger)
    log = caplog.text.lower().replace(" ", "")
    holder = ANNA.holder_data()
    for secret in (
        holder.name.encode("gb18030").hex(),
        holder.social_security_number.encode().hex(),
        holder.birth_date.isoformat().replace("-", ""),
        "00200000",
        "00200181",
        "805e0100",
        "123456ff",
        card.contents.issuer_records[2:18].hex(),
        card.contents.issuer_records[-9:].hex(),
    ):
        assert secret not in log
    assert "[PIN command]" in caplog.text


def test_the_subject_of_the_certificate_is_not_shown(logger, caplog):
    card = make_card(CONTACTLESS_3_0)
    whole_visit(card, logger)
    key = card.contents.certificate_key
    before, after = key.certificate.hex().split(key.public_key.hex())
    for part in (before, after):
        for start in range(8, len(part) - 32, 32):
            assert part[start : start + 32] not in caplog.text
    assert ssse(card).issuer_data().card_identification_code.encode().hex() in before


def test_what_is_harmless_is_shown(logger, caplog):
    card = make_card(CONTACT_3_0)
    whole_visit(card, logger)
    for shown in ("> 00a404000f7378", "< - 611E", "> 00c000001e", "< 0304332e3030 9000", "> 002a9e9a20"):
        assert shown in caplog.text


def test_every_answer_keeps_its_status_word(logger, caplog):
    session = SocialSecurityApplication(TracedConnection(make_card(CONTACT_2_0), logger), CONTACT_2_0)
    session.select()
    with pytest.raises(WrongPin):
        session.verify_pin(pin("000000"))
    assert "< - 63C5" in caplog.text


def test_the_proof_of_a_pin_is_not_shown(logger, caplog):
    card = make_card(CONTACT_3_0)
    application = PkiApplication(TracedConnection(card, logger), card.profile)
    application.select()
    application.verify_pin(pin())
    challenge = caplog.records[-3].getMessage().split()[1]
    assert len(challenge) == 16
    assert challenge_proof(bytes.fromhex("123456"), bytes.fromhex(challenge)).hex() not in caplog.text


def test_the_block_of_unblock_is_not_shown(logger, caplog):
    card = make_card(CONTACT_3_0)
    session = SocialSecurityApplication(TracedConnection(card, logger), card.profile)
    session.select()
    prove(session, card.contents.keys.unblock, 0x06)
    block = unblock_block(card.contents.keys.unblock, session.get_challenge(), bytes.fromhex("654321"))
    session.unblock_pin(block)
    assert block.hex() not in caplog.text


def test_a_file_that_could_not_be_selected_does_not_open_the_log(logger, caplog):
    scripted = ScriptedCard([("", 0x9000), ("", 0x6A82), ("AABBCCDD", 0x9000)])
    traced = TracedConnection(scripted, logger)
    traced.send_and_receive(bytes.fromhex("00A40000020018"))
    traced.send_and_receive(bytes.fromhex("00A40000020012"))
    traced.send_and_receive(bytes.fromhex("00B0000004"))
    assert "aabbccdd" not in caplog.text
    assert "[4 bytes masked]" in caplog.text


@pytest.mark.parametrize("apdu", ["00DC0804021234", "00D60000021234", "80AA0000021234", "001234"])
def test_commands_that_nobody_knows_show_nothing_but_their_header(apdu, logger, caplog):
    TracedConnection(ScriptedCard([("5678", 0x9000)]), logger).send_and_receive(bytes.fromhex(apdu))
    assert "021234" not in caplog.text
    assert "001234" not in caplog.text
    assert "5678" not in caplog.text


def test_nothing_is_written_unless_it_was_asked_for(caplog):
    caplog.set_level(logging.DEBUG, logger=APDU_LOGGER)
    whole_visit(make_card(), logging.getLogger(APDU_LOGGER))
    assert not caplog.records


def test_answers_and_errors_pass_through_unchanged(logger):
    card = make_card(CONTACT_2_0)
    session = PkiApplication(TracedConnection(card, logger), CONTACT_3_0)
    with pytest.raises(FileNotFound):
        session.select()


def test_the_level_has_a_name():
    name_apdu_level()
    assert logging.getLevelName(APDU_LEVEL) == "APDU"
