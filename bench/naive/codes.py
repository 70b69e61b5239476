"""The signed code's format by gmssl, under the only user id that it knows."""

import os
import struct
import time

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from gmssl.sm2 import CryptSM2

_SIGNED = struct.Struct(">BHIBB16sH")
_EPOCH_2020 = 1_577_836_800
_CLASSES = {"identity": 0, "medical": 1, "merchant": 2, "gate": 3, "test": 9}
LIFE_SECONDS = 60


def mint_code(private_key: str, public_key: str, handle_key: bytes, card_index: int, use: str) -> str:
    """Sign a new code of 222 digits."""
    block = card_index.to_bytes(8, "big") + os.urandom(8)
    handle = Cipher(algorithms.SM4(handle_key), modes.ECB()).encryptor().update(block)
    issued_at = int(time.time()) - _EPOCH_2020
    signed = _SIGNED.pack(1 << 4 | _CLASSES[use], 1, issued_at, LIFE_SECONDS // 5, 3, handle, 0)
    crypt = CryptSM2(private_key=private_key, public_key="")
    crypt.public_key = public_key
    signature = bytes.fromhex(crypt.sign_with_sm3(signed))
    return f"82{int.from_bytes(signed + signature, 'big'):0220d}"


def open_code(public_key: str, handle_key: bytes, digits: str, use: str) -> tuple[str, int] | None:
    """Give handle and card index of a code that is genuine, alive and of this class."""
    data = int(digits[2:]).to_bytes(91, "big")
    signed, signature = data[:27], data[27:]
    if not verify(public_key, signed, signature.hex()):
        return None
    first, _kid, issued_at, life, _flags, handle, _audience = _SIGNED.unpack(signed)
    now = time.time() - _EPOCH_2020
    if first & 15 != _CLASSES[use] or not issued_at <= now < issued_at + life * 5:
        return None
    block = Cipher(algorithms.SM4(handle_key), modes.ECB()).decryptor().update(handle)
    return handle.hex(), int.from_bytes(block[:8], "big")


def verify(public_key: str, message: bytes, signature: str) -> bool:
    """Verify as gmssl's documentation shows it."""
    crypt = CryptSM2(private_key="", public_key="")
    crypt.public_key = public_key
    return crypt.verify_with_sm3(signature, message) is True
