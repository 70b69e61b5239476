"""What tells phones which app opens which of this service's addresses: two documents made of the client register.

Google's Digital Asset Links (``/.well-known/assetlinks.json``) and Apple's associated domains
(``/.well-known/apple-app-site-association``). An app claims nothing but addresses below ``/app/``: its own redirect
addresses on this host and, where it carries cards, what the QR code of a login page holds.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.apps.models import client_apps
from auth.oauth.models import oauth_clients
from core.errors import Unavailable
from core.ground import Ground

CLAIMED = "/app/"
LOGINS = "/app/login/"
SIZE_LIMIT = 100_000
"""Bytes; Apple's systems read no more than 128 KB."""
_RELATION = "delegate_permission/common.handle_all_urls"
_SECONDS = 10.0
_PLAIN_PATH = re.compile(r"/app/[A-Za-z0-9\-._~/]+")  # what no pattern takes for a wildcard or a second spelling


@dataclass(frozen=True, slots=True)
class Claim:
    """An app and the paths that it opens, as patterns in which ``*`` stands for anything."""

    platform: str
    name: str
    fingerprints: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Associations:
    """Both documents as they are sent."""

    android: bytes
    apple: bytes


class PublishedAssociations:
    """Makes the documents anew every ten seconds; while the database is away it gives those it had."""

    def __init__(self, ground: Ground, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ground = ground
        self._ticks = ticks
        self._lock = Lock()
        self._look_at = float("-inf")
        self._held: Associations | None = None

    def __call__(self) -> Associations:
        with self._lock:
            if self._held is None or self._ticks() >= self._look_at:
                self._held = self._read()
                self._look_at = self._ticks() + _SECONDS
            return self._held

    def _read(self) -> Associations:
        try:
            with self._ground.database.transaction() as connection:
                return Associations(*write_associations(list_claims(connection, self._ground.settings.issuer)))
        except Unavailable:
            if self._held is None:
                raise
            return self._held


def list_claims(connection: Connection, issuer: str) -> list[Claim]:
    """List the apps of active clients that open anything here."""
    apps = client_apps.c
    joined = client_apps.join(oauth_clients, oauth_clients.c.id == apps.client)
    active = sa.select(client_apps, oauth_clients.c.redirect_uris).select_from(joined)
    rows = connection.execute(active.where(oauth_clients.c.standing == "active").order_by(apps.platform, apps.name))
    claims = [Claim(row.platform, row.name, tuple(row.fingerprints), _paths(row, issuer)) for row in rows]
    return [claim for claim in claims if claim.paths]


def write_associations(claims: Sequence[Claim]) -> tuple[bytes, bytes]:
    """Write the document for Android and the one for Apple's systems."""
    android = [_statement(claim) for claim in claims if claim.platform == "android"]
    apple = [_detail(claim) for claim in claims if claim.platform == "apple"]
    return _written(android), _written({"applinks": {"details": apple}})


def _paths(row: Any, issuer: str) -> tuple[str, ...]:
    here = urlsplit(issuer)
    redirects = [urlsplit(address) for address in row.redirect_uris]
    paths = {parts.path for parts in redirects if (parts.scheme, parts.netloc) == (here.scheme, here.netloc)}
    own = sorted(path for path in paths if _PLAIN_PATH.fullmatch(path) and not path.startswith(LOGINS))
    return (*own, *((f"{LOGINS}*",) if row.opens_logins else ()))


def _statement(claim: Claim) -> dict[str, Any]:
    """Write what Android reads; before version 15 it knows no paths and goes by what the app itself declares."""
    components: list[dict[str, Any]] = [{"/": path} for path in claim.paths]
    return {
        "relation": [_RELATION],
        "target": {
            "namespace": "android_app",
            "package_name": claim.name,
            "sha256_cert_fingerprints": list(claim.fingerprints),
        },
        "relation_extensions": {
            _RELATION: {"dynamic_app_link_components": [*components, {"/": "*", "exclude": True}]},
        },
    }


def _detail(claim: Claim) -> dict[str, Any]:
    return {"appIDs": [claim.name], "components": [{"/": path} for path in claim.paths]}


def _written(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
