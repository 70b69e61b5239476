"""Codes that people type have one spelling, and every way of typing them leads to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.typed_codes import ALPHABET, LENGTH, find_code, write_code

codes = st.binary(min_size=16, max_size=32).map(write_code)


@given(codes)
def test_what_is_written_is_found_again(code):
    assert find_code(code) == code


@given(codes, st.lists(st.sampled_from([" ", "-", "–", "·", "."]), max_size=6), st.booleans())
def test_case_blanks_and_dashes_do_not_count(code, between, small):
    typed = code.replace("-", "").lower() if small else code
    for number, sign in enumerate(between):
        typed = typed[: number + 1] + sign + typed[number + 1 :]
    assert find_code(typed) == code


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader_and_what_it_finds_is_a_code(typed):
    found = find_code(typed)
    assert found is None or find_code(found) == found


@given(codes, st.integers(0, LENGTH - 1), st.sampled_from("AEIOUY0123456789ÄЖ中"))
def test_a_letter_of_another_alphabet_makes_it_no_code(code, place, letter):
    plain = code.replace("-", "")
    assert find_code(plain[:place] + letter + plain[place + 1 :]) is None


@pytest.mark.parametrize("typed", ["", "BCDF", "BCDFGHJKL", "BCDF-GHJK" * 8, "\x00", "\ud800"])
def test_what_is_no_code_is_none(typed):
    assert find_code(typed) is None


def test_the_full_width_of_a_chinese_keyboard_is_read():
    assert find_code("ＢＣＤＦ－ＧＨＪＫ") == "BCDF-GHJK"


def test_every_letter_of_the_alphabet_comes_up():
    written = {letter for number in range(20) for letter in write_code((number * (20**LENGTH - 1) // 19).to_bytes(16))}
    assert written == {*ALPHABET, "-"}
