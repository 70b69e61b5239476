"""Token exchange (RFC 8693): a partner's app returns to a link that the holder has made before, without a redirect.

The partner proves itself, the key of its app, and that it has just authenticated its customer; it gets a token for less
than the link allows. What changes a card, and the link itself, goes through the holder's login (docs/decisions/0013).
"""

from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from auth.oauth.errors import (
    InvalidRequestError,
    InvalidScopeError,
    InvalidTargetError,
    UnauthorizedClientError,
    refuse_grant,
)
from auth.oauth.forms import Form
from auth.oauth.grants import Grant, find_live_link
from auth.oauth.profiles import EXCHANGE
from auth.oauth.pseudonyms import link_handle
from auth.oauth.scopes import SCOPES, reaches, read_scopes
from auth.oauth.subject_tokens import CustomerStatement, verify_statement
from auth.oauth.token_grants import NO_STORE, Answered, BoundGrant

JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - RFC 8693 section 3
MOST_SECONDS = 300


class LinkGrant(BoundGrant, BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib has no types
    """A partner's statement about its customer becomes an access token of some minutes."""

    GRANT_TYPE = EXCHANGE
    statement: CustomerStatement

    def validate_token_request(self) -> None:
        """Check client, form and proof, then the statement, which is spent by it."""
        self.request.client = client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(EXCHANGE):
            raise UnauthorizedClientError("This client has no links to return to")
        given = _read_subject_token(self.request.given.form)
        self.request.proof = self.verify_proof(None)
        self.statement = verify_statement(self.desk, client, given)

    def create_token_response(self) -> Answered:
        """Find the link and issue what of it a silent return gives."""
        grant = self._require_link()
        scopes = self._read_silent_scopes(grant)
        resources = self.read_narrowed_resources(grant)
        self._record(grant, scopes)
        body = self.answer(grant, scopes, resources, actor=self.request.client.id, most_seconds=MOST_SECONDS)
        return 200, body | {"issued_token_type": ACCESS_TOKEN_TYPE}, NO_STORE

    def _require_link(self) -> Grant:
        """Find the link; one that never was, one of another client and one that has ended look alike."""
        ground, client = self.desk.ground, self.request.client
        handle = link_handle(self.desk, self.statement.subject)
        grant = find_live_link(ground.database, client.id, handle, ground.clock())
        if grant is None:
            raise refuse_grant()
        self.require_good_card(grant)
        return grant

    def _read_silent_scopes(self, grant: Grant) -> tuple[str, ...]:
        """Give what was asked for, or all there is, of what the link allows at the partner's level."""
        allowed = [name for name in grant.scopes if _is_silent(name, self.statement.acr)]
        given = self.request.given.form.get("scope")
        scopes = read_scopes(given, allowed) if given else tuple(allowed)
        if not scopes:
            raise InvalidScopeError("The link holds nothing that a silent return gives at this acr")
        return scopes

    def _record(self, grant: Grant, scopes: tuple[str, ...]) -> None:
        """Keep what the partner has vouched for, with the digest of its signed statement."""
        ground, said = self.desk.ground, self.statement
        detail = {
            "scopes": list(scopes),
            "acr": said.acr,
            "auth_time": said.authenticated_at,
            "statement_sm3": said.digest,
        }
        ground.audit.record(
            self.connection,
            actor=self.request.client.id,
            act="oauth.link_returned",
            subject=grant.id,
            detail=detail,
            at=ground.clock(),
        )


def _read_subject_token(form: Form) -> str:
    if "actor_token" in form or "actor_token_type" in form:
        raise InvalidRequestError("actor_token is not taken: the client itself is who acts")
    if form.get("requested_token_type") not in {None, ACCESS_TOKEN_TYPE}:
        raise InvalidRequestError(f"requested_token_type is {ACCESS_TOKEN_TYPE}")
    if form.require("subject_token_type") != JWT_TYPE:
        raise InvalidRequestError(f"subject_token_type is {JWT_TYPE}")
    if "audience" in form:
        raise InvalidTargetError
    return form.require("subject_token")


def _is_silent(name: str, acr: str) -> bool:
    least = SCOPES[name].silent_level
    return least is not None and reaches(acr, least)
