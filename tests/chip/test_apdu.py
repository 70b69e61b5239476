"""Short APDUs, and what T=0 makes of one command."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from physical.chip.apdu import (
    MAX_ROUNDS,
    Answer,
    CardConversation,
    Command,
    Transmission,
    format_short,
    read_answer,
    read_command,
    wipe,
)
from physical.chip.errors import MalformedAnswer, MalformedCommand
from physical.chip.status import is_well_formed
from tests.chip.builders import ScriptedCard

BYTE = st.integers(0, 255)


@pytest.mark.parametrize(
    ("command", "over_t0", "over_tcl"),
    [
        (Command(0x00, 0x20, 0x00, 0x00), "0020000000", "0020000000"),
        (Command(0x00, 0x84, 0x00, 0x00, le=8), "0084000008", "0084000008"),
        (Command(0x00, 0xB2, 0x08, 0x00, le=256), "00B2080000", "00B2080000"),
        (Command(0x00, 0xA4, 0x02, 0x00, b"\xef\x05"), "00A4020002EF05", "00A4020002EF05"),
        (Command(0x00, 0xA4, 0x02, 0x00, b"\xef\x05", le=256), "00A4020002EF05", "00A4020002EF0500"),
        (Command(0x00, 0x2A, 0x9E, 0x9A, b"\x01", le=64), "002A9E9A0101", "002A9E9A010140"),
    ],
)
def test_a_command_has_its_bytes(command, over_t0, over_tcl):
    assert format_short(command, Transmission.T0).hex().upper() == over_t0
    assert format_short(command, Transmission.TCL).hex().upper() == over_tcl


@pytest.mark.parametrize(
    "command", [Command(0, 0, 0, 0, bytes(256)), Command(0, 0, 0, 0, le=257), Command(0, 0, 0, 0, le=-1)]
)
def test_what_no_short_apdu_can_carry_is_a_mistake(command):
    with pytest.raises(ValueError, match="short APDU"):
        format_short(command, Transmission.TCL)


@given(BYTE, BYTE, BYTE, BYTE, st.binary(max_size=255), st.integers(0, 256))
@example(0, 0, 0, 0, b"", 256)
def test_the_card_reads_what_was_formatted(cla, ins, p1, p2, data, le):
    apdu = format_short(Command(cla, ins, p1, p2, data, le), Transmission.TCL)
    read = read_command(bytes(apdu))
    assert (read.cla, read.ins, read.p1, read.p2, read.data) == (cla, ins, p1, p2, data)
    assert read.le == (le if data or le else 256)  # a lone 00 is Lc and Le at once


@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_malformed(given_bytes):
    try:
        command = read_command(given_bytes)
    except MalformedCommand:
        return
    assert bytes((command.cla, command.ins, command.p1, command.p2)) == given_bytes[:4]
    assert command.data in given_bytes


@pytest.mark.parametrize("apdu", ["", "00A404", "00A4040002EF", "00A4040001EF0000", "00A404000001"])
def test_lengths_that_do_not_fit_are_no_command(apdu):
    with pytest.raises(MalformedCommand):
        read_command(bytes.fromhex(apdu))


@given(st.binary(max_size=300))
@example(b"\x90\x00")
def test_any_bytes_are_an_answer_or_malformed(raw):
    try:
        answer = read_answer(raw)
    except MalformedAnswer:
        return
    assert answer.data + answer.status_word.to_bytes(2, "big") == raw
    assert len(answer.data) <= 256


@pytest.mark.parametrize("raw", ["", "90", "0000", "6000", "A000", "5FFF", "00" * 257 + "9000"])
def test_what_cannot_be_an_answer_is_malformed(raw):
    with pytest.raises(MalformedAnswer):
        read_answer(bytes.fromhex(raw))


@pytest.mark.parametrize(
    ("status_word", "well_formed"),
    [
        (0x60FF, False),
        (0x6100, True),
        (0x6FFF, True),
        (0x7000, False),
        (0x8FFF, False),
        (0x9000, True),
        (0xA000, False),
    ],
)
def test_status_words_have_their_ranges(status_word, well_formed):
    assert is_well_formed(status_word) is well_formed


def test_61xx_is_followed_by_get_response():
    card = ScriptedCard([("", 0x6103), ("AABBCC", 0x9000)])
    answer = CardConversation(card, Transmission.T0).send(Command(0x00, 0xA4, 0x04, 0x00, b"\x01", le=256))
    assert answer == Answer(b"\xaa\xbb\xcc", 0x9000)
    assert card.received == ["00A404000101", "00C0000003"]


def test_6cxx_repeats_the_command_with_the_length_that_was_named():
    card = ScriptedCard([("", 0x6C03), ("0A0131", 0x9000)])
    answer = CardConversation(card, Transmission.T0).send(Command(0x00, 0xB2, 0x0A, 0x00, le=256))
    assert answer == Answer(b"\x0a\x01\x31", 0x9000)
    assert card.received == ["00B20A0000", "00B20A0003"]


def test_a_long_answer_comes_in_pieces():
    card = ScriptedCard([("", 0x6100), ("AA" * 256, 0x6102), ("BB", 0x6101), ("CC", 0x9000)])
    answer = CardConversation(card, Transmission.T0).send(Command(0x80, 0x10, 0x00, 0x00, b"\x01"))
    assert answer == Answer(b"\xaa" * 256 + b"\xbb\xcc", 0x9000)
    assert card.received[1:] == ["00C0000000", "00C0000002", "00C0000001"]


def test_get_response_may_ask_for_another_length_too():
    card = ScriptedCard([("", 0x6104), ("", 0x6C02), ("AABB", 0x9000)])
    answer = CardConversation(card, Transmission.T0).send(Command(0x00, 0xA4, 0x04, 0x00, b"\x01"))
    assert answer.data == b"\xaa\xbb"
    assert card.received[-1] == "00C0000002"


@pytest.mark.parametrize("status_word", [0x6101, 0x6C01])
def test_a_card_that_never_ends_is_malformed(status_word):
    card = ScriptedCard([("", status_word)] * 1000)
    with pytest.raises(MalformedAnswer):
        CardConversation(card, Transmission.T0).send(Command(0x00, 0xB2, 0x01, 0x00, le=256))
    assert len(card.received) == MAX_ROUNDS


@pytest.mark.parametrize(
    ("data", "status_word"), [("", 0x0000), ("DEADBEEF", 0x0000), ("00" * 257, 0x9000), ("", 0x10000), ("", -1)]
)
def test_an_answer_that_no_card_gives_is_malformed(data, status_word):
    with pytest.raises(MalformedAnswer):
        CardConversation(ScriptedCard([(data, status_word)]), Transmission.T0).send(Command(0, 0, 0, 0))


def test_a_refusal_ends_the_conversation():
    card = ScriptedCard([("", 0x6A82)])
    assert CardConversation(card, Transmission.T0).send(Command(0, 0xA4, 4, 0, b"\x01")) == Answer(b"", 0x6A82)


class KeepingCard:
    """Keeps the very buffers it was given."""

    def __init__(self, status_word: int) -> None:
        self.status_word = status_word
        self.kept: list[bytearray] = []

    def send_and_receive(self, apdu):
        self.kept.append(apdu)
        return b"", self.status_word


@pytest.mark.parametrize("status_word", [0x9000, 0x63C2, 0x0000])
def test_the_bytes_of_a_secret_command_are_wiped(status_word):
    card = KeepingCard(status_word)
    with suppress(MalformedAnswer):
        CardConversation(card, Transmission.T0).send(Command(0, 0x20, 0, 0, bytearray(b"\x12\x34\x56"), secret=True))
    assert card.kept == [bytearray(8)]


def test_a_secret_is_not_sent_twice_because_the_card_asks():
    card = KeepingCard(0x6C10)
    with pytest.raises(MalformedAnswer):
        CardConversation(card, Transmission.T0).send(Command(0, 0x20, 0, 0, b"\x12", secret=True))
    assert len(card.kept) == 1


def test_a_command_does_not_show_its_data():
    assert "1234" not in repr(Command(0x00, 0x20, 0x00, 0x00, bytes.fromhex("1234")))


def test_wiping_leaves_zeros():
    secret = bytearray(b"123456")
    wipe(secret)
    assert secret == bytes(6)
