"""PINs: packing, the proof by challenge, and buffers that are wiped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physical.chip import pin as pin_module
from physical.chip.errors import NextStep, PinUnusable
from physical.chip.pin import challenge_proof, pack_change, pack_pin
from sm.digest import sm3
from sm.sm4 import decrypt_block


def test_the_published_vector_of_the_packed_pin():
    digest = sm3(bytes(pack_pin(bytearray(b"123456")))).hex().upper()  # chip-card.md 1.6, measured
    assert digest.startswith("3DE741F4")
    assert digest.endswith("627F")


@pytest.mark.parametrize(
    ("digits", "packed"),
    [
        ("123456", "123456"),
        ("1234", "1234"),
        ("12345", "12345F"),
        ("000000", "000000"),
        ("123456789012", "123456789012"),
    ],
)
def test_digits_are_packed_two_to_a_byte(digits, packed):
    assert pack_pin(bytearray(digits.encode())).hex().upper() == packed


@pytest.mark.parametrize("digits", [b"", b"123", b"1234567890123", b"12345a", b"12 456", b"\xff" * 6, b"-12345"])
def test_what_is_no_pin_is_refused_before_it_travels(digits):
    with pytest.raises(PinUnusable) as refused:
        pack_pin(bytearray(digits))
    assert refused.value.next_step is NextStep.CORRECT_PIN


@given(st.text("0123456789", min_size=4, max_size=12))
def test_no_two_pins_pack_alike(digits):
    packed = pack_pin(bytearray(digits.encode()))
    assert packed.hex().rstrip("f") == digits


def test_packing_leaves_the_callers_buffer_alone():
    digits = bytearray(b"123456")
    pack_pin(digits)
    assert digits == b"123456"


def test_the_proof_is_the_padded_challenge_under_the_hash_of_the_pin():
    packed, challenge = bytes.fromhex("123456"), bytes(range(8))
    assert decrypt_block(sm3(packed)[:16], challenge_proof(packed, challenge)) == challenge + bytes(8)


def test_a_change_is_old_ff_new():
    assert pack_change(bytearray(b"123456"), bytearray(b"65432")).hex().upper() == "123456FF65432F"


@pytest.mark.parametrize(("old", "new"), [(b"123456", b"654321"), (b"123456", b"x")])
def test_a_change_wipes_what_it_packed(monkeypatch, old, new):
    made = []

    def keeping(digits):
        made.append(packed := pack_pin(digits))
        return packed

    monkeypatch.setattr(pin_module, "pack_pin", keeping)
    try:
        change = pack_change(bytearray(old), bytearray(new))
    except PinUnusable:
        change = bytearray()
    assert made
    assert all(buffer is change or not any(buffer) for buffer in made)
