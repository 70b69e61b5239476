"""No bytes break the readers, and no changed bit is believed."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm.certificates import Revocation, Trust, issue_crl, read_certificate, read_crl
from sm.certificates.der_reader import (
    DerReader,
    read_named_bits,
    read_number,
    read_oid,
    read_text,
    read_time,
    read_true,
)
from sm.der import write_pem
from sm.errors import InvalidCertificate, Malformed
from sm.providers import open_provider
from tests.sm.certificate_builders import DAY, KEYS, NOW, issue_leaf, make_hierarchy

PROVIDER = open_provider()
HIERARCHY = make_hierarchy(PROVIDER)
CARD = issue_leaf(PROVIDER, HIERARCHY.city, KEYS.city)
CRL = issue_crl(
    issuer=HIERARCHY.city,
    signer=PROVIDER.signer(KEYS.city),
    revoked=[Revocation(serial, NOW - DAY) for serial in (8, 9)],
    number=3,
    this_update=NOW - DAY,
    next_update=NOW + DAY,
)

SEQUENCE, SET = 0x30, 0x31


def flipped(whole, bit):
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def bits_spread_over(whole, count):
    size = len(whole) * 8
    step = max(1, size // count)
    return range(0, size, step)


def is_believed(der):
    """Read and verify; whatever else than the two refusals comes out fails the test."""
    try:
        Trust([HIERARCHY.ministry], PROVIDER).verify_chain(read_certificate(der), HIERARCHY.intermediates, NOW)
    except (Malformed, InvalidCertificate):
        return False
    return True


def test_two_thousand_flipped_bits_of_a_leaf_are_each_refused():
    bits = bits_spread_over(CARD.der, 2000)
    assert len(bits) >= 2000
    assert [bit for bit in bits if is_believed(flipped(CARD.der, bit))] == []


def test_each_cut_of_a_certificate_is_malformed():
    for size in range(len(CARD.der)):
        with pytest.raises(Malformed):
            read_certificate(CARD.der[:size])


@pytest.mark.parametrize("junk", [b"\0", b"\5\0", CARD.der])
def test_bytes_after_a_certificate_are_refused(junk):
    with pytest.raises(Malformed):
        read_certificate(CARD.der + junk)
    with pytest.raises(Malformed):
        read_crl(CRL + junk)


def test_flipped_bits_of_a_revocation_list_are_each_refused():
    trust = Trust([HIERARCHY.ministry], PROVIDER)
    for bit in bits_spread_over(CRL, 2000):
        with pytest.raises((Malformed, InvalidCertificate)):
            verify_with(trust, read_crl(flipped(CRL, bit)))


def verify_with(trust, crl):
    """A list that no longer names its issuer is not used at all: that counts as refused here."""
    trust.verify_chain(CARD, HIERARCHY.intermediates, NOW, crls=[crl])
    if crl.issuer != HIERARCHY.city.subject or crl.authority_key_id != HIERARCHY.city.extensions.subject_key_id:
        raise Malformed("of another issuer")


@given(st.binary(max_size=600))
def test_no_bytes_break_the_readers(given_bytes):
    for read in (read_certificate, read_crl):
        with pytest.raises(Malformed):
            read(given_bytes)


@given(st.text(max_size=200))
def test_no_text_breaks_the_pem_reader(text):
    with pytest.raises(Malformed):
        read_certificate(text)
    with pytest.raises(Malformed):
        read_certificate(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")


@given(st.integers(0, len(CARD.der) - 1), st.integers(0, 12), st.binary(max_size=12))
def test_no_replaced_piece_breaks_the_reader_or_is_believed(start, length, piece):
    changed = CARD.der[:start] + piece + CARD.der[start + length :]
    assert changed == CARD.der or not is_believed(changed)


@given(st.recursive(st.binary(max_size=8), lambda inner: st.lists(inner, max_size=4), max_leaves=30))
def test_no_tree_of_der_breaks_the_readers(tree):
    whole = encoded(tree)
    for read in (read_certificate, read_crl):
        with pytest.raises(Malformed):
            read(whole)


def encoded(tree):
    body = tree if isinstance(tree, bytes) else b"".join(map(encoded, tree))
    tag = 4 if isinstance(tree, bytes) else SEQUENCE
    return bytes((tag,)) + written_length(len(body)) + body


def written_length(length):
    if length < 128:
        return bytes((length,))
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(digits),)) + digits


def test_thousands_of_nested_sequences_are_refused_without_descending():
    deep = b""
    while len(deep) < 8000:
        deep = bytes((SEQUENCE,)) + written_length(len(deep)) + deep
    with pytest.raises(Malformed):
        read_certificate(deep)


@pytest.mark.parametrize(
    "header",
    [
        b"\x30\x80",  # indefinite length
        b"\x30\x81\x05",  # long form of a short length
        b"\x30\x82\x00\xff",  # padded length
        b"\x30\x85\x01\x00\x00\x00\x00",  # five bytes of length
        b"\x30\x84\xff\xff\xff\xff",  # more than there is
        b"\x3f\x03",  # high tag number
    ],
)
def test_a_second_spelling_of_a_length_or_tag_is_refused(header):
    with pytest.raises(Malformed):
        DerReader(header + bytes(300)).read(0x30, 0x3F)


@pytest.mark.parametrize("cut", [b"", b"\x30", b"\x30\x82\x01", b"\x30\x05\x00"])
def test_an_element_that_is_cut_short_is_malformed(cut):
    with pytest.raises(Malformed):
        DerReader(cut).read(0x30)


def test_the_name_of_the_algorithm_may_carry_null_but_both_must_agree():
    with_null = bytes.fromhex("300c06082a811ccf550183750500")
    without = bytes.fromhex("300a06082a811ccf55018375")
    assert CARD.der.count(without) == 2
    with pytest.raises(Malformed):
        read_certificate(resized(CARD.der.replace(without, with_null, 1)))


def resized(der):
    """Mend the outermost length after a change."""
    body = der[4:]
    return bytes((SEQUENCE,)) + written_length(len(body)) + body


def test_base64_has_one_spelling_in_pem():
    text = write_pem("CERTIFICATE", CARD.der)
    encoded_der = base64.b64encode(CARD.der).decode()
    assert encoded_der.endswith("=") or len(CARD.der) % 3 == 0
    with pytest.raises(Malformed):
        read_certificate(text.replace("\n-----END", "=\n-----END"))
    with pytest.raises(Malformed):
        read_certificate(text + text)


@pytest.mark.parametrize("content", [b"", b"\x80", b"\xff", b"\x00\x00", b"\x00\x7f", b"\x00" + bytes(30)])
def test_numbers_have_one_spelling(content):
    with pytest.raises(Malformed):
        read_number(content, 20)


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x01", b"\xff\xff"])
def test_true_has_one_spelling_and_false_is_left_out(content):
    with pytest.raises(Malformed):
        read_true(content)


@pytest.mark.parametrize("content", [b"", b"\x80\x01", b"\x2a\x80\x01", b"\x2a\x81", bytes(65)])
def test_object_identifiers_have_one_spelling(content):
    with pytest.raises(Malformed):
        read_oid(content)


def test_object_identifiers_are_read_to_their_dotted_form():
    assert read_oid(bytes.fromhex("2a811ccf55018375")) == "1.2.156.10197.1.501"
    assert read_oid(b"\x88\x37\x03") == "2.999.3"  # ITU-T X.690, 8.19.5


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x08\x80", b"\x00\x80\x00", b"\x06\xe0", b"\x07\x81"])
def test_named_bits_have_one_spelling(content):
    with pytest.raises(Malformed):
        read_named_bits(content, ("first", "second", "third"))


def test_named_bits_are_counted_from_the_left():
    assert read_named_bits(b"\x06\xc0", ("first", "second", "third")) == {"first", "second"}
    assert read_named_bits(b"\x05\x20", ("first", "second", "third")) == {"third"}


@pytest.mark.parametrize(
    "text", ["260229000000Z", "260101000060Z", "2601010000Z", "260101000000+", "260101000000", "2601010000001"]
)
def test_times_that_do_not_exist_are_malformed(text):
    with pytest.raises(Malformed):
        read_time(0x17, text.encode())


@pytest.mark.parametrize("text", ["20491231235959Z", "20500101000000.5Z", "20500101000000"])
def test_four_digits_of_a_year_begin_in_2050(text):
    with pytest.raises(Malformed):
        read_time(0x18, text.encode())


def test_two_digits_of_a_year_mean_1950_to_2049():
    assert read_time(0x17, b"500101000000Z") == datetime(1950, 1, 1, tzinfo=UTC)
    assert read_time(0x17, b"491231235959Z") == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert read_time(0x18, b"20500101000000Z") == datetime(2050, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tag", "content"), [(0x0C, b"\xff"), (0x13, b"\xe9"), (0x1E, b"\x4e"), (0x0C, b"a\0b"), (0x04, b"a")]
)
def test_texts_that_are_none_are_malformed(tag, content):
    with pytest.raises(Malformed):
        read_text(tag, content)
