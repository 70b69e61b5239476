"""Access tokens of phones: RFC 9068 JWTs of some minutes, bound to the device key (RFC 9449)."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from auth.compact import read_compact
from auth.errors import TokenWrong
from core.ground import Ground
from core.ids import new_id

TOKEN_LIMIT = 4096
_REMEMBERED = 50_000
_LATEST = 253_402_300_800  # the year 10000, which no clock here can name


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified token says."""

    device: str
    card: str
    thumbprint: str
    scope: frozenset[str]
    level: str
    expires_at: datetime


class TokenDesk:
    """Issues and reads access tokens.

    A verified token is remembered by its SHA-256 until it expires: signature and claims of the same text need no
    second look. Whether device and card still stand is asked of the database at each use, so nothing has to be dropped.
    """

    def __init__(self, ground: Ground, signing_key: ec.EllipticCurvePrivateKey, kid: str) -> None:
        self._ground = ground
        self._signing_key = signing_key
        self._public_key = signing_key.public_key()
        self._kid = kid
        self._remembered: OrderedDict[bytes, AccessToken] = OrderedDict()
        self._lock = Lock()

    def issue_token(self, *, device: str, card: str, channel: str, thumbprint: str, level: str, scope: str) -> str:
        """Sign a token for a bound device; it lives ``settings.token_seconds``."""
        now = int(self._ground.clock().timestamp())
        issuer = self._ground.settings.issuer
        claims: dict[str, Any] = {
            "iss": issuer,
            "aud": issuer,
            "sub": device,
            "client_id": channel,
            "card": card,
            "acr": level,
            "scope": scope,
            "cnf": {"jkt": thumbprint},
            "iat": now,
            "exp": now + self._ground.settings.token_seconds,
            "jti": new_id("tok"),
        }
        return jwt.encode(claims, self._signing_key, algorithm="ES256", headers={"typ": "at+jwt", "kid": self._kid})

    def verify_token(self, given: str) -> AccessToken:
        """Check a token; raises ``TokenWrong``."""
        if len(given) > TOKEN_LIMIT:
            raise TokenWrong("the token is too long")
        name = hashlib.sha256(given.encode(errors="replace")).digest()
        token = self._remembered.get(name)
        if token is None:
            token = self._read_token(given)
            self._remember(name, token)
        if self._ground.clock() >= token.expires_at:
            raise TokenWrong("the token has expired")
        return token

    def _remember(self, name: bytes, token: AccessToken) -> None:
        with self._lock:
            self._remembered[name] = token
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)

    def _read_token(self, given: str) -> AccessToken:
        issuer = self._ground.settings.issuer
        required = ["iss", "aud", "sub", "exp", "iat", "cnf", "card", "acr", "scope"]
        try:
            header, _unverified = read_compact(given)
            claims = jwt.decode(
                given,
                self._public_key,
                algorithms=["ES256"],
                audience=issuer,
                issuer=issuer,
                # time is ours: the clock is handed in, PyJWT would ask the system's
                options={
                    "require": required,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "strict_aud": True,
                },
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise TokenWrong(type(error).__name__) from error
        if header.get("typ") != "at+jwt" or "crit" in header:
            raise TokenWrong("typ must be at+jwt, without crit")
        return _token_of(claims)


def _token_of(claims: dict[str, Any]) -> AccessToken:
    match claims:
        case {
            "sub": str(device),
            "card": str(card),
            "cnf": {"jkt": str(thumbprint)},
            "scope": str(scope),
            "acr": str(level),
            "exp": int(expires),
        } if 0 < expires < _LATEST:
            return AccessToken(
                device=device,
                card=card,
                thumbprint=thumbprint,
                scope=frozenset(scope.split()),
                level=level,
                expires_at=datetime.fromtimestamp(expires, UTC),
            )
    raise TokenWrong("a claim is of the wrong kind")
