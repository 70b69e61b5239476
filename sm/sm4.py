"""SM4 (GB/T 32907): single blocks, and sealing with SM4-GCM."""

import secrets
import threading

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from sm.errors import InvalidKey, Malformed, SealBroken

KEY_SIZE = 16
BLOCK_SIZE = 16
NONCE_SIZE = 12  # the only size for which GCM uses the nonce as it stands: NIST SP 800-38D, 7.1
TAG_SIZE = 16


class _Contexts(threading.local):
    """One pair of contexts for each thread: a context must not be entered twice at once."""

    def __init__(self, cipher: Cipher[modes.ECB]) -> None:
        self.encrypt = cipher.encryptor().update
        self.decrypt = cipher.decryptor().update


class BlockCipher:
    """SM4 on single 16-byte blocks under one key; made once, used often, from any thread."""

    def __init__(self, key: bytes) -> None:
        self._contexts = _Contexts(Cipher(_algorithm(key), modes.ECB()))  # noqa: S305 - one block is one permutation

    def encrypt(self, block: bytes) -> bytes:
        """Encrypt one block of 16 bytes."""
        _require_block(block)
        return self._contexts.encrypt(block)

    def decrypt(self, block: bytes) -> bytes:
        """Decrypt one block of 16 bytes."""
        _require_block(block)
        return self._contexts.decrypt(block)


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """Encrypt one block of 16 bytes under `key` (16 bytes)."""
    return BlockCipher(key).encrypt(block)


def decrypt_block(key: bytes, block: bytes) -> bytes:
    """Decrypt one block of 16 bytes under `key` (16 bytes)."""
    return BlockCipher(key).decrypt(block)


def seal(key: bytes, plaintext: bytes, aad: bytes, nonce: bytes | None = None) -> bytes:
    """Encrypt and authenticate: nonce (12) ‖ ciphertext ‖ tag (16).

    `aad` names the place the sealed bytes belong to and is not stored with them.
    A nonce is for tests with vectors; left out, it is drawn at random, which is good for 2^32 seals under one key
    (NIST SP 800-38D, 8.3).
    """
    used_nonce = secrets.token_bytes(NONCE_SIZE) if nonce is None else nonce
    if len(used_nonce) != NONCE_SIZE:
        raise Malformed(f"a nonce has {NONCE_SIZE} bytes")
    encryptor = Cipher(_algorithm(key), modes.GCM(used_nonce)).encryptor()
    encryptor.authenticate_additional_data(aad)
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    return used_nonce + ciphertext + encryptor.tag


def open_sealed(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Give back the plaintext of `seal`; raise SealBroken when key, aad or bytes differ."""
    if len(sealed) < NONCE_SIZE + TAG_SIZE:
        raise SealBroken("shorter than a nonce and a tag")
    nonce, ciphertext, tag = sealed[:NONCE_SIZE], sealed[NONCE_SIZE:-TAG_SIZE], sealed[-TAG_SIZE:]
    decryptor = Cipher(_algorithm(key), modes.GCM(nonce, tag)).decryptor()
    decryptor.authenticate_additional_data(aad)
    plaintext = decryptor.update(ciphertext)
    try:
        return plaintext + decryptor.finalize()
    except InvalidTag:
        raise SealBroken("the tag does not match") from None


def _algorithm(key: bytes) -> algorithms.SM4:
    if len(key) != KEY_SIZE:
        raise InvalidKey(f"an SM4 key has {KEY_SIZE} bytes")
    return algorithms.SM4(key)


def _require_block(block: bytes) -> None:
    if len(block) != BLOCK_SIZE:
        raise Malformed(f"a block has {BLOCK_SIZE} bytes")
