"""Which six digits are refused, and that a refusal never repeats them."""

import re

import pytest
from hypothesis import given as over
from hypothesis import strategies as some

from ecard.errors import PasswordWeak
from ecard.password_rules import require_hard_to_guess
from tests.persons import BOJIN, Person, make_person, social_security_number

NUMBER = "990100198503140138"
NUMBER_WITH_X = next(
    number for number in (make_person(at).social_security_number for at in range(1, 200)) if number.endswith("X")
)
DIGITS = some.text("0123456789", min_size=6, max_size=6)


def rule_for(given: str, number: str = NUMBER) -> str | None:
    try:
        require_hard_to_guess(given, number)
    except PasswordWeak as weak:
        return str(weak.extra["rule"])
    return None


@pytest.mark.parametrize("password", ["274958", "830472", "618305", "903718", "506291", "120947", "987201"])
def test_six_digits_without_a_pattern_are_taken(password):
    assert rule_for(password) is None


@pytest.mark.parametrize(
    "given",
    [
        "",
        "27495",
        "2749588",
        "27495a",
        " 274958",
        "274958 ",
        "274958\n",
        "-27495",
        "2749.8",
        "２７４９５８",
        "٢٧٤٩٥٨",
        "二七四九五八",
        "27495\u00b2",
        "\x00274958",
        "\ud800",
        "0x2749",
    ],
)
def test_anything_but_six_ascii_digits_is_refused(given):
    assert rule_for(given) == "six_digits"


@pytest.mark.parametrize(
    "given",
    [
        "000000",
        "111111",
        "111234",
        "274449",
        "958222",
        "121212",
        "121121",
        "112221",
        "288828",
        "258258",
        "001001",
        "112233",
        "990011",
        "123321",
        "908809",
    ],
)
def test_repeats_are_refused(given):
    assert rule_for(given) == "repeat"


@pytest.mark.parametrize("given", ["220947", "112947", "274927", "474829"])
def test_a_pair_is_no_repeat(given):
    assert rule_for(given) is None


@pytest.mark.parametrize(
    "given",
    ["123456", "654321", "012345", "987654", "123409", "901234", "890123", "109876", "321098", "274567", "249876"],
)
def test_runs_are_refused_also_over_the_nine(given):
    assert rule_for(given) == "run"


@pytest.mark.parametrize("given", ["135791", "246802", "024680", "147036", "963074"])
def test_equal_steps_are_refused(given):
    assert rule_for(given) == "run"


@pytest.mark.parametrize("given", ["147258", "369258", "159357", "789456", "123654", "321987"])
def test_lines_of_a_keypad_are_refused(given):
    assert rule_for(given) == "run"


@pytest.mark.parametrize("given", ["123957", "987201", "274568", "145892"])
def test_three_in_a_row_are_no_run(given):
    assert rule_for(given) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("990100", "the region"),
        ("198503", "year and month"),
        ("850314", "the birth date without its century"),
        ("503140", "anything within"),
        ("140138", "the last six"),
        ("831041", "the last six, backwards"),
        ("413058", "the birth date, backwards"),
        ("140385", "day, month, year"),
        ("031485", "month, day, year"),
        ("031985", "month and year"),
        ("140319", "day and month with the century"),
    ],
)
def test_what_stands_in_the_number_is_refused(given, why):
    assert rule_for(given) == "number", why


def test_an_x_at_the_end_is_read_as_a_zero_and_as_nothing():
    digits = NUMBER_WITH_X[:17]
    found = {rule_for(guess, NUMBER_WITH_X) for guess in (digits[-5:] + "0", digits[-6:], "0" + digits[:-6:-1])}
    assert found <= {"number", "repeat", "run"}
    assert rule_for((digits + "0")[-6:], NUMBER_WITH_X) is not None


@over(person=some.integers(1, 10**6), begin=some.integers(0, 11), backwards=some.booleans())
def test_no_six_digits_of_anybody_s_number_are_taken(person, begin, backwards):
    number = make_person(person).social_security_number
    text = number[:17][::-1] if backwards else number[:17]
    assert rule_for(text[begin : begin + 6], number) is not None


@over(given=DIGITS)
def test_a_refusal_repeats_nothing_of_what_was_given(given):
    try:
        require_hard_to_guess(given, NUMBER)
    except PasswordWeak as weak:
        said = f"{weak} {weak!r} {weak.detail} {weak.extra} {weak.title_en} {weak.next_en}"
        assert not re.search(r"\d{2}", said)


@over(given=DIGITS)
def test_what_is_refused_for_one_holder_alone_is_refused_for_the_number(given):
    stranger = Person("样例丁", BOJIN.birth_date, 999, BOJIN.sex, "990300")
    mine, other = rule_for(given), rule_for(given, stranger.social_security_number)
    assert mine == other or "number" in {mine, other}


def test_numbers_of_tests_are_what_they_seem():
    assert social_security_number("990100", BOJIN.birth_date.replace(1985, 3, 14), 13) == NUMBER
