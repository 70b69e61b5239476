"""Status words as errors: one meaning each, and a step for the holder."""

import pytest

from physical.chip import errors
from physical.chip.errors import ADVICE, ChipError, NextStep
from physical.chip.status import SW, counter_of, require_key_accepted, require_pin_accepted, require_success, wrong_with

MEANINGS = {
    0x6700: errors.WrongLength,
    0x6982: errors.SecurityNotSatisfied,
    0x6983: errors.KeyLocked,
    0x6984: errors.ChallengeMissing,
    0x6985: errors.ConditionsNotSatisfied,
    0x6986: errors.NoFileSelected,
    0x6988: errors.SecureMessagingWrong,
    0x6A80: errors.WrongParameters,
    0x6A81: errors.FunctionNotSupported,
    0x6A82: errors.FileNotFound,
    0x6A83: errors.RecordNotFound,
    0x6A86: errors.WrongParameters,
    0x6A88: errors.KeyNotFound,
    0x6B00: errors.WrongOffset,
    0x6D00: errors.InstructionUnknown,
    0x6E00: errors.ClassUnknown,
    0x9303: errors.ApplicationBlocked,
    0x6F00: errors.UnknownStatus,
    0x6281: errors.UnknownStatus,
}


def all_errors(root: type[ChipError] = ChipError) -> list[type[ChipError]]:
    below = [error for child in root.__subclasses__() for error in all_errors(child)]
    return [root, *below]


@pytest.mark.parametrize(("status_word", "error"), MEANINGS.items(), ids=str)
def test_each_status_word_has_its_error(status_word, error):
    with pytest.raises(error) as refused:
        require_success(status_word)
    assert type(refused.value) is error
    assert refused.value.status_word == status_word
    assert f"{status_word:04X}" in str(refused.value)


def test_every_status_word_of_the_list_has_an_error_of_its_own():
    for status_word in SW:
        if status_word != SW.OK:
            assert MEANINGS[status_word] is not errors.UnknownStatus


@pytest.mark.parametrize("check", [require_success, require_pin_accepted, require_key_accepted])
def test_9000_is_success(check):
    check(0x9000)


@pytest.mark.parametrize("tries", range(1, 16))
def test_63cx_tells_the_tries_left(tries):
    with pytest.raises(errors.WrongPin) as wrong_pin:
        require_pin_accepted(0x63C0 | tries)
    with pytest.raises(errors.WrongAuthentication) as wrong_key:
        require_key_accepted(0x63C0 | tries)
    assert wrong_pin.value.tries_left == wrong_key.value.tries_left == tries


@pytest.mark.parametrize("status_word", [0x63C0, 0x6983])
def test_the_last_wrong_try_and_a_locked_secret_are_both_locked(status_word):
    with pytest.raises(errors.PinLocked):
        require_pin_accepted(status_word)
    with pytest.raises(errors.KeyLocked):
        require_key_accepted(status_word)


@pytest.mark.parametrize("check", [require_pin_accepted, require_key_accepted])
def test_other_refusals_keep_their_meaning(check):
    with pytest.raises(errors.ChallengeMissing):
        check(0x6984)


def test_the_counter_is_built_and_read_back():
    assert [counter_of(wrong_with(tries)) for tries in range(16)] == list(range(16))
    assert wrong_with(99) == 0x63CF
    assert counter_of(0x6300) is None


def test_a_locked_pin_sends_the_holder_to_an_outlet():
    assert errors.PinLocked(0x6983).next_step is NextStep.UNBLOCK_AT_OUTLET
    assert "网点" in errors.PinLocked(0x6983).advice.zh


def test_every_error_has_words_in_both_languages_and_a_next_step():
    assert ADVICE.keys() == set(NextStep)
    for error in all_errors():
        assert error.title.zh
        assert error.title.en
        assert error.next_step in ADVICE


def test_no_two_errors_share_a_code():
    codes = [error.code for error in all_errors()]
    assert len(codes) == len(set(codes))
