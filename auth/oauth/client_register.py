"""Entering clients into the register and changing them: the operator's side (``ecard clients``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.oauth.clients import live_key_count
from auth.oauth.jws import read_public_jwk
from auth.oauth.models import oauth_client_keys, oauth_clients
from auth.oauth.profiles import CODE, DEVICE, PROFILES, Profile
from auth.oauth.redirects import require_registrable
from auth.oauth.scopes import SCOPES
from auth.oauth.stored_secrets import StoredSecrets
from auth.published_key import require_unpublished
from core.clock import to_millis
from core.database import changed_one
from core.errors import Kind, Malformed, Missing, Refusal
from core.ids import new_id
from sm.sm2 import Provider
from sm.token_keys import SM2

MOST_LIVE = 2
"""Keys a client may have at a time: the old one and the new one while it changes them (threats.md C2)."""
STANDINGS = ("active", "suspended")
SECRET_KIND = "client-secret"  # noqa: S105 - the name of a kind


class TooManyClientKeys(Refusal):
    kind = Kind.CONFLICT
    code = "too_many_client_keys"
    title_en = "A client has at most two live keys and two live secrets."
    title_zh = "每个客户端最多同时拥有两个有效密钥和两个有效口令。"
    next_en = "Withdraw the one that is no longer used first."
    next_zh = "请先停用不再使用的一个。"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What is registered of a client; ``dpop`` None takes the profile's rule, ``sector`` that of the redirects."""

    profile: str
    name_zh: str
    name_en: str
    authentication: str
    redirect_uris: Sequence[str] = ()
    scopes: Sequence[str] = ()
    audiences: Sequence[str] = ()
    tls_subject: str | None = None
    resource: str | None = None
    sector: str | None = None
    dpop: bool | None = None


def register_client(connection: Connection, given: Registration, *, default_audience: str, at: datetime) -> str:
    """Enter a client and return its id; raises ``Malformed`` for what its profile does not allow."""
    profile = _require_profile(given)
    _require_authentication(profile, given)
    _require_redirects(profile, given.redirect_uris)
    _require_scopes(profile, given.scopes)
    if given.dpop is False and not profile.dpop_optional:
        raise Malformed(f"tokens of the profile {profile.name} are always bound by DPoP")
    client = new_id("cli")
    connection.execute(
        oauth_clients.insert().values(
            id=client,
            profile=profile.name,
            name_zh=given.name_zh,
            name_en=given.name_en,
            authentication=given.authentication,
            tls_subject=given.tls_subject,
            redirect_uris=list(given.redirect_uris),
            scopes=[name for name in SCOPES if name in given.scopes],
            audiences=[_require_resource(audience) for audience in given.audiences or (default_audience,)],
            resource=given.resource and _require_resource(given.resource),
            sector=given.sector or _sector_of(given.redirect_uris) or client,
            dpop=profile.dpop if given.dpop is None else given.dpop,
            standing="active",
            created_at=to_millis(at),
        )
    )
    return client


def add_client_key(
    connection: Connection, provider: Provider, client: str, jwk: dict[str, Any], *, at: datetime, days: int = 365
) -> str:
    """Give a client one more public key and return its kid.

    Raises ``Malformed``, ``PublishedKeyRefused`` or ``TooManyClientKeys``.
    """
    given = jwk.get("kid")
    kid = given if isinstance(given, str) and 0 < len(given) <= 64 else new_id("key")
    try:
        read = read_public_jwk(jwk, kid, provider)
    except ValueError as error:
        raise Malformed(f"the key cannot be used: {error}") from error
    if SM2.algorithm in read.algorithms:
        require_unpublished(read.key.public_key)
    _add(connection, client, kid, {"jwk": {**jwk, "kid": kid}}, at=at, days=days)
    return kid


def add_client_secret(
    connection: Connection, stored: StoredSecrets, client: str, *, at: datetime, days: int = 365
) -> tuple[str, str]:
    """Draw a secret for a client and return (kid, secret); it is never shown again."""
    secret, handle = stored.draw(SECRET_KIND)
    kid = new_id("key")
    _add(connection, client, kid, {"secret": handle}, at=at, days=days)
    return kid, secret


