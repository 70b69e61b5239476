"""Authorization codes: a minute to live, one use, and a second one ends everything that came of the first."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.oauth.authorization_requests import AuthorizationRequest
from auth.oauth.clients import Client, millis_now
from auth.oauth.desk import OAuthDesk
from auth.oauth.grants import Grant
from auth.oauth.models import authorization_codes
from auth.oauth.profiles import CODE_SECONDS
from core.database import changed_one

_KIND = "code"


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """A code of a client, used or not; the methods are what Authlib asks."""

    handle: str
    grant: str
    redirect_uri: str
    code_challenge: str
    thumbprint: str | None
    nonce: str | None
    expires_at: int
    spent_at: int | None

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


def find_code(desk: OAuthDesk, connection: Connection, client: Client, given: str) -> AuthorizationCode | None:
    """Find a code of this client, whether or not it is still good."""
    codes = authorization_codes.c
    found = sa.select(authorization_codes).where(
        codes.handle == desk.stored.handle(_KIND, given), codes.client == client.id
    )
    row = connection.execute(found).first()
    if row is None:
        return None
    kept = (row.redirect_uri, row.code_challenge, row.thumbprint, row.nonce, row.expires_at, row.spent_at)
    return AuthorizationCode(row.handle, row.grant_id, *kept)


def spend_code(connection: Connection, code: AuthorizationCode, now: int) -> bool:
    """Use a code up; False if another request has. The database decides a race."""
    codes = authorization_codes.c
    unspent = authorization_codes.update().where(codes.handle == code.handle, codes.spent_at.is_(None))
    return changed_one(connection, unspent.values(spent_at=now))
