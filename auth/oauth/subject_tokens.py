"""What a partner states of its customer: a JWT of at most a minute under the partner's own key (RFC 8693).

``typ`` and ``sub`` tell it from an assertion that authenticates the client, which the same keys sign: neither passes
for the other.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from auth.oauth.client_authentication import FUTURE_SECONDS, first_use, verify_client_signature
from auth.oauth.clients import Client
from auth.oauth.desk import OAuthDesk
from auth.oauth.errors import InvalidRequestError
from auth.oauth.jws import SignatureRefused, read_unverified
from auth.oauth.scopes import LEVELS
from sm.digest import sm3

TYPE = "essc-link+jwt"
STATED_SECONDS = 60
"""How long a statement lives at most."""
LOGIN_SECONDS = 600
"""How long ago the partner may have authenticated its customer."""
_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class CustomerStatement:
    """A verified statement: whom the partner means by our pseudonym, how surely and when it authenticated them.

    ``acr`` is one of ``LEVELS``, of the partner's own login: docs/decisions/0013 says what each means.
    """

    subject: str
    acr: str
    authenticated_at: int
    digest: str


def verify_statement(desk: OAuthDesk, client: Client, given: str) -> CustomerStatement:
    """Check a subject token and spend it; raises ``InvalidRequestError`` (RFC 8693 section 2.2.2)."""
    claims = _read_signed(desk, client, given)
    _require_parties(desk, client, claims)
    _require_times(desk, claims)
    statement = _read_customer(desk, claims, given)
    _spend(desk, client, claims)
    return statement


def _read_signed(desk: OAuthDesk, client: Client, given: str) -> dict[str, Any]:
    try:
        header, claims = read_unverified(given, _LIMIT)
        verify_client_signature(desk, client, header, given)
    except SignatureRefused as refused:
        raise InvalidRequestError("subject_token must be a JWT signed by a live key of the client") from refused
    if header.get("typ") != TYPE:
        raise InvalidRequestError(f"typ of the subject token must be {TYPE}")
    return claims


def _require_parties(desk: OAuthDesk, client: Client, claims: dict[str, Any]) -> None:
    if claims.get("iss") != client.id:
        raise InvalidRequestError("iss of the subject token must be the client id")
    if claims.get("aud") != desk.issuer:
        raise InvalidRequestError("aud of the subject token must be the issuer, as a single string")


def _require_times(desk: OAuthDesk, claims: dict[str, Any]) -> None:
    now = desk.ground.clock().timestamp()
    issued, expires = (_read_seconds(claims, name) for name in ("iat", "exp"))
    if not now < expires <= now + STATED_SECONDS or expires - issued > STATED_SECONDS:
        raise InvalidRequestError(f"A subject token lives at most {STATED_SECONDS} seconds, from iat to exp")
    if max(issued, _read_seconds(claims, "nbf") if "nbf" in claims else issued) > now + FUTURE_SECONDS:
        raise InvalidRequestError("iat and nbf of the subject token must not lie ahead")


def _read_customer(desk: OAuthDesk, claims: dict[str, Any], given: str) -> CustomerStatement:
    subject, acr, now = claims.get("sub"), claims.get("acr"), desk.ground.clock().timestamp()
    if not isinstance(subject, str) or acr not in LEVELS:
        raise InvalidRequestError(f"The subject token needs sub, and acr of {', '.join(LEVELS)}")
    authenticated = _read_seconds(claims, "auth_time")
    if not now - LOGIN_SECONDS < authenticated <= now + FUTURE_SECONDS:
        raise InvalidRequestError(f"auth_time of the subject token must lie within the last {LOGIN_SECONDS} seconds")
    return CustomerStatement(subject, acr, int(authenticated), sm3(given.encode()).hex())


def _spend(desk: OAuthDesk, client: Client, claims: dict[str, Any]) -> None:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 256:
        raise InvalidRequestError("jti of the subject token must be 1 to 256 characters")
    name = hashlib.sha256(f"{client.id}.{jti}".encode(errors="surrogatepass")).hexdigest()
    if not desk.ground.ephemeral.add_once(f"subject-token:{name}", STATED_SECONDS + 2 * FUTURE_SECONDS):
        raise InvalidRequestError("This subject token was used before")
    desk.ground.ephemeral.require_memory(first_use(_read_seconds(claims, "iat")))


def _read_seconds(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise InvalidRequestError(f"{name} of the subject token must be a number of seconds")
    return float(value)
