"""Diversification and the proofs made with the card's keys.

No public vector exists for the SM4 form. The expected values are computed here a second time, step by step, with
gmssl's own SM4 (pure Python).
"""

import pytest
from gmssl.sm4 import SM4_DECRYPT, SM4_ENCRYPT, CryptSM4
from hypothesis import given, settings
from hypothesis import strategies as st

from physical.chip.card_keys import (
    CardKeys,
    derive,
    derive_card_key,
    external_authentication,
    factors,
    internal_authentication,
    open_unblock_block,
    unblock_block,
)

HISTORICAL = bytes.fromhex("86545343010102030405060708")
REGION = "990100"
ROOT = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")  # the key of GB/T 32907 annex A
KEYS = st.binary(min_size=16, max_size=16)
HALVES = st.binary(min_size=8, max_size=8)


def oracle_encrypt(key: bytes, block: bytes) -> bytes:
    cipher = CryptSM4()
    cipher.set_key(key, SM4_ENCRYPT)
    return bytes(cipher.one_round(cipher.sk, list(block)))


def oracle_decrypt(key: bytes, block: bytes) -> bytes:
    cipher = CryptSM4()
    cipher.set_key(key, SM4_DECRYPT)
    return bytes(cipher.one_round(cipher.sk, list(block)))


def oracle_proof(key: bytes, random: bytes, data: bytes) -> bytes:
    session = oracle_encrypt(key, random + bytes(8))
    block = oracle_encrypt(session, data + bytes(8))
    return (int.from_bytes(block[:8], "big") ^ int.from_bytes(block[8:], "big")).to_bytes(8, "big")


def test_the_oracle_is_sm4():
    assert oracle_encrypt(ROOT, ROOT).hex() == "681edf34d206965e86b3e94f536e4246"  # GB/T 32907 annex A.1


def test_the_factors_are_those_of_the_specification():
    assert factors(HISTORICAL, REGION) == (b"990000sh", b"990100sx", bytes.fromhex("0102030405060708"))


def test_a_key_is_derived_from_the_factor_and_its_complement():
    assert derive(ROOT, b"990100sx") == oracle_encrypt(ROOT, b"990100sx" + bytes(byte ^ 0xFF for byte in b"990100sx"))


def test_the_card_key_is_three_levels_below_the_root():
    key = ROOT
    for factor in ("3939303030307368", "3939303130307378", "0102030405060708"):
        inverted = (int(factor, 16) ^ 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
        key = oracle_encrypt(key, bytes.fromhex(factor) + inverted)
    assert derive_card_key(ROOT, factors(HISTORICAL, REGION)) == key


@settings(max_examples=25)
@given(KEYS, HALVES, HALVES)
def test_both_proofs_agree_with_the_second_implementation(key, random, data):
    expected = oracle_proof(key, random, data)
    assert internal_authentication(key, random + data) == expected
    assert external_authentication(key, random, data) == expected


@given(KEYS, HALVES, HALVES, st.integers(0, 63))
def test_a_proof_is_for_one_random_number_and_one_data(key, random, data, bit):
    flipped = (int.from_bytes(random, "big") ^ 1 << bit).to_bytes(8, "big")
    assert external_authentication(key, flipped, data) != external_authentication(key, random, data)


@pytest.mark.parametrize(
    ("historical", "region"),
    [
        (HISTORICAL, "990200"),
        (HISTORICAL, "980100"),
        (HISTORICAL[:-1] + b"\x09", REGION),
        (HISTORICAL[:5] + b"\x09" + HISTORICAL[6:], REGION),
    ],
)
def test_another_card_has_other_keys(historical, region):
    assert derive_card_key(ROOT, factors(historical, region)) != derive_card_key(ROOT, factors(HISTORICAL, REGION))


def test_the_first_five_historical_bytes_play_no_part():
    assert factors(bytes(5) + HISTORICAL[5:], REGION) == factors(HISTORICAL, REGION)


@pytest.mark.parametrize(
    ("historical", "region"), [(b"", REGION), (bytes(14), REGION), (HISTORICAL, "99010"), (HISTORICAL, "９９0100")]
)
def test_factors_are_made_from_nothing_else(historical, region):
    with pytest.raises(ValueError, match="needed"):
        factors(historical, region)


@pytest.mark.parametrize("factor", [b"", bytes(7), bytes(9)])
def test_a_factor_has_eight_bytes(factor):
    with pytest.raises(ValueError, match="eight"):
        derive(ROOT, factor)


def test_the_lengths_of_challenges_are_fixed():
    with pytest.raises(ValueError, match="16 bytes"):
        internal_authentication(ROOT, bytes(8))
    with pytest.raises(ValueError, match="eight"):
        external_authentication(ROOT, bytes(4), bytes(8))
    with pytest.raises(ValueError, match="eight"):
        external_authentication(ROOT, bytes(8), bytes(4))


def test_all_four_keys_of_a_card_are_derived_alike():
    root = CardKeys(*(bytes((number,)) * 16 for number in range(1, 5)))
    card = root.diversify(HISTORICAL, REGION)
    levels = factors(HISTORICAL, REGION)
    assert (card.internal, card.read) == (derive_card_key(root.internal, levels), derive_card_key(root.read, levels))
    assert (card.update, card.unblock) == (derive_card_key(root.update, levels), derive_card_key(root.unblock, levels))


def test_keys_have_sixteen_bytes_and_do_not_show():
    with pytest.raises(ValueError, match="16 bytes"):
        CardKeys(ROOT, ROOT, ROOT, ROOT[:-1])
    assert repr(CardKeys(ROOT, ROOT, ROOT, ROOT)) == "CardKeys()"


def oracle_unblock(key: bytes, challenge: bytes, packed: bytes) -> bytes:
    session = oracle_encrypt(key, challenge + bytes(8))
    ciphertext = oracle_encrypt(session, (bytes((len(packed),)) + packed + b"\x80").ljust(16, b"\0"))
    message = bytes.fromhex("8424000114") + ciphertext + b"\x80" + bytes(10)
    mac = challenge + bytes(8)
    for block in (message[:16], message[16:]):
        mac = oracle_encrypt(session, bytes(a ^ b for a, b in zip(mac, block, strict=True)))
    return ciphertext + mac[:4]


@pytest.mark.parametrize("packed", ["123456", "12345F", "1234", "123456789012"])
def test_the_block_of_unblock_is_the_assumed_one(packed):
    block = unblock_block(ROOT, bytes(range(8)), bytes.fromhex(packed))
    assert block == oracle_unblock(ROOT, bytes(range(8)), bytes.fromhex(packed))
    assert len(block) == 20


@given(KEYS, HALVES, st.binary(min_size=2, max_size=6))
def test_the_card_opens_what_was_protected(key, challenge, packed):
    assert open_unblock_block(key, challenge, unblock_block(key, challenge, packed)[:16]) == packed


def test_the_oracle_decrypts_what_it_encrypts():
    assert oracle_decrypt(ROOT, oracle_encrypt(ROOT, HISTORICAL + bytes(3))) == HISTORICAL + bytes(3)
