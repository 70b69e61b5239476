"""libcrypto as one would call it without this project: ctypes, EVP, nothing checked that libcrypto does not check.

Two ways: the documented one (EVP_DigestSign with a distinguishing id, which computes Z anew each time), and the least
that is possible at all (one context kept, the 32-byte digest ready made).
"""

import ctypes
import importlib.util
from typing import Any

from sm.sm2 import USER_ID_DEFAULT

_ROOM = 80
_P = ctypes.c_void_p


def open_libcrypto() -> Any:
    """Load the libcrypto that Python's own `_ssl` uses and declare what is called below."""
    spec = importlib.util.find_spec("_ssl")
    assert spec
    library = ctypes.CDLL(spec.origin if spec.has_location else None)
    sizes, size, text, number = ctypes.POINTER(ctypes.c_size_t), ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int
    signatures: dict[str, tuple[Any, ...]] = {
        "d2i_AutoPrivateKey": (_P, _P, ctypes.POINTER(text), ctypes.c_long),
        "d2i_PUBKEY": (_P, _P, ctypes.POINTER(text), ctypes.c_long),
        "EVP_sm3": (_P,),
        "EVP_MD_CTX_new": (_P,),
        "EVP_MD_CTX_free": (None, _P),
        "EVP_MD_CTX_set_pkey_ctx": (None, _P, _P),
        "EVP_PKEY_CTX_new": (_P, _P, _P),
        "EVP_PKEY_CTX_free": (None, _P),
        "EVP_PKEY_CTX_set1_id": (number, _P, text, number),
        "EVP_DigestSignInit": (number, _P, _P, _P, _P, _P),
        "EVP_DigestSign": (number, _P, text, sizes, text, size),
        "EVP_DigestVerifyInit": (number, _P, _P, _P, _P, _P),
        "EVP_DigestVerify": (number, _P, text, size, text, size),
        "EVP_PKEY_sign_init": (number, _P),
        "EVP_PKEY_sign": (number, _P, text, sizes, text, size),
        "EVP_PKEY_verify_init": (number, _P),
        "EVP_PKEY_verify": (number, _P, text, size, text, size),
    }
    for name, (result, *arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class DocumentedWay:
    """EVP_DigestSign and EVP_DigestVerify of a message under the default user id."""

    def __init__(self, library: Any, pkcs8: bytes, spki: bytes) -> None:
        self._library = library
        self._private = library.d2i_AutoPrivateKey(None, ctypes.c_char_p(pkcs8), len(pkcs8))
        self._public = library.d2i_PUBKEY(None, ctypes.c_char_p(spki), len(spki))
        self._sm3 = library.EVP_sm3()
        assert self._private
        assert self._public

    def sign(self, message: bytes) -> bytes:
        """Sign; DER."""
        library = self._library
        context, key_context = self._contexts(self._private)
        assert library.EVP_DigestSignInit(context, None, self._sm3, None, self._private) == 1
        room, size = ctypes.create_string_buffer(_ROOM), ctypes.c_size_t(_ROOM)
        assert library.EVP_DigestSign(context, room, size, message, len(message)) == 1
        self._free(context, key_context)
        return room.raw[: size.value]

    def verify(self, message: bytes, der: bytes) -> None:
        """Verify a DER signature."""
        library = self._library
        context, key_context = self._contexts(self._public)
        assert library.EVP_DigestVerifyInit(context, None, self._sm3, None, self._public) == 1
        assert library.EVP_DigestVerify(context, der, len(der), message, len(message)) == 1
        self._free(context, key_context)

    def _contexts(self, key: int) -> tuple[int, int]:
        library = self._library
        context, key_context = library.EVP_MD_CTX_new(), library.EVP_PKEY_CTX_new(key, None)
        assert library.EVP_PKEY_CTX_set1_id(key_context, USER_ID_DEFAULT, len(USER_ID_DEFAULT)) == 1
        library.EVP_MD_CTX_set_pkey_ctx(context, key_context)
        return context, key_context

    def _free(self, context: int, key_context: int) -> None:
        self._library.EVP_MD_CTX_free(context)
        self._library.EVP_PKEY_CTX_free(key_context)


class LeastWay:
    """EVP_PKEY_sign and EVP_PKEY_verify of a digest, contexts never given back; no thread may share it."""

    def __init__(self, library: Any, pkcs8: bytes, spki: bytes) -> None:
        self._library = library
        private = library.d2i_AutoPrivateKey(None, ctypes.c_char_p(pkcs8), len(pkcs8))
        public = library.d2i_PUBKEY(None, ctypes.c_char_p(spki), len(spki))
        self._signing, self._verifying = library.EVP_PKEY_CTX_new(private, None), library.EVP_PKEY_CTX_new(public, None)
        assert library.EVP_PKEY_sign_init(self._signing) == 1
        assert library.EVP_PKEY_verify_init(self._verifying) == 1
        self._room = ctypes.create_string_buffer(_ROOM)

    def sign(self, digest: bytes) -> bytes:
        """Sign 32 bytes; DER."""
        size = ctypes.c_size_t(_ROOM)
        assert self._library.EVP_PKEY_sign(self._signing, self._room, size, digest, 32) == 1
        return self._room.raw[: size.value]

    def verify(self, digest: bytes, der: bytes) -> None:
        """Verify a DER signature over 32 bytes."""
        assert self._library.EVP_PKEY_verify(self._verifying, der, len(der), digest, 32) == 1
