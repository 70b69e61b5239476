import secrets

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qr.code import read_code
from qr.code_class import CodeClass
from qr.counter_code import UnverifiedCounterCode, check_digit, mint_counter_code, read_counter_code
from qr.errors import CodeMalformed

classes = st.sampled_from(CodeClass)
randomness = st.binary(min_size=16, max_size=16)


@pytest.mark.parametrize(
    ("body", "check"),
    [
        ("0794", "5"),  # the example in ISO/IEC 7064 for MOD 11,10
        ("8609574271", "9"),  # a German tax number in use as the public example of the same system
    ],
)
def test_the_check_digit_is_that_of_the_published_examples(body, check):
    assert check_digit(body) == check


def test_a_code_is_written_to_the_byte():
    token_1234 = (1234).to_bytes(16, "big")
    body = "81" + "1" + "0000000000001234"
    assert mint_counter_code(CodeClass.MEDICAL, lambda _size: token_1234) == body + check_digit(body)


@settings(deadline=None)
@given(classes, randomness)
def test_what_is_minted_is_read(code_class, drawn):
    code = mint_counter_code(code_class, lambda _size: drawn)
    token = f"{int.from_bytes(drawn, 'big') % 10**16:016d}"
    assert len(code) == 20
    assert read_code(code) == UnverifiedCounterCode(code_class, token)


@settings(deadline=None)
@given(classes, randomness, st.integers(0, 19), st.integers(1, 9))
def test_any_changed_digit_is_refused(code_class, drawn, place, change):
    code = mint_counter_code(code_class, lambda _size: drawn)
    digit = (int(code[place]) + change) % 10
    with pytest.raises(CodeMalformed):
        read_counter_code(f"{code[:place]}{digit}{code[place + 1 :]}")


@pytest.mark.parametrize("number", [4, 5, 6, 7, 8])
def test_a_class_without_a_meaning_is_refused(number):
    body = f"81{number}{0:016d}"
    with pytest.raises(CodeMalformed):
        read_code(body + check_digit(body))


def test_other_spellings_of_the_same_digits_are_refused():
    code = mint_counter_code(CodeClass.GATE, secrets.token_bytes)
    arabic = code.translate({ord(str(digit)): 0x0660 + digit for digit in range(10)})
    full_width = code.translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)})
    spellings = [f" {code}", f"{code} ", f"{code}\n", f"{code}\r\n", f"+{code}", f"0{code}", f"{code}0", code[:-1]]
    spellings += [arabic, full_width, code[:2] + full_width[2:], f"{code[:5]}_{code[6:]}", f"{code[:5]} {code[5:]}"]
    for spelling in spellings:
        with pytest.raises(CodeMalformed):
            read_code(spelling)


@settings(deadline=None)
@given(st.text(max_size=600))
@example("")
@example("81")
@example("82")
@example("8" * 5000)
@example("81²0000000000000000²")
def test_no_text_breaks_the_reader(scanned):
    try:
        read_code(scanned)
    except CodeMalformed:
        return
    assert len(scanned) in {20, 222}


@settings(deadline=None)
@given(st.text(alphabet="0123456789", min_size=18, max_size=18))
def test_twenty_digits_are_read_only_when_they_would_be_written_so(rest):
    scanned = "81" + rest
    try:
        code = read_counter_code(scanned)
    except CodeMalformed:
        return
    drawn = int(code.token).to_bytes(16, "big")
    assert mint_counter_code(code.code_class, lambda _size: drawn) == scanned


def test_the_token_does_not_show_in_a_log_line():
    code = mint_counter_code(CodeClass.IDENTITY, secrets.token_bytes)
    assert code[3:-1] not in repr(read_code(code))


def test_a_refusal_does_not_repeat_what_was_scanned():
    with pytest.raises(CodeMalformed) as refused:
        read_code("81990101199001011234")
    assert "9901" not in str(refused.value)
