"""Apps that may claim addresses of this service: the operator's side (``ecard clients add-app``)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.apps.associations import SIZE_LIMIT, list_claims, write_associations
from auth.apps.models import client_apps
from auth.oauth.client_register import require_client
from auth.oauth.models import oauth_clients
from auth.oauth.profiles import NATIVE
from core.clock import to_millis
from core.database import changed_one, insert_if_new
from core.errors import Kind, Malformed, Refusal

ANDROID, APPLE = "android", "apple"
PLATFORMS = (ANDROID, APPLE)
MOST_APPS = 8
MOST_FINGERPRINTS = 4
"""The key that signs the app now, the one before it, and those of a store that signs by itself."""

_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)+")  # an Android application id
_APP_ID = re.compile(r"[A-Z0-9]{10}(?:\.[A-Za-z0-9-]+)+")  # team id, dot, bundle id
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{64}")
_LONGEST = 255


class AppTaken(Refusal):
    kind = Kind.CONFLICT
    code = "app_taken"
    title_en = "This app is registered with another client."
    title_zh = "该应用已登记在其他客户端名下。"
    next_en = "Remove it there first."
    next_zh = "请先从原客户端移除该应用。"


@dataclass(frozen=True, slots=True)
class App:
    """What is registered of an app.

    Attributes:
        name: on Android the application id, on Apple's systems ``<team id>.<bundle id>``.
        fingerprints: of Android, SHA-256 of the certificates that sign it.
        opens_logins: whether it carries cards, so that the codes of login pages open it.
    """

    platform: str
    name: str
    fingerprints: Sequence[str] = ()
    opens_logins: bool = False


def add_app(connection: Connection, client: str, given: App, *, issuer: str, at: datetime) -> None:
    """Enter an app of a native client, or enter it anew with other certificates.

    Raises ``Missing``, ``AppTaken`` or ``Malformed``.
    """
    app = _require_app(given)
    require_client(connection, client)
    _require_native(connection, client)
    remove_app(connection, client, app.platform, app.name)
    values = {"platform": app.platform, "name": app.name, "client": client, "opens_logins": app.opens_logins}
    if not insert_if_new(
        connection, client_apps, {**values, "fingerprints": list(app.fingerprints), "added_at": to_millis(at)}
    ):
        raise AppTaken
    if len(list_apps(connection, client)) > MOST_APPS:
        raise Malformed(f"a client has at most {MOST_APPS} apps")
    if any(len(document) > SIZE_LIMIT for document in write_associations(list_claims(connection, issuer))):
        raise Malformed("with this app the associations would be longer than phones read")


def remove_app(connection: Connection, client: str, platform: str, name: str) -> bool:
    """Take an app of a client out; False if it has none of this name."""
    apps = client_apps.c
    its_own = client_apps.delete().where(apps.client == client, apps.platform == platform, apps.name == name)
    return changed_one(connection, its_own)


def list_apps(connection: Connection, client: str) -> list[sa.Row[Any]]:
    """List the apps of a client for the operator."""
    apps = sa.select(client_apps).where(client_apps.c.client == client)
    return list(connection.execute(apps.order_by(client_apps.c.platform, client_apps.c.name)))


def _require_app(given: App) -> App:
    if given.platform == ANDROID:
        return replace(given, fingerprints=_require_fingerprints(_require_name(given, _PACKAGE)))
    if given.fingerprints:
        raise Malformed("only Android's apps are known by certificates")
    return _require_name(given, _APP_ID)


def _require_name(given: App, shape: re.Pattern[str]) -> App:
    if len(given.name) > _LONGEST or not shape.fullmatch(given.name):
        raise Malformed("an app is named cn.example.app on Android and TEAM123456.cn.example.app on Apple's systems")
    return given


def _require_fingerprints(given: App) -> list[str]:
    plain = [fingerprint.replace(":", "").upper() for fingerprint in given.fingerprints]
    if not 0 < len(plain) <= MOST_FINGERPRINTS or not all(_FINGERPRINT.fullmatch(one) for one in plain):
        raise Malformed(f"an Android app has 1 to {MOST_FINGERPRINTS} certificates, by the 64 digits of their SHA-256")
    return sorted({":".join(one[at : at + 2] for at in range(0, 64, 2)) for one in plain})


def _require_native(connection: Connection, client: str) -> None:
    profile = connection.execute(sa.select(oauth_clients.c.profile).where(oauth_clients.c.id == client)).scalar_one()
    if profile != NATIVE.name:
        raise Malformed("only clients of the profile native are apps")
