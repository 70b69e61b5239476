import base64
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor

import pytest
from gmssl import sm3 as gmssl_sm3
from gmssl.sm4 import SM4_DECRYPT, SM4_ENCRYPT, CryptSM4
from hypothesis import given
from hypothesis import strategies as st

from sm.digest import hmac_sm3, sm3
from sm.errors import InvalidKey, Malformed, SealBroken
from sm.sm4 import BlockCipher, decrypt_block, encrypt_block, open_sealed, seal

KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
AAD = b"city-key"


def test_sm3_of_abc_is_that_of_the_standard():  # GB/T 32905, annex A.1
    assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert sm3(b"a", b"", b"bc") == sm3(b"abc")


def test_sm3_of_64_bytes_is_that_of_the_standard():  # GB/T 32905, annex A.2
    assert sm3(b"abcd" * 16).hex() == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


@given(st.binary(max_size=200))
def test_a_second_implementation_of_sm3_agrees(message):
    assert sm3(message).hex() == gmssl_sm3.sm3_hash(list(message))


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_hmac_sm3_is_rfc_2104_over_sm3(key, message):
    block = (sm3(key) if len(key) > 64 else key).ljust(64, b"\0")
    inner = sm3(bytes(byte ^ 0x36 for byte in block), message)
    assert hmac_sm3(key, message) == sm3(bytes(byte ^ 0x5C for byte in block), inner)
    assert hmac_sm3(key, message[:3], message[3:]) == hmac_sm3(key, message)
    assert hmac_sm3(key, message) == hmac.new(key, message, lambda: hashlib.new("sm3")).digest()


def test_the_block_of_the_standard_is_encrypted():  # GB/T 32907, annex A.1
    assert encrypt_block(KEY, KEY).hex() == "681edf34d206965e86b3e94f536e4246"
    assert decrypt_block(KEY, bytes.fromhex("681edf34d206965e86b3e94f536e4246")) == KEY


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_a_second_implementation_of_sm4_agrees(key, block):
    oracle = CryptSM4()
    oracle.set_key(key, SM4_ENCRYPT)
    encrypted = bytes(oracle.one_round(oracle.sk, list(block)))
    assert encrypt_block(key, block) == encrypted
    oracle.set_key(key, SM4_DECRYPT)
    assert bytes(oracle.one_round(oracle.sk, list(encrypted))) == block == decrypt_block(key, encrypted)


def test_a_block_cipher_is_used_again_and_from_many_threads():
    cipher = BlockCipher(KEY)
    blocks = [number.to_bytes(16, "big") for number in range(200)]
    with ThreadPoolExecutor(8) as threads:
        encrypted = list(threads.map(cipher.encrypt, blocks))
        assert list(threads.map(cipher.decrypt, encrypted)) == blocks
    assert encrypted == [encrypt_block(KEY, block) for block in blocks]


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_keys_and_blocks_have_16_bytes(size):
    cipher = BlockCipher(KEY)
    with pytest.raises(Malformed):
        cipher.encrypt(bytes(size))
    with pytest.raises(Malformed):
        cipher.decrypt(bytes(size))
    with pytest.raises(InvalidKey):
        BlockCipher(bytes(size))
    with pytest.raises(InvalidKey):
        seal(bytes(size), b"", AAD)


def test_the_gcm_vector_of_rfc_8998_is_sealed_and_opened():  # RFC 8998, appendix A.1
    nonce = bytes.fromhex("00001234567800000000abcd")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plaintext = b"".join(bytes([byte]) * 8 for byte in bytes.fromhex("aabbccddeeffeeaa"))
    sealed = nonce + bytes.fromhex(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    assert seal(KEY, plaintext, aad, nonce) == sealed
    assert open_sealed(KEY, sealed, aad) == plaintext


def test_the_published_callback_of_wechat_pay_is_opened():
    # Test data of the repository wechatpay-apiv3/wechatpay-java, BaseAeadSM4Test: key = SM3(API v3 key), cut to 16.
    key = sm3(b"a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb")[:16]
    ciphertext = base64.b64decode("+lcLNfkZQQx+iQm20Apa3x9Mb/5L7PgZ7w==")
    assert open_sealed(key, b"uluk4a9R25RW" + ciphertext, b"associatedData") == b"plaintext"


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_what_is_sealed_opens_again(plaintext, aad):
    sealed = seal(KEY, plaintext, aad)
    assert len(sealed) == 12 + len(plaintext) + 16
    assert open_sealed(KEY, sealed, aad) == plaintext


def test_two_seals_of_one_text_differ():
    assert seal(KEY, b"text", AAD) != seal(KEY, b"text", AAD)


def test_any_flipped_bit_breaks_the_seal():
    sealed = seal(KEY, b"text", AAD)
    for position in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(SealBroken):
            open_sealed(KEY, bytes(changed), AAD)


def test_another_key_context_or_length_breaks_the_seal():
    sealed = seal(KEY, b"text", AAD)
    for key, given_bytes, aad in [
        (KEY[::-1], sealed, AAD),
        (KEY, sealed, b"province-key"),
        (KEY, sealed, b""),
        (KEY, sealed + b"\0", AAD),
        (KEY, sealed[:-1], AAD),
        (KEY, sealed[:27], AAD),
        (KEY, b"", AAD),
    ]:
        with pytest.raises(SealBroken):
            open_sealed(key, given_bytes, aad)


@pytest.mark.parametrize("size", [0, 11, 13, 16])
def test_a_nonce_has_12_bytes(size):
    with pytest.raises(Malformed):
        seal(KEY, b"text", AAD, bytes(size))
