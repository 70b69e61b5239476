"""Issuing and reading certificates, with the openssl command as the second opinion."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sm.certificates import (
    CARD_PURPOSE,
    MAX_CERTIFICATE_SIZE,
    PARTNER_PURPOSE,
    TERMINAL_PURPOSE,
    Subject,
    authority_profile,
    leaf_profile,
    new_serial,
    read_certificate,
)
from sm.der import write_pem
from sm.errors import InvalidCertificate, InvalidKey, Malformed
from sm.providers import open_provider
from tests.sm.certificate_builders import (
    CARD_CODE,
    END,
    KEYS,
    LEAF_KEY,
    START,
    issue_leaf,
    make_hierarchy,
    openssl_verify,
)

CHIP_FILE_SIZE = 1020  # bytes of EF 0018


@pytest.fixture(scope="module")
def provider():
    return open_provider()


@pytest.fixture(scope="module")
def hierarchy(provider):
    return make_hierarchy(provider)


@pytest.fixture(scope="module")
def card(provider, hierarchy):
    return issue_leaf(provider, hierarchy.city, KEYS.city)


def openssl_text(der):
    command = ["openssl", "x509", "-inform", "DER", "-noout", "-text"]
    return subprocess.run(command, input=der, capture_output=True, timeout=30, check=True).stdout.decode()


def test_openssl_accepts_each_link_of_the_hierarchy(tmp_path, hierarchy, card):
    links = [
        (hierarchy.province, hierarchy.ministry),
        (hierarchy.city, hierarchy.province),
        (card, hierarchy.city),
    ]
    for issued, issuer in links:
        verdict = openssl_verify(tmp_path, issued, issuer)
        assert verdict.accepted, verdict.said


def test_openssl_accepts_the_root_s_own_signature(tmp_path, hierarchy):
    assert openssl_verify(tmp_path, hierarchy.ministry, hierarchy.ministry).accepted


def test_openssl_refuses_a_link_to_another_authority_as_we_do(tmp_path, hierarchy, card):
    assert not openssl_verify(tmp_path, card, hierarchy.province).accepted


def test_openssl_reads_a_card_s_certificate_as_it_was_meant(card):
    text = openssl_text(card.der)
    assert "Signature Algorithm: SM2-with-SM3" in text
    assert "ASN1 OID: SM2" in text
    assert f"CN = {CARD_CODE}" in text
    assert "CA:FALSE" in text
    assert "Digital Signature" in text
    assert CARD_PURPOSE in text
    assert "Not After : Jan  1 00:00:00 2027 GMT" in text


def test_openssl_reads_the_path_lengths_two_one_and_none(hierarchy):
    for certificate, length in ((hierarchy.ministry, 2), (hierarchy.province, 1), (hierarchy.city, 0)):
        text = openssl_text(certificate.der)
        assert f"CA:TRUE, pathlen:{length}" in text
        assert "Certificate Sign, CRL Sign" in text


def test_a_certificate_says_what_it_was_issued_with(provider, hierarchy, card):
    assert card.subject_common_name == CARD_CODE
    assert card.subject_serial_number == ""
    assert card.issuer == hierarchy.city.subject
    assert card.serial == 7
    assert (card.not_before, card.not_after) == (START, END)
    assert card.public_key == provider.public_key_of(LEAF_KEY)
    assert not card.is_ca
    assert card.path_length is None
    assert card.key_usage == {"digital_signature"}
    assert card.extensions.extended_key_usage == {CARD_PURPOSE}
    assert card.extensions.authority_key_id == hierarchy.city.extensions.subject_key_id


@pytest.mark.parametrize("purpose", [CARD_PURPOSE, TERMINAL_PURPOSE, PARTNER_PURPOSE])
def test_a_leaf_carries_its_purpose(provider, hierarchy, purpose):
    leaf = issue_leaf(provider, hierarchy.city, KEYS.city, profile=leaf_profile(purpose))
    assert leaf.extensions.extended_key_usage == {purpose}


def test_the_serial_number_attribute_is_free_for_the_issuer(provider, hierarchy):
    leaf = issue_leaf(provider, hierarchy.city, KEYS.city, subject=Subject(CARD_CODE, serial_number="X-1"))
    assert (leaf.subject_common_name, leaf.subject_serial_number) == (CARD_CODE, "X-1")


def test_a_name_in_chinese_is_read_back(provider, hierarchy):
    leaf = issue_leaf(provider, hierarchy.city, KEYS.city, subject=Subject("某市测试终端", organization="某机构"))
    assert leaf.subject_common_name == "某市测试终端"


def test_a_card_s_certificate_fits_into_its_file_on_the_chip(card):
    assert len(card.der) <= CHIP_FILE_SIZE


@pytest.mark.parametrize("year", [2026, 2049, 2050, 2051, 2090])
def test_dates_survive_the_change_of_their_form_in_2050(provider, hierarchy, year):
    end = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    issuer = make_hierarchy(provider).city
    leaf = issue_leaf(provider, replace(issuer, not_after=end), KEYS.city, not_after=end)
    assert leaf.not_after == end
    assert str(year) in openssl_text(leaf.der)


def test_pem_and_der_are_read_to_the_same_certificate(card):
    assert read_certificate(write_pem("CERTIFICATE", card.der)) == card


def test_what_is_shown_of_a_certificate_does_not_tell_the_card(card):
    assert repr(card) == "Certificate(serial=7)"


def test_serial_numbers_are_random_and_fit_twenty_bytes():
    serials = {new_serial() for _ in range(100)}
    assert len(serials) == 100
    assert all(0 < serial < 1 << 160 for serial in serials)


def test_an_authority_does_not_issue_what_outlives_it(provider, hierarchy):
    with pytest.raises(InvalidCertificate) as refused:
        issue_leaf(provider, hierarchy.city, KEYS.city, not_after=hierarchy.city.not_after.replace(year=2090))
    assert refused.value.code == "certificate_outlives_issuer"


def test_an_authority_does_not_issue_another_below_its_path_length(provider, hierarchy):
    with pytest.raises(InvalidCertificate) as refused:
        issue_leaf(provider, hierarchy.city, KEYS.city, profile=authority_profile(0))
    assert refused.value.code == "certificate_path_length"


def test_a_leaf_issues_nothing(provider, card):
    with pytest.raises(InvalidCertificate) as refused:
        issue_leaf(provider, card, LEAF_KEY)
    assert refused.value.code == "certificate_not_ca"


def test_nobody_issues_in_the_name_of_another_key(provider, hierarchy):
    with pytest.raises(InvalidKey):
        issue_leaf(provider, hierarchy.city, LEAF_KEY)


def test_no_certificate_is_issued_to_a_key_off_the_curve(provider, hierarchy):
    with pytest.raises(InvalidKey):
        issue_leaf(provider, hierarchy.city, KEYS.city, public_key=bytes(63) + b"\1")


def test_the_signer_s_own_user_id_plays_no_part(tmp_path, provider, hierarchy):
    leaf = issue_leaf(provider, hierarchy.city, KEYS.city, signer=provider.signer(KEYS.city, b"ANOTHER-USER-ID"))
    assert openssl_verify(tmp_path, leaf, hierarchy.city).accepted


def test_a_certificate_above_the_size_limit_is_refused_unread(provider, hierarchy):
    with pytest.raises(Malformed, match="at most"):
        read_certificate(bytes(MAX_CERTIFICATE_SIZE + 1))
    with pytest.raises(Malformed, match="at most"):
        issue_leaf(provider, hierarchy.city, KEYS.city, subject=Subject("x", organization="y" * MAX_CERTIFICATE_SIZE))
