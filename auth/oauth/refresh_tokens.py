"""Refresh tokens.

One that is bound to a key, or to a client that proves itself, stays as it is (FAPI 2.0 section 5.3.2.1: no rotation).
One of an app without either is rotated at each use: its successor follows from it, so that an app that lost the answer
gets the same one again for ten seconds. Whoever comes with it later ends the whole family (RFC 9700 section 4.14.2).
"""

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from auth.compact import encode_base64url
from auth.oauth.clients import Client, millis_now
from auth.oauth.desk import OAuthDesk
from auth.oauth.grants import LIVE_GRANT_COLUMNS, WITH_LIVE_GRANT, Grant, read_live_grant
from auth.oauth.models import refresh_tokens
from auth.oauth.profiles import REUSE_GRACE_SECONDS
from core.clock import to_millis
from core.database import Statement, changed_one, insert_if_new

_KIND = "refresh-token"
_FIND = Statement(
    f"SELECT t.handle, t.grant_id, t.client, t.thumbprint, t.expires_at, t.spent_at, {LIVE_GRANT_COLUMNS}"  # noqa: S608 - of names in the code
    f" FROM refresh_tokens t {WITH_LIVE_GRANT} WHERE t.handle = :handle"
)
_OWN_COLUMNS = 6

_ADD = Statement(
    "INSERT INTO refresh_tokens (handle, grant_id, client, thumbprint, issued_at, expires_at)"
    " VALUES (:handle, :grant_id, :client, :thumbprint, :issued_at, :expires_at)"
)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token, used or not, and its grant if that still counts; the method is what Authlib asks."""

    handle: str
    grant: str
    client: str
    thumbprint: str | None
    expires_at: int
    spent_at: int | None
    live_grant: Grant | None

    def check_client(self, client: Client) -> bool:
        """Tell whether it is this client's."""
        return self.client == client.id


def issue_refresh_token(
    desk: OAuthDesk, connection: Connection, client: Client, grant: Grant, thumbprint: str | None
) -> str:
    """Draw a refresh token; that of a public client is bound to its key, if it showed one."""
    token, handle = desk.stored.draw(_KIND)
    bound = thumbprint if client.is_public else None
    _ADD.run(connection, _values(desk, handle, grant, bound))
    return token


def find_refresh_token(desk: OAuthDesk, given: str) -> RefreshToken | None:
    """Find a refresh token, whether or not it is still good."""
    return _row(desk, desk.stored.handle(_KIND, given))


def is_rotated(client: Client, token: RefreshToken) -> bool:
    """Tell whether nothing but the token itself proves who comes with it."""
    return client.is_public and token.thumbprint is None


def rotate_refresh_token(
    desk: OAuthDesk, connection: Connection, grant: Grant, token: RefreshToken, given: str
) -> str | None:
    """Use a refresh token up and return its successor; None for a replay, after which the family must end."""
    now = millis_now(desk.ground)
    successor = encode_base64url(desk.stored.derive("successor", given))
    handle = desk.stored.handle(_KIND, successor)
    unspent = refresh_tokens.update().where(
        refresh_tokens.c.handle == token.handle, refresh_tokens.c.spent_at.is_(None)
    )
    if changed_one(connection, unspent.values(spent_at=now)):
        insert_if_new(connection, refresh_tokens, _values(desk, handle, grant, None))
        return successor
    spent, following = _row(desk, token.handle), _row(desk, handle)
    if spent is None or spent.spent_at is None or following is None or following.spent_at is not None:
        return None
    return successor if now - spent.spent_at < REUSE_GRACE_SECONDS * 1000 else None


def _values(desk: OAuthDesk, handle: str, grant: Grant, thumbprint: str | None) -> dict[str, object]:
    return {
        "handle": handle,
        "grant_id": grant.id,
        "client": grant.client,
        "thumbprint": thumbprint,
        "issued_at": millis_now(desk.ground),
        "expires_at": to_millis(grant.expires_at),
    }


def _row(desk: OAuthDesk, handle: str) -> RefreshToken | None:
    rows = desk.ground.database.look(_FIND, {"handle": handle, "now": millis_now(desk.ground)})
    if not rows:
        return None
    own, grant = rows[0][:_OWN_COLUMNS], rows[0][_OWN_COLUMNS:]
    return RefreshToken(*[*own, read_live_grant(grant)])
