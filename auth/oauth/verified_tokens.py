"""Reading access tokens, of clients and of phones alike: key, signature, time; what they say others read."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

from auth.errors import TokenWrong
from auth.oauth.jws import SignatureRefused, VerifyingKey, read_unverified, verify_signature
from auth.oauth.token_keys import TokenKeys
from core.clock import Clock

TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 section 2.1
TOKEN_LIMIT = 4096
LATEST = 253_402_300_800  # the year 10000, which no clock here can name
_REMEMBERED = 50_000


class Expiring(Protocol):
    """What every token says of itself."""

    @property
    def expires_at(self) -> datetime: ...


Token = TypeVar("Token", bound=Expiring)


@dataclass(frozen=True, slots=True)
class _Remembered(Generic[Token]):
    token: Token
    algorithm: str
    kid: str


class VerifiedTokens(Generic[Token]):
    """Reads tokens and remembers those it has verified, by their SHA-256 until others push them out.

    Signature and claims of the same text need no second look. That its key is still believed the ring tells each time,
    and the clock whether the token has expired; what else may have ended since is asked of the database by the caller.
    """

    def __init__(
        self, clock: Clock, keys: Callable[[], TokenKeys], read_claims: Callable[[dict[str, Any]], Token]
    ) -> None:
        self._clock = clock
        self._keys = keys
        self._read_claims = read_claims
        self._remembered: OrderedDict[bytes, _Remembered[Token]] = OrderedDict()
        self._lock = Lock()

    def verify_token(self, given: str) -> Token:
        """Check signature, claims and time; raises ``TokenWrong``."""
        if len(given) > TOKEN_LIMIT:
            raise TokenWrong("the token is too long")
        name = hashlib.sha256(given.encode(errors="replace")).digest()
        known = self._remembered.get(name)
        if known is None:
            known = self._read_token(given)
            self._remember(name, known)
        elif self._find_key(known.algorithm, known.kid) is None:
            raise TokenWrong("the token's key is believed no more")
        if self._clock() >= known.token.expires_at:
            raise TokenWrong("the token has expired")
        return known.token

    def _find_key(self, algorithm: object, kid: object) -> VerifyingKey | None:
        return self._keys().find_for_verifying(algorithm, kid, self._clock())

    def _remember(self, name: bytes, known: _Remembered[Token]) -> None:
        with self._lock:
            self._remembered[name] = known
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)

    def _read_token(self, given: str) -> _Remembered[Token]:
        try:
            header, claims = read_unverified(given, TOKEN_LIMIT)
            key = self._find_key(header.get("alg"), header.get("kid"))
            if key is None or header.get("typ") != TOKEN_TYPE:
                raise TokenWrong("typ must be at+jwt, alg and kid those of a key of ours")
            verify_signature(given, header["alg"], key)
        except SignatureRefused as refused:
            raise TokenWrong(str(refused)) from refused
        return _Remembered(self._read_claims(claims), header["alg"], key.kid)
