"""The signed code: 91 bytes written as 222 digits, verifiable without the service (qr-code.md, B)."""

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntFlag

from core.ids import Randomness
from qr.code_class import CodeClass, read_code_class
from qr.digits import require_digits
from qr.errors import (
    BadSignature,
    CodeExpired,
    CodeMalformed,
    CodeNotYetValid,
    CodeUnknown,
    WrongAudience,
    WrongClass,
)
from qr.signing_keys import CodeKeys, MintingKey
from sm.errors import InvalidSignature
from sm.sm4 import BlockCipher

PREFIX = "82"
LENGTH = 222  # 2 prefix, 220 digits: 10^220 is the first power of ten above 2^728
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
LEEWAY = timedelta(seconds=5)
"""How far a terminal's clock and the issuer's may lie apart: the one place where this is said (threats.md, S4)."""
ANYONE = 0

_VERSION = 1
_LIFE_UNIT = 5  # seconds
_LAYOUT = struct.Struct(">BHIBB16sH64s")  # version and class, kid, iat, life, flags, handle, audience, r ‖ s
_SIGNED = struct.Struct(">BHIBB16sH")  # the 27 bytes under the signature
_NUMBERS = 1 << 8 * _LAYOUT.size
_HANDLE = struct.Struct(">Q8s")  # card index, random


class Flag(IntFlag):
    """What the holder may claim, for offline terminals; the first of the specification's list is the lowest bit."""

    MEDICAL_ELIGIBLE = 0x01
    MERCHANT_ELIGIBLE = 0x02
    SENIOR = 0x04
    STUDENT = 0x08
    EXPERT = 0x10
    FOR_DEPENDANT = 0x20
    TEST = 0x80


NO_FLAGS = Flag(0)
_RESERVED_FLAG = 0x40


@dataclass(frozen=True, slots=True)
class _Claims:
    code_class: CodeClass
    kid: int
    issued_at: datetime
    life: timedelta
    flags: Flag
    handle: bytes
    """16 bytes: what the code *is*; single use is counted by it and by nothing else."""
    audience: int

    @property
    def expires_at(self) -> datetime:
        """The first moment at which the code is no longer valid, leeway apart."""
        return self.issued_at + self.life


@dataclass(frozen=True, slots=True)
class UnverifiedSignedCode(_Claims):
    """A signed code as scanned: canonical, and no more. Anyone can write one."""

    signed_part: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedCode(_Claims):
    """A code that an issuer's key did sign; whether it may be taken here and now is asked by the rules below."""


def mint_signed_code(
    key: MintingKey,
    randomness: Randomness,
    *,
    card_index: int,
    code_class: CodeClass,
    issued_at: datetime,
    life_seconds: int,
    flags: Flag = NO_FLAGS,
    audience: int = ANYONE,
) -> str:
    """Sign a new code: 222 digits, valid from ``issued_at`` (its whole second) for ``life_seconds``, a multiple of 5.

    Keeps and writes nothing. One function, because a city asks for a million of them in a minute. A value that does
    not fit its field is a fault of the caller: ValueError, OverflowError or struct.error.
    """
    life, rest = divmod(life_seconds, _LIFE_UNIT)
    if rest or not 0 < life <= 0xFF:
        raise ValueError("a life is a multiple of 5 seconds between 5 and 1275")
    signed_part = _SIGNED.pack(
        _VERSION << 4 | code_class,
        key.kid,
        (issued_at - EPOCH) // timedelta(seconds=1),
        life,
        flags,
        key.handle_cipher.encrypt(card_index.to_bytes(8, "big") + randomness(8)),
        audience,
    )
    number = int.from_bytes(signed_part + key.signer.sign(signed_part), "big")
    return f"{PREFIX}{number:0{LENGTH - 2}d}"


def read_signed_code(scanned: str) -> UnverifiedSignedCode:
    """Read 222 digits; raise CodeMalformed for anything that this version of the format does not define."""
    require_digits(scanned, LENGTH)
    number = int(scanned[2:])
    if not scanned.startswith(PREFIX) or number >= _NUMBERS:
        raise CodeMalformed("another prefix, or a number beyond 91 bytes")
    given = number.to_bytes(_LAYOUT.size, "big")
    first, kid, issued_at, life, flags, handle, audience, signature = _LAYOUT.unpack(given)
    if first >> 4 != _VERSION or flags & _RESERVED_FLAG or not life:
        raise CodeMalformed("another version, a reserved flag, or no life")
    return UnverifiedSignedCode(
        code_class=read_code_class(first & 0x0F),
        kid=kid,
        issued_at=EPOCH + timedelta(seconds=issued_at),
        life=timedelta(seconds=life * _LIFE_UNIT),
        flags=Flag(flags),
        handle=handle,
        audience=audience,
        signed_part=given[: _SIGNED.size],
        signature=signature,
    )


def verify_signed_code(unverified: UnverifiedSignedCode, keys: CodeKeys, at: datetime) -> SignedCode:
    """Prove that a key in force at ``at``, leeway included, signed the code.

    Raises CodeUnknown for a key that is not on the list, BadSignature for one that is withdrawn or out of date and
    for a signature that does not prove these bytes. Says nothing of the code's own life, class or audience.
    """
    verifier = keys.get_verifier(unverified.kid, _key_time(unverified.issued_at, at))
    try:
        verifier.verify(unverified.signed_part, unverified.signature)
    except InvalidSignature:
        raise BadSignature from None
    return SignedCode(
        code_class=unverified.code_class,
        kid=unverified.kid,
        issued_at=unverified.issued_at,
        life=unverified.life,
        flags=unverified.flags,
        handle=unverified.handle,
        audience=unverified.audience,
    )


def _key_time(unverified_issued_at: datetime, at: datetime) -> datetime:
    # A clock that runs a little late meets codes of a new key before that key's first second.
    return max(at, min(unverified_issued_at, at + LEEWAY))


def require_class(code: SignedCode, taken: Collection[CodeClass]) -> None:
    """Require a class that is taken here (threats.md, Q5); a code flagged as a test needs the class TEST as well."""
    if code.code_class not in taken or (Flag.TEST in code.flags and CodeClass.TEST not in taken):
        raise WrongClass


def require_audience(code: SignedCode, audiences: Collection[int]) -> None:
    """Require a code for anyone, or for one of the groups that the terminal belongs to."""
    if code.audience != ANYONE and code.audience not in audiences:
        raise WrongAudience


def require_live(code: SignedCode, at: datetime) -> None:
    """Require issue − leeway ≤ ``at`` < expiry + leeway."""
    if at < code.issued_at - LEEWAY:
        raise CodeNotYetValid
    if at >= code.expires_at + LEEWAY:
        raise CodeExpired


def open_handle(code: SignedCode, ciphers: Mapping[int, BlockCipher]) -> int:
    """Find the card index in a verified code's handle by the cipher of its key epoch, also days later.

    A handle has no tag of its own: that it is genuine is proved by the signature around it, hence the type.
    """
    cipher = ciphers.get(code.kid)
    if cipher is None:
        raise CodeUnknown("no handle key for this epoch")
    card_index, _random = _HANDLE.unpack(cipher.decrypt(code.handle))
    return int(card_index)