def withdraw_client_key(connection: Connection, client: str, kid: str, *, at: datetime) -> bool:
    """Withdraw a key or a secret for good; False if there is none or it was withdrawn before."""
    keys = oauth_client_keys.c
    live = oauth_client_keys.update().where(keys.client == client, keys.kid == kid, keys.withdrawn_at.is_(None))
    return changed_one(connection, live.values(withdrawn_at=to_millis(at)))


def set_client_standing(connection: Connection, client: str, standing: str) -> bool:
    """Move a client between active and suspended; False if it stands so already. Raises ``Missing``."""
    require_client(connection, client)
    moved = oauth_clients.update().where(oauth_clients.c.id == client, oauth_clients.c.standing != standing)
    return changed_one(connection, moved.values(standing=standing))


def require_client(connection: Connection, client: str) -> None:
    """Raise ``Missing`` unless there is such a client, whatever its standing; lock its row against a race of two."""
    found = sa.select(oauth_clients.c.id).where(oauth_clients.c.id == client).with_for_update()
    if connection.execute(found).first() is None:
        raise Missing(client)


def list_clients(connection: Connection) -> list[sa.Row[Any]]:
    """List all clients for the operator."""
    return list(connection.execute(sa.select(oauth_clients).order_by(oauth_clients.c.created_at)))


def list_client_keys(connection: Connection, client: str) -> list[sa.Row[Any]]:
    """List all keys and secrets a client ever had; of secrets nothing but their kid can be shown."""
    keys = sa.select(oauth_client_keys).where(oauth_client_keys.c.client == client)
    return list(connection.execute(keys.order_by(oauth_client_keys.c.not_before)))


def _add(connection: Connection, client: str, kid: str, content: dict[str, Any], *, at: datetime, days: int) -> None:
    require_client(connection, client)
    kind = oauth_client_keys.c.jwk if "jwk" in content else oauth_client_keys.c.secret
    if live_key_count(connection, client, kind=kind, now=to_millis(at)) >= MOST_LIVE:
        raise TooManyClientKeys
    known = sa.select(oauth_client_keys.c.kid).where(
        oauth_client_keys.c.client == client, oauth_client_keys.c.kid == kid
    )
    if connection.execute(known).first() is not None:
        raise Malformed("a kid is never used twice")
    values = {"not_before": to_millis(at), "not_after": to_millis(at + timedelta(days=days)), **content}
    connection.execute(oauth_client_keys.insert().values(client=client, kid=kid, **values))


def _require_profile(given: Registration) -> Profile:
    if given.profile not in PROFILES:
        raise Malformed(f"profiles are {', '.join(PROFILES)}")
    if not (0 < len(given.name_zh) <= 100 and 0 < len(given.name_en) <= 100):
        raise Malformed("a client has a Chinese and an English name of at most 100 letters")
    return PROFILES[given.profile]


def _require_authentication(profile: Profile, given: Registration) -> None:
    if given.authentication not in profile.authentications:
        raise Malformed(
            f"clients of the profile {profile.name} prove themselves by {', '.join(profile.authentications)}"
        )
    if (given.authentication == "tls_client_auth") != (given.tls_subject is not None):
        raise Malformed("tls_client_auth, and nothing else, needs the subject of the certificate")


def _require_redirects(profile: Profile, given: Sequence[str]) -> None:
    if CODE in profile.grants and not given:
        raise Malformed("a client of this profile needs a redirect address")
    for address in given:
        require_registrable(profile, address)


def _require_scopes(profile: Profile, given: Sequence[str]) -> None:
    """Require scopes of whom this profile asks: terminals ask an operator, all others a holder."""
    asked = [scope.name for scope in SCOPES.values() if scope.by_operator == (DEVICE in profile.grants)]
    if not set(given) <= set(asked):
        raise Malformed(f"scopes of the profile {profile.name} are {', '.join(asked)}")


def _require_resource(given: str) -> str:
    """Require an absolute address without fragment (RFC 8707 section 2)."""
    parts = urlsplit(given)
    if len(given) > 200 or parts.scheme not in {"https", "http"} or not parts.hostname or "#" in given:
        raise Malformed("a resource is an absolute https address without fragment")
    return given


def _sector_of(redirect_uris: Sequence[str]) -> str | None:
    """Take the one host of all redirects as the sector (OpenID Connect Core section 8.1)."""
    hosts = {urlsplit(address).hostname for address in redirect_uris}
    if len(hosts) > 1:
        raise Malformed("redirects on several hosts need a sector")
    return next(iter(hosts), None)
