"""Authorization codes: a minute to live, one use, and a second one ends everything that came of the first."""

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from auth.oauth.authorization_requests import AuthorizationRequest
from auth.oauth.clients import Client, millis_now
from auth.oauth.desk import OAuthDesk
from auth.oauth.grants import LIVE_GRANT_COLUMNS, WITH_LIVE_GRANT, Grant, read_live_grant
from auth.oauth.models import authorization_codes
from auth.oauth.profiles import CODE_SECONDS
from core.database import Statement

_KIND = "code"
_FIND = Statement(
    "SELECT t.handle, t.grant_id, t.redirect_uri, t.code_challenge, t.thumbprint, t.nonce, t.expires_at, t.spent_at,"  # noqa: S608 - of names in the code
    f" {LIVE_GRANT_COLUMNS} FROM authorization_codes t {WITH_LIVE_GRANT}"
    " WHERE t.handle = :handle AND t.client = :client"
)
_OWN_COLUMNS = 8
_SPEND = Statement(
    "UPDATE authorization_codes SET spent_at = :now WHERE handle = :handle AND spent_at IS NULL RETURNING 1"
)


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """A code of a client, used or not, and its grant if that still counts; the methods are what Authlib asks."""

    handle: str
    grant: str
    redirect_uri: str
    code_challenge: str
    thumbprint: str | None
    nonce: str | None
    expires_at: int
    spent_at: int | None
    live_grant: Grant | None

    @property
    def code_challenge_method(self) -> str:
        return "S256"

    def get_redirect_uri(self) -> str:
        """Give the address that the token request has to name again."""
        return self.redirect_uri


def issue_code(desk: OAuthDesk, connection: Connection, grant: Grant, request: AuthorizationRequest) -> str:
    """Draw a code for what was allowed; only its handle is kept."""
    code, handle = desk.stored.draw(_KIND)
    now = millis_now(desk.ground)
    connection.execute(
        authorization_codes.insert().values(
            handle=handle,
            client=grant.client,
            grant_id=grant.id,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            thumbprint=request.thumbprint,
            nonce=request.nonce,
            issued_at=now,
            expires_at=now + CODE_SECONDS * 1000,
        )
    )
    return code


def find_code(desk: OAuthDesk, client: Client, given: str) -> AuthorizationCode | None:
    """Find a code of this client, whether or not it is still good."""
    handle = desk.stored.handle(_KIND, given)
    asked = {"handle": handle, "client": client.id, "now": millis_now(desk.ground)}
    rows = desk.ground.database.look(_FIND, asked)
    if not rows:
        return None
    own, grant = rows[0][:_OWN_COLUMNS], rows[0][_OWN_COLUMNS:]
    return AuthorizationCode(*[*own, read_live_grant(grant)])


def spend_code(connection: Connection, code: AuthorizationCode, now: int) -> bool:
    """Use a code up; False if another request has. The database decides a race."""
    return bool(_SPEND.run(connection, {"handle": code.handle, "now": now}))
