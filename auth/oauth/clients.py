"""Registered clients, read with their live keys and remembered for half a second."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hmac import compare_digest
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.oauth.jws import VerifyingKey, read_public_jwk
from auth.oauth.models import oauth_client_keys, oauth_clients
from auth.oauth.profiles import PROFILES, Profile
from core.clock import to_millis
from core.ground import Ground
from core.ids import is_id
from sm.sm2 import Provider

_CLIENT_SECONDS = 0.5
"""How long a worker trusts what it read: a suspended client or a withdrawn key is refused everywhere within it."""
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A public key or the handle of a secret, good from ``not_before`` until strictly before ``not_after``."""

    kid: str
    key: VerifyingKey | None
    secret: str | None
    not_before: int
    not_after: int


@dataclass(frozen=True, slots=True)
class Client:
    """A client as it is registered; ``resource`` names the protected resource that it is itself, if any."""

    id: str
    profile: Profile
    name_zh: str
    name_en: str
    authentication: str
    tls_subject: str | None
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    resource: str | None
    sector: str
    dpop: bool
    standing: str
    keys: tuple[ClientKey, ...]

    @property
    def is_public(self) -> bool:
        return self.authentication == "none"

    def live_keys(self, now: int) -> list[ClientKey]:
        """List the keys that are good now (milliseconds)."""
        return [key for key in self.keys if key.not_before <= now < key.not_after]

    def holds_secret(self, handle: str, now: int) -> bool:
        """Tell whether a handle is that of a live secret."""
        kept = [key.secret.encode() for key in self.live_keys(now) if key.secret]
        return any(compare_digest(secret, handle.encode()) for secret in kept)

    def get_client_id(self) -> str:
        """Name the client to Authlib."""
        return self.id

    def check_grant_type(self, grant_type: str) -> bool:
        """Tell Authlib whether the client's profile has this grant."""
        return grant_type in self.profile.grants


class Clients:
    """The register as the endpoints see it: active clients only."""

    def __init__(self, ground: Ground, provider: Provider, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ground = ground
        self._ticks = ticks
        self._known: dict[str, tuple[float, Client]] = {}
        self._lock = Lock()
        self._open_key = lru_cache(maxsize=_MOST_REMEMBERED)(_opener(provider))

    def find(self, given: str | None) -> Client | None:
        """Find an active client; one answer for unknown and suspended."""
        if given is None or not is_id(given, "cli"):
            return None
        known = self._known.get(given)
        if known and self._ticks() < known[0]:
            return known[1]
        with self._ground.database.transaction() as connection:
            client = self._read(connection, given)
        if client is not None:
            self._keep(client)
        return client

    def _read(self, connection: Connection, client: str) -> Client | None:
        row = connection.execute(sa.select(oauth_clients).where(oauth_clients.c.id == client)).mappings().first()
        if row is None or row["standing"] != "active":
            return None
        return _client_of(row, tuple(self._key_of(key) for key in _live_rows(connection, client)))

    def _key_of(self, row: Any) -> ClientKey:
        key = self._open_key(row.kid, json.dumps(row.jwk, sort_keys=True)) if row.jwk else None
        return ClientKey(row.kid, key, row.secret, row.not_before, row.not_after)

    def _keep(self, client: Client) -> None:
        with self._lock:
            if len(self._known) > _MOST_REMEMBERED:
                self._known.clear()
            self._known[client.id] = (self._ticks() + _CLIENT_SECONDS, client)


def live_key_count(connection: Connection, client: str, *, kind: sa.Column[Any], now: int) -> int:
    """Count the keys, or the secrets, of a client that are neither withdrawn nor over."""
    keys = oauth_client_keys.c
    live = sa.and_(keys.client == client, keys.withdrawn_at.is_(None), keys.not_after > now, kind.is_not(None))
    return connection.execute(sa.select(sa.func.count()).where(live)).scalar_one()


def _live_rows(connection: Connection, client: str) -> list[Any]:
    keys = oauth_client_keys.c
    live = sa.select(oauth_client_keys).where(keys.client == client, keys.withdrawn_at.is_(None))
    return list(connection.execute(live.order_by(keys.not_before.desc())))


def _opener(provider: Provider) -> Callable[[str, str], VerifyingKey]:
    def open_key(kid: str, jwk: str) -> VerifyingKey:
        return read_public_jwk(json.loads(jwk), kid, provider)

    return open_key


def _client_of(row: Any, keys: tuple[ClientKey, ...]) -> Client:
    plain = ("id", "name_zh", "name_en", "authentication", "tls_subject", "resource", "sector", "dpop", "standing")
    lists = ("redirect_uris", "scopes", "audiences")
    fields: dict[str, Any] = {name: row[name] for name in plain} | {name: tuple(row[name]) for name in lists}
    return Client(profile=PROFILES[row["profile"]], keys=keys, **fields)


def millis_now(ground: Ground) -> int:
    """Tell the time in the form in which the tables keep it."""
    return to_millis(ground.clock())
