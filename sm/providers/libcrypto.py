"""The few functions of libcrypto that SM2 needs, bound to the copy that Python's own `_ssl` has loaded."""

import ctypes
import importlib.util
from collections.abc import Callable
from typing import Any

from sm.errors import ProviderUnavailable

_Pointer = ctypes.c_void_p
_PointerOut = ctypes.POINTER(ctypes.c_void_p)
_SizeOut = ctypes.POINTER(ctypes.c_size_t)
_Int, _Size, _Bytes = ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p

NID_SM2 = 1172  # openssl/obj_mac.h
POINT_CONVERSION_UNCOMPRESSED = 4  # openssl/ec.h
# openssl/core.h
OSSL_PARAM_UNSIGNED_INTEGER, OSSL_PARAM_UTF8_STRING, OSSL_PARAM_OCTET_STRING = 2, 4, 5
# openssl/evp.h: which parts of a key the parameters hold
EVP_PKEY_PUBLIC_KEY, EVP_PKEY_KEYPAIR = 0x86, 0x87

_ADVICE = "use Debian's or python.org's interpreter with OpenSSL 3, or the provider gmssl"


class OsslParam(ctypes.Structure):
    """OSSL_PARAM of openssl/core.h."""

    _fields_ = (
        ("key", _Bytes),
        ("data_type", ctypes.c_uint),
        ("data", _Bytes),  # declared as bytes, so that ctypes keeps what it points to alive
        ("data_size", _Size),
        ("return_size", _Size),
    )


class LibCrypto:
    """Function pointers with their types, one attribute each.

    Short calls keep the GIL: giving it away and waiting for it again costs more than they do.
    The three that multiply points (about 0.3 ms) release it.
    """

    def __init__(self) -> None:
        origin = _ssl_origin()
        # dlsym on `_ssl` searches its own dependencies, so this is the libcrypto Python speaks TLS with, wherever it
        # lies; a local handle, so that no other OpenSSL in the process sees its symbols.
        self._keeping, self._releasing = ctypes.PyDLL(origin), ctypes.CDLL(origin)
        self._bind_keys()
        self._bind_points()
        self._bind_operations()
        self.err_clear_error = self._short("ERR_clear_error", None)

    def _bind_keys(self) -> None:
        self.pkey_ctx_new_from_name = self._short("EVP_PKEY_CTX_new_from_name", _Pointer, _Pointer, _Bytes, _Bytes)
        self.pkey_ctx_new_from_pkey = self._short("EVP_PKEY_CTX_new_from_pkey", _Pointer, _Pointer, _Pointer, _Bytes)
        self.pkey_ctx_free = self._short("EVP_PKEY_CTX_free", None, _Pointer)
        self.pkey_fromdata_init = self._short("EVP_PKEY_fromdata_init", _Int, _Pointer)
        self.pkey_fromdata = self._short(
            "EVP_PKEY_fromdata", _Int, _Pointer, _PointerOut, _Int, ctypes.POINTER(OsslParam)
        )
        self.pkey_free = self._short("EVP_PKEY_free", None, _Pointer)

    def _bind_points(self) -> None:
        self.group_new = self._short("EC_GROUP_new_by_curve_name", _Pointer, _Int)
        self.group_free = self._short("EC_GROUP_free", None, _Pointer)
        self.point_new = self._short("EC_POINT_new", _Pointer, _Pointer)
        self.point_free = self._short("EC_POINT_clear_free", None, _Pointer)
        self.point_to_octets = self._short(
            "EC_POINT_point2oct", _Size, _Pointer, _Pointer, _Int, _Bytes, _Size, _Pointer
        )
        self.number_from_bytes = self._short("BN_bin2bn", _Pointer, _Bytes, _Int, _Pointer)
        self.number_free = self._short("BN_clear_free", None, _Pointer)
        self.point_multiply = self._long("EC_POINT_mul", _Int, *[_Pointer] * 6)

    def _bind_operations(self) -> None:
        self.pkey_sign_init = self._short("EVP_PKEY_sign_init", _Int, _Pointer)
        self.pkey_verify_init = self._short("EVP_PKEY_verify_init", _Int, _Pointer)
        self.pkey_sign = self._long("EVP_PKEY_sign", _Int, _Pointer, _Bytes, _SizeOut, _Bytes, _Size)
        self.pkey_verify = self._long("EVP_PKEY_verify", _Int, _Pointer, _Bytes, _Size, _Bytes, _Size)

    def _short(self, symbol: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        return _bind(self._keeping, symbol, result, *arguments)

    def _long(self, symbol: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        return _bind(self._releasing, symbol, result, *arguments)


def _ssl_origin() -> str | None:
    """Name the file of `_ssl`; None, the process itself, where the interpreter has it built in."""
    spec = importlib.util.find_spec("_ssl")
    if spec is None:
        raise ProviderUnavailable(f"this Python has no ssl module: {_ADVICE}")
    return spec.origin if spec.has_location else None


def _bind(library: ctypes.CDLL, symbol: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    try:
        function = getattr(library, symbol)
    except AttributeError:
        raise ProviderUnavailable(f"this Python's libcrypto has no {symbol}: {_ADVICE}") from None
    function.restype, function.argtypes = result, arguments
    bound: Callable[..., Any] = function
    return bound
