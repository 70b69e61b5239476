"""Introspection (RFC 7662) and revocation (RFC 7009), on Authlib's order of steps."""

from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from sqlalchemy.engine import Connection

from auth.errors import TokenWrong
from auth.oauth.access_tokens import ClientToken, revoke_access_token
from auth.oauth.clients import Client, millis_now
from auth.oauth.errors import InvalidRequestError, refuse_client
from auth.oauth.grants import Grant, end_grant
from auth.oauth.profiles import AUTHENTICATIONS
from auth.oauth.pseudonyms import subject_of
from auth.oauth.refresh_tokens import RefreshToken, find_refresh_token
from auth.oauth.requests import FormRequest


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token of either kind that was found; the methods are what Authlib asks."""

    found: ClientToken | RefreshToken
    live: bool
    grant: Grant | None

    def check_client(self, client: Client) -> bool:
        """Tell whether it was issued to this client."""
        return self.found.client == client.id

    def is_expired(self) -> bool:
        """Tell whether it counts no more, for whatever reason."""
        return not self.live

    def is_revoked(self) -> bool:
        """Answer with ``is_expired``: both mean inactive."""
        return not self.live


class TokenLookUp:
    """How both endpoints find a token: by what it is; the hint is only a hint."""

    server: Any
    CLIENT_AUTH_METHODS = AUTHENTICATIONS

    @property
    def connection(self) -> Connection:
        connection: Connection = self.server.connection()
        return connection

    def check_params(self, request: FormRequest, _client: Client) -> None:
        """Ask for the token alone: an unknown hint is ignored (RFC 7662 section 2.1)."""
        if "token" not in request.form:
            raise InvalidRequestError("token is missing")

    def query_token(self, given: str, _hint: str | None) -> KnownToken | None:
        """Find a token that this server issued, whoever asks."""
        return self._find_access_token(given) if given.count(".") == 2 else self._find_refresh_token(given)

    def _find_access_token(self, given: str) -> KnownToken | None:
        try:
            token = self.server.access_tokens.verify_token(given)
            self.server.access_tokens.find_live(token)
        except TokenWrong:
            return None
        return KnownToken(token, True, None)

    def _find_refresh_token(self, given: str) -> KnownToken | None:
        desk = self.server.desk
        token = find_refresh_token(desk, given)
        if token is None:
            return None
        in_time = token.expires_at > millis_now(desk.ground)
        live = token.live_grant is not None and token.spent_at is None and in_time
        return KnownToken(token, live, token.live_grant)


class Introspection(TokenLookUp, IntrospectionEndpoint):  # type: ignore[misc]  # Authlib has no types
    """Tells a client about its own tokens, and a protected resource about those that are for it."""

    def authenticate_endpoint_client(self, request: FormRequest) -> Client:
        """Let in whoever can prove itself: a public client could be anybody."""
        client: Client = super().authenticate_endpoint_client(request)
        if client.is_public:
            raise refuse_client("Introspection is for clients that prove who they are")
        return client

    def check_permission(self, token: KnownToken, client: Client, _request: FormRequest) -> bool:
        """Tell whether this client may know of this token; if not it looks like one that does not exist."""
        found = token.found
        return token.check_client(client) or (isinstance(found, ClientToken) and client.resource in found.resources)

    def introspect_token(self, token: KnownToken) -> dict[str, Any]:
        """Say of a token what a resource needs (RFC 7662 section 2.2)."""
        if isinstance(token.found, ClientToken):
            return {"iss": self.server.desk.issuer, **_of_access_token(token.found)}
        return {"iss": self.server.desk.issuer, **self._of_refresh_token(token.found, token.grant)}

    def _of_refresh_token(self, token: RefreshToken, grant: Grant | None) -> dict[str, Any]:
        desk = self.server.desk
        client = desk.clients.find(token.client)
        assert grant is not None
        assert client is not None
        subject = subject_of(desk, client, grant)
        return {
            "client_id": token.client,
            "sub": subject,
            "scope": " ".join(grant.scopes),
            "exp": token.expires_at // 1000,
        }


class Revocation(TokenLookUp, RevocationEndpoint):  # type: ignore[misc]  # Authlib has no types
    """Takes back an access token alone, or a refresh token with everything that came of its grant."""

    def authenticate_token(self, request: FormRequest, client: Client) -> KnownToken | None:
        """Find a token of this client; another one's is as unknown to it as one that never was."""
        self.check_params(request, client)
        found = self.query_token(request.form["token"], None)
        return found if found is not None and found.check_client(client) else None

    def revoke_token(self, token: KnownToken, _request: FormRequest) -> None:
        """Refuse the token from now on, in every worker."""
        if isinstance(token.found, ClientToken):
            revoke_access_token(self.connection, token.found)
        else:
            ground, actor = self.server.desk.ground, token.found.client
            end_grant(ground, self.connection, token.found.grant, because="revoked_by_client", actor=actor)


def _of_access_token(token: ClientToken) -> dict[str, Any]:
    said: dict[str, Any] = {
        "client_id": token.client,
        "sub": token.subject,
        "aud": sorted(token.resources),
        "scope": " ".join(token.scopes),
        "acr": token.acr,
        "auth_time": int(token.authenticated_at.timestamp()),
        "iat": int(token.issued_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "jti": token.id,
        "token_type": "DPoP" if token.thumbprint else "Bearer",
    }
    bound = {"cnf": {"jkt": token.thumbprint}} if token.thumbprint else {}
    return said | bound | ({"act": {"sub": token.actor}} if token.actor else {})
