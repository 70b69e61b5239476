"""The PIN on its way to the card. It lives in bytearrays that their owner wipes; nothing here keeps a copy."""

import hashlib

from physical.chip.apdu import Octets, wipe
from physical.chip.errors import PinUnusable
from sm.sm4 import encrypt_block

MIN_PIN_DIGITS = 4  # ISO 9564-1 clause 6.1
MAX_PIN_DIGITS = 12
_ZERO, _NINE = 0x30, 0x39
_PAD = 0x0F
_SEPARATOR = 0xFF  # between old and new PIN (chip-card.md 1.6, row 12)
_BLOCK = 16  # SM4


def pack_pin(pin: bytearray) -> bytearray:
    """Pack ASCII digits two to a byte, an odd last one padded with F (chip-card.md 1.6, row 7).

    Args:
        pin: 4 to 12 ASCII digits; stays the caller's, who wipes it

    Returns:
        a new buffer that the caller wipes as well

    Raises:
        PinUnusable: not 4 to 12 digits
    """
    if not MIN_PIN_DIGITS <= len(pin) <= MAX_PIN_DIGITS or not all(_ZERO <= digit <= _NINE for digit in pin):
        raise PinUnusable
    packed = bytearray(len(pin) // 2 + len(pin) % 2)
    for index in range(len(packed)):
        high = pin[2 * index] - _ZERO
        low = pin[2 * index + 1] - _ZERO if 2 * index + 1 < len(pin) else _PAD
        packed[index] = high << 4 | low
    return packed


def pack_change(old: bytearray, new: bytearray) -> bytearray:
    """Pack old PIN, FF, new PIN for CHANGE PIN; the caller wipes all three buffers."""
    packed_old = pack_pin(old)
    try:
        packed_new = pack_pin(new)
    except PinUnusable:
        wipe(packed_old)
        raise
    change = bytearray((*packed_old, _SEPARATOR, *packed_new))
    wipe(packed_old)
    wipe(packed_new)
    return change


def challenge_proof(packed_pin: Octets, challenge: bytes) -> bytes:
    """Prove the PIN of the certificate application to the card: SM4(SM3(packed PIN)[:16], challenge padded with 00).

    One recorded challenge and its proof give up a six-digit PIN in seconds (chip-card.md 4): never log either.
    """
    key = hashlib.new("sm3", packed_pin).digest()[:_BLOCK]  # takes the buffer itself, so that no copy stays behind
    return encrypt_block(key, challenge.ljust(_BLOCK, b"\0"))
