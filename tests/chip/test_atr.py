"""ATR: the 13 historical bytes of a social security card, and a reader that nothing breaks."""

from functools import reduce
from operator import xor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from physical.chip.atr import Atr, historical_bytes, read_atr, write_atr
from physical.chip.errors import MalformedAnswer
from physical.chip.profiles import CONTACT_3_0, CONTACTLESS_3_0, Interface, interface_of

HISTORICAL = bytes(range(0xA0, 0xAD))
CONTACT = bytes.fromhex("3B6D0000") + HISTORICAL
CONTACTLESS = bytes.fromhex("3B8D8001") + HISTORICAL
CONTACTLESS += bytes((reduce(xor, CONTACTLESS[1:]),))


def test_the_contact_atr_is_read():
    assert read_atr(CONTACT) == Atr(b"\0\0", HISTORICAL, (0,))


def test_the_contactless_atr_is_read():
    assert read_atr(CONTACTLESS) == Atr(b"\x80\x01", HISTORICAL, (0, 1))


@pytest.mark.parametrize("atr", [CONTACT, CONTACTLESS])
def test_both_interfaces_have_the_same_historical_bytes(atr):
    assert historical_bytes(atr) == HISTORICAL


@pytest.mark.parametrize(("atr", "interface"), [(CONTACT, Interface.CONTACT), (CONTACTLESS, Interface.CONTACTLESS)])
def test_the_interface_is_seen_by_the_atr(atr, interface):
    assert interface_of(read_atr(atr)) is interface


@pytest.mark.parametrize(("profile", "atr"), [(CONTACT_3_0, CONTACT), (CONTACTLESS_3_0, CONTACTLESS)])
def test_an_atr_is_written_with_its_check_byte_where_one_belongs(profile, atr):
    assert write_atr(profile.atr_prefix, HISTORICAL) == atr


@pytest.mark.parametrize(
    ("atr", "historical", "protocols"),
    [
        ("3B00", "", (0,)),
        ("3F00", "", (0,)),
        ("3B021450", "1450", (0,)),
        ("3BF011000000", "", (0,)),
        ("3BF011000001E0", "", (1,)),
        ("3B888001000000000000000009", "0000000000000000", (0, 1)),
    ],
)
def test_atrs_of_other_cards_are_read(atr, historical, protocols):
    read = read_atr(bytes.fromhex(atr))
    assert (read.historical_bytes.hex(), read.protocols) == (historical, protocols)


@given(st.binary(max_size=40))
@example(CONTACT)
@example(b"\x3b\xff" + b"\xff" * 31)
def test_any_bytes_are_an_atr_or_malformed(raw):
    try:
        atr = read_atr(raw)
    except MalformedAnswer:
        return
    end = 2 + len(atr.interface_bytes) + len(atr.historical_bytes)
    assert raw[2:end] == atr.interface_bytes + atr.historical_bytes
    assert len(raw) - end == any(atr.protocols)


@given(st.integers(8, len(CONTACTLESS) * 8 - 1))
def test_any_flipped_bit_of_a_checked_atr_is_refused(bit):
    flipped = bytearray(CONTACTLESS)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(MalformedAnswer):
        historical_bytes(bytes(flipped))


@pytest.mark.parametrize(
    "atr", [b"", b"\x3b", CONTACT[:-1], CONTACT + b"\0", CONTACTLESS[:-1], b"\x3c" + CONTACT[1:], CONTACTLESS + b"\0"]
)
def test_cut_or_lengthened_atrs_are_malformed(atr):
    with pytest.raises(MalformedAnswer):
        read_atr(atr)


@pytest.mark.parametrize("length", [0, 12, 14])
def test_another_number_of_historical_bytes_is_another_kind_of_card(length):
    with pytest.raises(MalformedAnswer):
        historical_bytes(bytes((0x3B, length)) + bytes(length))
