"""Access tokens of phones: RFC 9068 JWTs of some minutes, bound to the device key (RFC 9449)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from auth.errors import TokenWrong
from auth.oauth.token_keys import TokenKeys
from auth.oauth.verified_tokens import LATEST, TOKEN_TYPE, VerifiedTokens
from core.ground import Ground
from core.ids import new_id


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
    """Issues and reads access tokens; whether device and card still stand is asked of the database at each use."""

    def __init__(self, ground: Ground, keys: Callable[[], TokenKeys]) -> None:
        self._ground = ground
        self._keys = keys
        self._verified = VerifiedTokens(ground.clock, keys, self._read_claims)

    def issue_token(self, *, device: str, card: str, channel: str, thumbprint: str, level: str, scope: str) -> str:
        """Sign a token for a bound device; it lives ``settings.token_seconds``."""
        at = self._ground.clock()
        now = int(at.timestamp())
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
        return self._keys().key_for_signing(at).sign(json.dumps(claims).encode(), TOKEN_TYPE)

    def verify_token(self, given: str) -> AccessToken:
        """Check a token; raises ``TokenWrong``."""
        return self._verified.verify_token(given)

    def _read_claims(self, claims: dict[str, Any]) -> AccessToken:
        issuer = self._ground.settings.issuer
        if claims.get("iss") != issuer or claims.get("aud") != issuer:
            raise TokenWrong("iss and aud must be this service")
        return _token_of(claims)


def _token_of(claims: dict[str, Any]) -> AccessToken:
    match claims:
        case {
            "sub": str(device),
            "card": str(card),
            "cnf": {"jkt": str(thumbprint)},
            "scope": str(scope),
            "acr": str(level),
            "iat": int(_),
            "exp": int(expires),
        } if 0 < expires < LATEST:
            return AccessToken(
                device=device,
                card=card,
                thumbprint=thumbprint,
                scope=frozenset(scope.split()),
                level=level,
                expires_at=datetime.fromtimestamp(expires, UTC),
            )
    raise TokenWrong("a claim is of the wrong kind")
