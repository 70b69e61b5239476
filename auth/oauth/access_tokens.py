"""Access tokens of OAuth clients: RFC 9068 JWTs of some minutes, for named resources, bound to a key if one was shown.

The card's id is in none of them: a client knows its holder by a pseudonym, the service finds the card by the grant.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection

from auth.errors import TokenWrong
from auth.oauth.clients import Client
from auth.oauth.desk import OAuthDesk
from auth.oauth.grants import Grant, find_live_subject
from auth.oauth.models import revoked_tokens
from auth.oauth.pseudonyms import subject_of
from auth.oauth.scopes import OPENID
from auth.oauth.verified_tokens import LATEST, TOKEN_TYPE, VerifiedTokens
from core.clock import to_millis
from core.database import insert_if_new
from core.ids import is_id, new_id


@dataclass(frozen=True, slots=True)
class ClientToken:
    """What a verified access token says; ``thumbprint`` is None for a bearer token."""

    id: str
    grant: str
    client: str
    subject: str
    resources: frozenset[str]
    scopes: tuple[str, ...]
    acr: str
    thumbprint: str | None
    issued_at: datetime
    authenticated_at: datetime
    expires_at: datetime
    actor: str | None = None


def issue_access_token(
    desk: OAuthDesk,
    client: Client,
    grant: Grant,
    *,
    scopes: tuple[str, ...],
    resources: tuple[str, ...],
    thumbprint: str | None,
    actor: str | None = None,
    most_seconds: int = 600,
) -> tuple[str, int]:
    """Sign a token and tell for how many seconds it lives: ``settings.token_seconds``, never longer than its grant.

    ``actor`` is who acts for the holder (RFC 8693 section 4.1), None for a client that the holder uses itself.
    """
    at = desk.ground.clock()
    now = int(at.timestamp())
    seconds = min(desk.ground.settings.token_seconds, most_seconds, int(grant.expires_at.timestamp()) - now)
    audience = (*resources, *((desk.userinfo,) if OPENID in scopes else ()))
    claims: dict[str, Any] = {
        "iss": desk.issuer,
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "sub": subject_of(desk, client, grant),
        "client_id": client.id,
        "grant": grant.id,
        "scope": " ".join(scopes),
        "acr": grant.acr,
        "amr": list(grant.amr),
        "auth_time": int(grant.authenticated_at.timestamp()),
        "iat": now,
        "exp": now + seconds,
        "jti": new_id("tok"),
    }
    if thumbprint is not None:
        claims["cnf"] = {"jkt": thumbprint}
    if actor is not None:
        claims["act"] = {"sub": actor}
    return desk.token_keys().key_for_signing(at).sign(json.dumps(claims).encode(), TOKEN_TYPE), seconds


def revoke_access_token(connection: Connection, token: ClientToken) -> None:
    """Refuse one token from now on, in the running transaction."""
    insert_if_new(connection, revoked_tokens, {"jti": token.id, "expires_at": to_millis(token.expires_at)})


class AccessTokens:
    """Reads access tokens; that one was not revoked, that grant, client and phone still stand, the database tells."""

    def __init__(self, desk: OAuthDesk) -> None:
        self._desk = desk
        self._verified = VerifiedTokens(desk.ground.clock, desk.token_keys, self._read_claims)

    def verify_token(self, given: str) -> ClientToken:
        """Check signature, claims and time; raises ``TokenWrong``."""
        return self._verified.verify_token(given)

    def find_live(self, token: ClientToken) -> tuple[str | None, str | None]:
        """Give card and phone of a verified token that still counts; raises ``TokenWrong``."""
        ground = self._desk.ground
        live = find_live_subject(ground.database, token.grant, token.id, ground.clock())
        if live is None:
            raise TokenWrong("the token was revoked")
        return live

    def _read_claims(self, claims: dict[str, Any]) -> ClientToken:
        if claims.get("iss") != self._desk.issuer:
            raise TokenWrong("iss is not this service")
        return _token_of(claims)


def _token_of(claims: dict[str, Any]) -> ClientToken:
    match claims:
        case {
            "jti": str(jti),
            "grant": str(grant),
            "client_id": str(client),
            "sub": str(subject),
            "scope": str(scope),
            "acr": str(acr),
            "auth_time": int(authenticated),
            "iat": int(issued),
            "exp": int(expires),
        } if is_id(jti, "tok") and is_id(grant, "grt") and 0 < expires < LATEST:
            return ClientToken(
                id=jti,
                grant=grant,
                client=client,
                subject=subject,
                resources=_audience(claims),
                scopes=tuple(scope.split()),
                acr=acr,
                thumbprint=_thumbprint(claims),
                issued_at=datetime.fromtimestamp(issued, UTC),
                authenticated_at=datetime.fromtimestamp(authenticated, UTC),
                expires_at=datetime.fromtimestamp(expires, UTC),
                actor=_actor(claims),
            )
    raise TokenWrong("a claim is missing or of the wrong kind")


def _audience(claims: dict[str, Any]) -> frozenset[str]:
    given = claims.get("aud")
    audience = given if isinstance(given, list) else [given]
    if not audience or not all(isinstance(resource, str) for resource in audience):
        raise TokenWrong("aud must name resources")
    return frozenset(audience)


def _thumbprint(claims: dict[str, Any]) -> str | None:
    match claims.get("cnf"):
        case None:
            return None
        case {"jkt": str(thumbprint)}:
            return thumbprint
    raise TokenWrong("cnf is of the wrong kind")


def _actor(claims: dict[str, Any]) -> str | None:
    match claims.get("act"):
        case None:
            return None
        case {"sub": str(actor)}:
            return actor
    raise TokenWrong("act is of the wrong kind")
