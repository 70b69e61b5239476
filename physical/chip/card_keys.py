"""The card's symmetric keys: diversification 部 → 省 → 市 → card, and the proofs made with them (chip-card.md 1.5).

The virtual card and the software HSM compute with the same functions; a real root key never leaves a real HSM.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from physical.chip.apdu import Octets
from physical.chip.atr import HISTORICAL_LENGTH
from physical.chip.card import (
    AUTHENTICATION_LENGTH,
    CHALLENGE_LENGTH,
    INS_UNBLOCK,
    INTERNAL_CHALLENGE_LENGTH,
    UNBLOCK_BLOCK_LENGTH,
)
from sm.sm4 import BlockCipher, decrypt_block, encrypt_block

KEY_LENGTH = 16
_BLOCK = 16
_HALF = 8
_ZEROS = bytes(_HALF)
_REGION = re.compile(r"\d{6}", re.ASCII)
_PROVINCE_SUFFIX = b"0000sh"
_REGION_SUFFIX = b"sx"
_CARD_PART = slice(5, HISTORICAL_LENGTH)  # historical bytes 6 to 13
_UNBLOCK_HEADER = bytes((0x84, INS_UNBLOCK, 0x00, 0x01, UNBLOCK_BLOCK_LENGTH))
_MAC_LENGTH = 4
_PADDING_START = b"\x80"  # ISO/IEC 9797-1 padding method 2


class Factors(NamedTuple):
    """What each level adds to the key above it; 8 bytes each."""

    province: bytes
    region: bytes
    card: bytes


@dataclass(frozen=True, slots=True)
class CardKeys:
    """The four keys of one card, 16 bytes each; or, before diversification, the four root keys of the ministry."""

    internal: bytes = field(repr=False)
    read: bytes = field(repr=False)
    update: bytes = field(repr=False)
    unblock: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if any(len(key) != KEY_LENGTH for key in (self.internal, self.read, self.update, self.unblock)):
            raise ValueError("an SM4 key has 16 bytes")

    def diversify(self, historical: bytes, region: str) -> "CardKeys":
        """Derive the keys of one card from the root keys."""
        levels = factors(historical, region)
        keys = (self.internal, self.read, self.update, self.unblock)
        return CardKeys(*(derive_card_key(key, levels) for key in keys))


def factors(historical: bytes, region: str) -> Factors:
    """Build F1, F2, F3 from the 13 historical bytes of the ATR and the six digits of the issuing region."""
    if len(historical) != HISTORICAL_LENGTH or not _REGION.fullmatch(region):
        raise ValueError("13 historical bytes and six digits of a region are needed")
    return Factors(
        region[:2].encode() + _PROVINCE_SUFFIX,
        region.encode() + _REGION_SUFFIX,
        bytes(historical[_CARD_PART]),
    )


def derive(key: bytes, factor: bytes) -> bytes:
    """Derive the key one level below: SM4(key, F ‖ ~F) [A]."""
    if len(factor) != _HALF:
        raise ValueError("a factor has eight bytes")
    return encrypt_block(key, factor + bytes(byte ^ 0xFF for byte in factor))


def derive_card_key(root_key: bytes, levels: Factors) -> bytes:
    """Go from a root key down all three levels."""
    key = root_key
    for factor in levels:
        key = derive(key, factor)
    return key


def internal_authentication(card_key: bytes, challenge: bytes) -> bytes:
    """Compute what the card answers to INTERNAL AUTHENTICATE: 16 bytes rnd8 ‖ data8 → 8 bytes."""
    if len(challenge) != INTERNAL_CHALLENGE_LENGTH:
        raise ValueError("a challenge for the card has 16 bytes")
    return _authentication_data(card_key, challenge[:_HALF], challenge[_HALF:])


def external_authentication(card_key: bytes, card_random: bytes, data: bytes) -> bytes:
    """Compute what proves the key to the card over its 8 random bytes and 8 bytes of ours → 8 bytes."""
    if len(card_random) != CHALLENGE_LENGTH or len(data) != AUTHENTICATION_LENGTH:
        raise ValueError("eight bytes of the card and eight of ours are needed")
    return _authentication_data(card_key, card_random, data)


def _authentication_data(key: bytes, random: bytes, data: bytes) -> bytes:
    block = encrypt_block(_session_key(key, random), data + _ZEROS)
    return _xor(block[:_HALF], block[_HALF:])


def _session_key(key: bytes, random: bytes) -> bytes:
    return encrypt_block(key, random + _ZEROS)


def unblock_block(unblock_key: bytes, challenge: bytes, packed_pin: Octets) -> bytes:
    """Protect a new PIN for UNBLOCK: SM4(session, length ‖ packed PIN ‖ padding) ‖ MAC of 4 bytes; 20 bytes [A].

    No public source shows the SM4 form. Assumed: the session key of 1.5, and a CBC-MAC over header and ciphertext that
    starts from the card's challenge.
    """
    session = _session_key(unblock_key, challenge)
    padded = bytes((len(packed_pin), *packed_pin)) + _PADDING_START
    ciphertext = encrypt_block(session, padded.ljust(_BLOCK, b"\0"))
    return ciphertext + unblock_mac(unblock_key, challenge, ciphertext)


def unblock_mac(unblock_key: bytes, challenge: bytes, ciphertext: bytes) -> bytes:
    """Compute the four MAC bytes of UNBLOCK [A]."""
    cipher = BlockCipher(_session_key(unblock_key, challenge))
    message = _UNBLOCK_HEADER + ciphertext + _PADDING_START
    message = message.ljust(-(-len(message) // _BLOCK) * _BLOCK, b"\0")
    mac = challenge + _ZEROS
    for start in range(0, len(message), _BLOCK):
        mac = cipher.encrypt(_xor(mac, message[start : start + _BLOCK]))
    return mac[:_MAC_LENGTH]


def open_unblock_block(unblock_key: bytes, challenge: bytes, ciphertext: bytes) -> bytes:
    """Give the packed PIN of an UNBLOCK whose MAC is right; as the card does."""
    padded = decrypt_block(_session_key(unblock_key, challenge), ciphertext)
    return padded[1 : 1 + padded[0]]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
