import ctypes
import os
import random
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

from sm.errors import InvalidKey, InvalidSignature, Malformed, ProviderUnavailable
from sm.providers import libcrypto, open_provider, openssl
from sm.providers.gmssl import GmsslProvider, random_nonce
from sm.providers.openssl import OpensslProvider
from sm.sm2 import GX, MAX_USER_ID_SIZE, N, PrivateKey, message_digest, read_public_key, z_value

NAMES = ("openssl", "gmssl")
MESSAGE = b"visit 2026-03-01"
CODE_USER_ID = b"ESSC-QR-B1"


@pytest.fixture(scope="module")
def providers():
    return {name: open_provider(name) for name in NAMES}


@pytest.fixture(scope="module", params=NAMES)
def provider(request, providers):
    return providers[request.param]


@pytest.mark.parametrize("verifying", NAMES)
@pytest.mark.parametrize("signing", NAMES)
def test_each_provider_verifies_what_each_provider_signs(providers, signing, verifying):
    private_key = providers[signing].generate()
    signer = providers[signing].signer(private_key, CODE_USER_ID)
    assert providers[verifying].public_key_of(private_key) == signer.public_key
    verifier = providers[verifying].verifier(signer.public_key, CODE_USER_ID)
    verifier.verify(MESSAGE, signer.sign(MESSAGE))
    digest = message_digest(CODE_USER_ID, signer.public_key, MESSAGE)
    verifier.verify(MESSAGE, signer.sign_digest(digest))
    verifier.verify_digest(digest, signer.sign(MESSAGE))


@pytest.mark.parametrize("message", [b"", b"\0", b"x" * 100_000])
def test_messages_of_any_size_are_signed(provider, message):
    signer = provider.signer(provider.generate())
    provider.verifier(signer.public_key).verify(message, signer.sign(message))


@pytest.mark.parametrize("user_id", [b"", b"\0", b"i" * MAX_USER_ID_SIZE])
def test_user_ids_of_any_lawful_size_are_their_own_domain(provider, user_id):
    signer = provider.signer(provider.generate(), user_id)
    signature = signer.sign(MESSAGE)
    provider.verifier(signer.public_key, user_id).verify(MESSAGE, signature)
    with pytest.raises(InvalidSignature):
        provider.verifier(signer.public_key, CODE_USER_ID).verify(MESSAGE, signature)


def test_a_user_id_whose_bit_count_needs_three_bytes_is_refused(provider):
    with pytest.raises(Malformed):
        provider.signer(provider.generate(), b"i" * (MAX_USER_ID_SIZE + 1))


def test_two_signatures_of_one_message_differ_though_random_is_seeded(provider):
    signer = provider.signer(provider.generate())
    random.seed(1)
    first = signer.sign(MESSAGE)
    random.seed(1)
    second = signer.sign(MESSAGE)
    assert first != second


def test_fresh_keys_differ_though_random_is_seeded(provider):
    random.seed(1)
    first = provider.generate()
    random.seed(1)
    assert provider.generate() != first


@pytest.mark.parametrize("scalar", [1, 2, 3, N // 2, N - 3, N - 2])
def test_private_keys_at_the_edges_sign(provider, scalar):
    signer = provider.signer(PrivateKey(scalar.to_bytes(32, "big")))
    provider.verifier(signer.public_key).verify(MESSAGE, signer.sign(MESSAGE))


@pytest.mark.parametrize("scalar", [0, N - 1, N, N + 1, 2**256 - 1])
def test_scalars_outside_1_to_n_minus_2_are_no_private_keys(scalar):
    with pytest.raises(InvalidKey):
        PrivateKey(scalar.to_bytes(32, "big"))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_private_key_has_32_bytes(size):
    with pytest.raises(InvalidKey):
        PrivateKey(b"\1" * size)


def test_a_private_key_does_not_show_itself():
    key = PrivateKey(b"\x5a" * 32)
    for text in (repr(key), str(key), f"{key}", repr([key])):
        assert "5a" not in text
        assert "Z" not in text


def test_private_keys_compare_by_value():
    assert PrivateKey(b"\1" * 32) == PrivateKey(b"\1" * 32)
    assert PrivateKey(b"\1" * 32) != PrivateKey(b"\2" * 32)
    assert PrivateKey(b"\1" * 32) != b"\1" * 32
    assert len({PrivateKey(b"\1" * 32), PrivateKey(b"\1" * 32)}) == 1


@pytest.mark.parametrize("digits", ["04", "0404", "00", "44"])
def test_public_keys_that_begin_with_the_digits_gmssl_strips_verify(providers, digits):
    public_key, private_key = _key_that_begins_with(providers["openssl"], digits)
    signature = providers["openssl"].signer(private_key).sign(MESSAGE)
    providers["gmssl"].verifier(public_key).verify(MESSAGE, signature)


def _key_that_begins_with(provider, digits):
    scalar = {"04": 11, "0404": 307, "00": 327, "44": 138}[digits]  # the smallest, found by counting up from 1
    private_key = PrivateKey(scalar.to_bytes(32, "big"))
    public_key = provider.public_key_of(private_key)
    assert public_key.hex().startswith(digits)
    return public_key, private_key


def test_a_public_key_may_carry_its_04_and_is_the_same_key(provider):
    public_key = provider.signer(provider.generate()).public_key
    assert provider.verifier(b"\x04" + public_key).public_key == public_key
    assert read_public_key(b"\x04" + public_key) == public_key


def test_a_digest_has_32_bytes(provider):
    signer = provider.signer(provider.generate())
    verifier = provider.verifier(signer.public_key)
    signature = signer.sign(MESSAGE)
    for digest in (b"", b"e" * 31, b"e" * 33, b"e" * 64):
        with pytest.raises(Malformed):
            signer.sign_digest(digest)
        with pytest.raises(Malformed):
            verifier.verify_digest(digest, signature)


def test_z_wants_a_raw_public_key():
    with pytest.raises(InvalidKey):
        z_value(CODE_USER_ID, b"\x04" + b"\1" * 64)


def test_threads_share_signers_and_verifiers(provider):
    signer = provider.signer(provider.generate())
    verifier = provider.verifier(signer.public_key)

    def sign_and_verify(number):
        message = b"%d" % number
        signature = signer.sign(message)
        verifier.verify(message, signature)
        return signature

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(sign_and_verify, range(40)))) == 40


