"""EF05 and EF06: their records, their formats, and what must not be shown."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from physical.chip.errors import MalformedAnswer
from physical.chip.fields import read_date, read_digits, read_text, write_date, write_digits, write_text
from physical.chip.files import (
    AID_PKI,
    AID_PKI_ADF,
    AID_SSSE,
    CardClass,
    HolderData,
    IssuerData,
    Sex,
    read_ef05,
    read_ef06,
    write_ef05,
    write_ef06,
)
from physical.chip.tlv import read_records, write_record, write_records
from tests.persons import ANNA, LONG_NAME, PERSONS, RARE_CHARACTER, check_digit, make_person

ISSUER = IssuerData(
    card_identification_code="990100D1560000050000000112345678",
    card_class=CardClass.ADULT,
    version="3.0",
    institution="915600000299010099010001",
    issued_on=date(2024, 5, 6),
    expires_on=date(2034, 5, 6),
    card_number="T12345678",
)
HOLDER = ANNA.holder_data()

DATES = st.none() | st.dates()
DIGITS = st.text("0123456789", min_size=24, max_size=24)
NAMES = st.text(
    st.characters(codec="utf-8", categories=("L", "N"), include_characters="·"), min_size=1, max_size=12
).filter(lambda name: name.isprintable() and len(name.encode("gb18030")) <= 50)


def change(raw: bytes, tag: int, value: bytes | None) -> bytes:
    """Give one record another value, or take it away."""
    records = [record for record in read_records(raw) if record.tag != tag]
    changed = write_records(tuple(records))
    return changed if value is None else changed + write_record(tag, value)


def test_the_application_names_are_the_words_they_stand_for():
    assert AID_SSSE.decode("gb18030") == "sx1.sh.社会保障"
    assert AID_PKI.decode("gb18030") == "PKI.社会保障"
    assert AID_PKI_ADF == b"SS.CERT.ADF1"


def test_issuer_data_reads_back():
    assert read_ef05(write_ef05(ISSUER)) == ISSUER


@pytest.mark.parametrize("person", PERSONS, ids=lambda person: str(PERSONS.index(person)))
def test_holder_data_reads_back(person):
    assert read_ef06(write_ef06(person.holder_data())) == person.holder_data()


@given(
    st.sampled_from([None, *CardClass]),
    st.sampled_from(["1.0", "2.0", "3.0", "3.1"]),
    st.none() | DIGITS,
    DATES,
    DATES,
    st.text("ABCT0123456789", min_size=1, max_size=9),
)
def test_every_issuer_data_reads_back(card_class, version, institution, issued_on, expires_on, number):
    data = IssuerData(
        card_identification_code=ISSUER.card_identification_code,
        card_class=card_class,
        version=version,
        institution=institution,
        issued_on=issued_on,
        expires_on=expires_on,
        card_number=number,
    )
    assert read_ef05(write_ef05(data)) == data


@given(NAMES, st.sampled_from([None, *Sex]), st.none() | st.sampled_from(["01", "56"]), DATES)
@example("样例" * 12, None, None, None)
def test_every_holder_data_reads_back(name, sex, group, birth_date):
    data = HolderData(
        social_security_number=ANNA.social_security_number,
        name=name,
        sex=sex,
        ethnic_group=group,
        birthplace=None,
        birth_date=birth_date,
    )
    assert read_ef06(write_ef06(data)) == data


@given(st.binary(max_size=150))
def test_any_bytes_are_files_or_malformed(raw):
    for read in (read_ef05, read_ef06):
        with pytest.raises(MalformedAnswer):
            read(raw)


@given(st.data())
def test_any_changed_byte_of_a_file_is_read_or_malformed_and_never_another_error(data):
    for raw, read in ((write_ef05(ISSUER), read_ef05), (write_ef06(LONG_NAME.holder_data()), read_ef06)):
        changed = bytearray(raw)
        changed[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        try:
            read(bytes(changed))
        except MalformedAnswer:
            continue


@given(st.dictionaries(st.sampled_from([1, 2, 3, 4, 5, 6, 7]), st.binary(max_size=18), max_size=7))
def test_any_values_in_the_records_of_ef05_are_read_or_malformed(values):
    try:
        read_ef05(b"".join(write_record(tag, value) for tag, value in values.items()))
    except MalformedAnswer:
        return


def test_a_long_name_goes_on_in_its_second_record():
    records = {record.tag: record.value for record in read_records(write_ef06(LONG_NAME.holder_data()))}
    assert len(records[0x09]) == 30
    assert records[0x4E].strip(b"\0")


def test_a_character_may_begin_in_one_record_and_end_in_the_next():
    raw = change(write_ef06(HOLDER), 0x09, b"a" * 29 + "测".encode("gb18030")[:1])
    raw = change(raw, 0x4E, ("测".encode("gb18030")[1:] + b"b").ljust(20, b"\0"))
    assert read_ef06(raw).name == "a" * 29 + "测b"


def test_a_character_of_four_bytes_is_read():
    assert read_ef06(write_ef06(RARE_CHARACTER.holder_data())).name == RARE_CHARACTER.name


@pytest.mark.parametrize("tag", [0x02, 0x03, 0x04, 0x05, 0x06])
@pytest.mark.parametrize("how", ["record missing", "no bytes", "FF throughout"])
def test_optional_issuer_values_may_be_absent(tag, how):
    raw = write_ef05(ISSUER)
    length = next(len(record.value) for record in read_records(raw) if record.tag == tag)
    read = read_ef05(
        change(raw, tag, {"record missing": None, "no bytes": b"", "FF throughout": b"\xff" * length}[how])
    )
    field = {0x02: "card_class", 0x03: "version", 0x04: "institution", 0x05: "issued_on", 0x06: "expires_on"}[tag]
    assert getattr(read, field) == ("1.0" if tag == 0x03 else None)


@pytest.mark.parametrize("tag", [0x4E, 0x0A, 0x0B, 0x0C, 0x0D])
def test_optional_holder_values_may_be_absent(tag):
    assert read_ef06(change(write_ef06(HOLDER), tag, None)).name == HOLDER.name


@pytest.mark.parametrize("tag", [0x01, 0x07])
def test_required_issuer_values_must_be_there(tag):
    length = {0x01: 16, 0x07: 9}[tag]
    for value in (None, b"", b"\xff" * length, b"\0" * length):
        with pytest.raises(MalformedAnswer):
            read_ef05(change(write_ef05(ISSUER), tag, value))


@pytest.mark.parametrize(("tag", "length"), [(0x08, 18), (0x09, 30)])
def test_required_holder_values_must_be_there(tag, length):
    for value in (None, b"", b"\xff" * length, b"\0" * length):
        with pytest.raises(MalformedAnswer):
            read_ef06(change(write_ef06(HOLDER), tag, value))


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (0x01, bytes.fromhex("990100D1560000060000000112345678")),  # another application
        (0x01, bytes.fromhex("9901A0D1560000050000000112345678")),  # a region that is no number
        (0x01, bytes(15)),
        (0x02, b"5"),
        (0x03, b"abcd"),
        (0x03, b"0.00"),
        (0x04, bytes.fromhex("FF" * 11 + "12")),
        (0x05, bytes.fromhex("20241301")),
        (0x05, bytes.fromhex("2024ABCD")),
        (0x06, bytes.fromhex("20230229")),
        (0x06, b"\x20\x24"),
        (0x07, b"T1\x00345678"),
        (0x07, b"T1\n345678"),
        (0x08, b"1"),
    ],
)
def test_issuer_values_out_of_their_format_are_malformed(tag, value):
    with pytest.raises(MalformedAnswer):
        read_ef05(change(write_ef05(ISSUER), tag, value))


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (0x08, b"99010019850314012"),  # 17 characters
        (0x08, b"99010019850314012A"),
        (0x08, "９".encode("gb18030") * 9),
        (0x09, b"\x81".ljust(30, b"\0")),
        (0x09, b"a\0b".ljust(30, b"\0")),
        (0x0A, b"3"),
        (0x0B, b"\xa1"),
        (0x0D, bytes.fromhex("19850231")),
        (0x01, b"1"),
    ],
)
def test_holder_values_out_of_their_format_are_malformed(tag, value):
    with pytest.raises(MalformedAnswer):
        read_ef06(change(write_ef06(HOLDER), tag, value))


def test_only_three_characters_of_the_version_count():
    assert read_ef05(change(write_ef05(ISSUER), 0x03, b"2.07")).version == "2.0"


def test_the_region_is_the_first_part_of_the_card_identification_code():
    assert ISSUER.region == "990100"


def test_what_is_personal_does_not_show():
    shown = f"{HOLDER!r} {HOLDER} {ISSUER!r} {ISSUER}"
    for secret in (HOLDER.name, HOLDER.social_security_number, ISSUER.card_number, ISSUER.card_identification_code):
        assert secret not in shown


def test_a_name_that_does_not_fit_is_a_mistake_of_the_maker():
    with pytest.raises(ValueError, match="too long"):
        write_ef06(replace(HOLDER, name="样" * 26))


@given(st.text("0123456789", max_size=8))
def test_packed_digits_read_back(digits):
    assert read_digits(write_digits(digits, 4)) == (digits or None)


@given(st.binary(max_size=6))
def test_any_bytes_are_digits_or_malformed(raw):
    try:
        digits = read_digits(raw)
    except MalformedAnswer:
        return
    assert write_digits(digits, len(raw)) == raw


@given(DATES)
def test_dates_read_back(day):
    assert read_date(write_date(day)) == day


@given(st.binary(min_size=4, max_size=4))
def test_any_four_bytes_are_a_date_or_malformed(raw):
    try:
        day = read_date(raw)
    except MalformedAnswer:
        return
    assert day is None or write_date(day) == raw


@given(st.binary(max_size=20))
def test_any_bytes_are_text_or_malformed(raw):
    try:
        text = read_text(raw)
    except MalformedAnswer:
        return
    assert text is None or read_text(write_text(text, 40)) == text


def test_the_persons_of_the_tests_have_valid_check_digits_and_no_existing_region():
    for person in (*PERSONS, *(make_person(number) for number in range(50))):
        number = person.social_security_number
        assert number[:2] in {"98", "99"}
        assert check_digit(number[:17]) == number[17]
    assert check_digit("11010519491231002") == "X"  # the example printed in GB 11643-1999


def test_no_two_persons_of_the_tests_share_a_number():
    assert len({make_person(number).social_security_number for number in range(3000)}) == 3000
