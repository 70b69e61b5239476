"""SM2 by Python's own libcrypto: nothing to install, constant-time, gives the GIL away while it computes."""

import ctypes
import sys

from sm.der import read_der_signature, signature_to_der
from sm.errors import InvalidKey, InvalidSignature, ProviderUnavailable
from sm.providers.keyed import KeyedSigner, KeyedVerifier
from sm.providers.libcrypto import (
    EVP_PKEY_KEYPAIR,
    EVP_PKEY_PUBLIC_KEY,
    NID_SM2,
    OSSL_PARAM_OCTET_STRING,
    OSSL_PARAM_UNSIGNED_INTEGER,
    OSSL_PARAM_UTF8_STRING,
    POINT_CONVERSION_UNCOMPRESSED,
    LibCrypto,
    OsslParam,
)
from sm.sm2 import (
    FIELD_SIZE,
    PUBLIC_KEY_SIZE,
    UNCOMPRESSED,
    USER_ID_DEFAULT,
    PrivateKey,
    Signer,
    Verifier,
    random_private_key,
    read_public_key,
)

_ALGORITHM = b"SM2"
_SIGNATURE_ROOM = 80  # a DER signature has at most 72 bytes


class OpensslProvider:
    """SM2 through EVP; keys are loaded once and shared by all threads, contexts live for one call."""

    name = "openssl"

    def __init__(self) -> None:
        self._crypto = LibCrypto()
        self._group = self._crypto.group_new(NID_SM2)
        if not self._group:
            self._crypto.err_clear_error()
            raise ProviderUnavailable("this libcrypto was built without SM2: use the provider gmssl")

    def __del__(self) -> None:
        if getattr(self, "_group", None):
            self._crypto.group_free(self._group)

    def generate(self) -> PrivateKey:
        """Draw a fresh private key."""
        return random_private_key()

    def public_key_of(self, private_key: PrivateKey) -> bytes:
        """Compute the 64 bytes x ‖ y, in constant time."""
        crypto, group = self._crypto, self._group
        scalar = crypto.number_from_bytes(private_key.secret_bytes(), FIELD_SIZE, None)
        point = crypto.point_new(group)
        octets = ctypes.create_string_buffer(1 + PUBLIC_KEY_SIZE)
        try:
            if not (scalar and point) or crypto.point_multiply(group, point, scalar, None, None, None) != 1:
                raise _failed(crypto, "computing a public key")
            if crypto.point_to_octets(group, point, POINT_CONVERSION_UNCOMPRESSED, octets, len(octets), None) == 0:
                raise _failed(crypto, "writing a public key")
        finally:
            crypto.number_free(scalar)
            crypto.point_free(point)
        return read_public_key(octets.raw)

    def signer(self, private_key: PrivateKey, user_id: bytes = USER_ID_DEFAULT) -> Signer:
        """Prepare to sign."""
        public_key = self.public_key_of(private_key)
        key = _Key(self._crypto, public_key, private_key)
        return KeyedSigner(public_key, user_id, key.sign)

    def verifier(self, unverified_public_key: bytes, user_id: bytes = USER_ID_DEFAULT) -> Verifier:
        """Prepare to verify; raise InvalidKey for a key off the curve."""
        public_key = read_public_key(unverified_public_key)
        return KeyedVerifier(public_key, user_id, _Key(self._crypto, public_key).verify)

    def close(self) -> None:
        """Nothing to give back: keys are freed with the signers and verifiers that hold them."""


class _Key:
    """One EVP_PKEY, freed with this object. It is read only, so threads share it."""

    def __init__(self, crypto: LibCrypto, public_key: bytes, private_key: PrivateKey | None = None) -> None:
        self._crypto = crypto
        self._pkey = _load(crypto, public_key, private_key)

    def __del__(self) -> None:
        if getattr(self, "_pkey", None):
            self._crypto.pkey_free(self._pkey)

    def sign(self, digest: bytes) -> bytes:
        """Sign the 32 bytes e; 64 bytes r ‖ s."""
        crypto = self._crypto
        room, size = ctypes.create_string_buffer(_SIGNATURE_ROOM), ctypes.c_size_t(_SIGNATURE_ROOM)
        context = crypto.pkey_ctx_new_from_pkey(None, self._pkey, None)
        try:
            if not context or crypto.pkey_sign_init(context) != 1:
                raise _failed(crypto, "preparing to sign")
            if crypto.pkey_sign(context, room, size, digest, len(digest)) != 1:
                raise _failed(crypto, "signing")
        finally:
            crypto.pkey_ctx_free(context)
        return read_der_signature(room.raw[: size.value])

    def verify(self, digest: bytes, signature: bytes) -> None:
        """Verify 64 bytes r ‖ s over the 32 bytes e; raise InvalidSignature."""
        crypto, der = self._crypto, signature_to_der(signature)
        context = crypto.pkey_ctx_new_from_pkey(None, self._pkey, None)
        try:
            if not context or crypto.pkey_verify_init(context) != 1:
                raise _failed(crypto, "preparing to verify")
            if crypto.pkey_verify(context, der, len(der), digest, len(digest)) != 1:
                crypto.err_clear_error()
                raise InvalidSignature("the signature does not belong to this message, key and user id")
        finally:
            crypto.pkey_ctx_free(context)


def _load(crypto: LibCrypto, public_key: bytes, private_key: PrivateKey | None) -> int:
    """Make an EVP_PKEY from its numbers; three times as fast as having libcrypto decode DER."""
    selection = EVP_PKEY_KEYPAIR if private_key else EVP_PKEY_PUBLIC_KEY
    pkey = ctypes.c_void_p()
    context = crypto.pkey_ctx_new_from_name(None, _ALGORITHM, None)
    try:
        if not context or crypto.pkey_fromdata_init(context) != 1:
            raise _failed(crypto, "preparing to load a key")
        if crypto.pkey_fromdata(context, pkey, selection, _parameters(public_key, private_key)) != 1 or not pkey.value:
            crypto.err_clear_error()
            raise InvalidKey("libcrypto refuses this key")
    finally:
        crypto.pkey_ctx_free(context)
    return pkey.value


def _parameters(public_key: bytes, private_key: PrivateKey | None) -> ctypes.Array[OsslParam]:
    rows = [
        _parameter(b"group", OSSL_PARAM_UTF8_STRING, _ALGORITHM),
        _parameter(b"pub", OSSL_PARAM_OCTET_STRING, UNCOMPRESSED + public_key),
    ]
    if private_key:
        native = int.from_bytes(private_key.secret_bytes(), "big").to_bytes(FIELD_SIZE, sys.byteorder)
        rows.append(_parameter(b"priv", OSSL_PARAM_UNSIGNED_INTEGER, native))
    return (OsslParam * (len(rows) + 1))(*rows)  # the last row stays empty: OSSL_PARAM_END


def _parameter(key: bytes, data_type: int, data: bytes) -> OsslParam:
    return OsslParam(key, data_type, data, len(data), 0)


def _failed(crypto: LibCrypto, what: str) -> ProviderUnavailable:
    crypto.err_clear_error()
    return ProviderUnavailable(f"libcrypto failed at {what}")