def test_a_fork_does_not_repeat_nonces(provider):
    signer = provider.signer(provider.generate())
    signer.sign(MESSAGE)
    signatures = {signer.sign(MESSAGE), *(_signed_in_a_child(signer) for _ in range(2))}
    assert len(signatures) == 3


def _signed_in_a_child(signer):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, signer.sign(MESSAGE))
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read()


def test_a_refusal_leaves_no_error_behind_for_tls():
    provider = OpensslProvider()
    peek = libcrypto._bind(provider._crypto._keeping, "ERR_peek_error", ctypes.c_ulong)
    signer = provider.signer(provider.generate())
    for _ in range(3):
        with pytest.raises(InvalidSignature):
            provider.verifier(signer.public_key).verify(b"another", signer.sign(MESSAGE))
        assert peek() == 0


def test_signers_outlive_the_names_of_their_provider():
    signer = OpensslProvider().signer(PrivateKey(b"\7" * 32))
    OpensslProvider().verifier(signer.public_key).verify(MESSAGE, signer.sign(MESSAGE))


# --- the table, the self-test, machines without SM2


def test_an_unknown_provider_is_unavailable_and_the_choices_are_named():
    with pytest.raises(ProviderUnavailable, match="gmssl, openssl"):
        open_provider("sdf")


class _Wrong(GmsslProvider):
    """A provider that is broken in one way."""

    name = "wrong"


class _WrongPublicKey(_Wrong):
    def public_key_of(self, private_key):
        return super().public_key_of(PrivateKey(b"\1" * 32))


class _AcceptsAll(_Wrong):
    def verifier(self, unverified_public_key, user_id=b""):
        return types.SimpleNamespace(verify=lambda message, signature: None)


class _RefusesAll(_Wrong):
    def verifier(self, unverified_public_key, user_id=b""):
        return super().verifier(unverified_public_key, b"never this")


class _IgnoresUserId(_Wrong):
    def verifier(self, unverified_public_key, user_id=b""):
        return super().verifier(unverified_public_key)


class _SignsNonsense(_Wrong):
    def signer(self, private_key, user_id=b"1234567812345678"):
        return types.SimpleNamespace(sign=lambda message: b"\1" * 64)


@pytest.mark.parametrize("broken", [_WrongPublicKey, _AcceptsAll, _RefusesAll, _IgnoresUserId, _SignsNonsense])
def test_a_broken_provider_is_not_opened(broken):
    with pytest.raises(ProviderUnavailable, match="self-test"):
        open_provider("wrong", {"wrong": broken})


def test_a_further_provider_is_one_line_in_the_table():
    assert open_provider("mine", {"mine": GmsslProvider}).name == "gmssl"


def test_a_nonce_source_that_never_fits_ends_in_a_refusal():
    signer = GmsslProvider(draw_nonce=lambda: 1).signer(PrivateKey(b"\7" * 32))
    digest_that_makes_r_zero = ((N - GX) % N).to_bytes(32, "big")
    with pytest.raises(ProviderUnavailable):
        signer.sign_digest(digest_that_makes_r_zero)


def test_nonces_are_in_range_and_differ():
    nonces = {random_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert all(1 <= nonce < N for nonce in nonces)


def test_a_libcrypto_without_sm2_is_unavailable(monkeypatch):
    class Stripped(libcrypto.LibCrypto):
        def __init__(self):
            super().__init__()
            self.group_new = lambda nid: None

    monkeypatch.setattr(openssl, "LibCrypto", Stripped)
    with pytest.raises(ProviderUnavailable, match="without SM2"):
        open_provider("openssl")


def test_a_libcrypto_without_a_function_is_unavailable(monkeypatch):
    monkeypatch.setattr(libcrypto, "_ssl_origin", lambda: None)
    monkeypatch.setattr(libcrypto.ctypes, "PyDLL", lambda origin: types.SimpleNamespace())
    with pytest.raises(ProviderUnavailable, match="has no EVP_PKEY_CTX_new_from_name"):
        open_provider("openssl")


def test_a_python_without_ssl_is_unavailable(monkeypatch):
    monkeypatch.setattr(libcrypto.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ProviderUnavailable, match="no ssl module"):
        open_provider("openssl")


def test_a_failing_libcrypto_is_a_refusal_not_a_crash(providers):
    broken = OpensslProvider()
    signer = broken.signer(PrivateKey(b"\7" * 32))
    verifier = broken.verifier(signer.public_key)
    signature = signer.sign(MESSAGE)
    broken._crypto.pkey_ctx_new_from_pkey = lambda *_: None
    with pytest.raises(ProviderUnavailable):
        signer.sign(MESSAGE)
    with pytest.raises(ProviderUnavailable):
        verifier.verify(MESSAGE, signature)
    broken._crypto.number_from_bytes = lambda *_: None
    with pytest.raises(ProviderUnavailable):
        broken.public_key_of(PrivateKey(b"\7" * 32))
    broken._crypto.pkey_ctx_new_from_name = lambda *_: None
    with pytest.raises(ProviderUnavailable):
        broken.verifier(signer.public_key)
