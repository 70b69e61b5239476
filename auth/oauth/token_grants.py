"""The grants of the token endpoint, on Authlib's order of checks: first all that can be wrong, then the one write.

Who replays a code, or a refresh token that was rotated, ends everything that came of it.
"""

from typing import Any

from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from sqlalchemy.engine import Connection

from auth.oauth.access_tokens import issue_access_token
from auth.oauth.authorization_requests import read_resources
from auth.oauth.bound_proofs import SPENT_SECONDS, read_given_proof, require_bound, require_new
from auth.oauth.clients import Client, millis_now
from auth.oauth.codes import AuthorizationCode, find_code, spend_code
from auth.oauth.desk import CardState, OAuthDesk
from auth.oauth.errors import (
    InvalidDpopProofError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidTargetError,
    refuse_grant,
)
from auth.oauth.grants import Grant, end_grant
from auth.oauth.id_tokens import issue_id_token
from auth.oauth.limits import count_holder_token
from auth.oauth.profiles import AUTHENTICATIONS
from auth.oauth.refresh_tokens import (
    RefreshToken,
    find_refresh_token,
    is_rotated,
    issue_refresh_token,
    rotate_refresh_token,
)
from auth.oauth.requests import FormRequest
from auth.oauth.scopes import OFFLINE, OPENID, reaches, read_scopes
from auth.proofs import DeviceProof, spent_key

Answered = tuple[int, dict[str, Any], list[tuple[str, str]]]
NO_STORE = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]


class S256Challenge(CodeChallenge):  # type: ignore[misc]  # Authlib has no types
    """PKCE of every client and with S256 alone; the challenge was judged with the authorization request."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_verifier(self, grant: Any, result: object) -> None:
        """Refuse a request without a verifier whoever sends it, then compare as Authlib does.

        A missing one is a proof that failed, no fault of form: RFC 7636 section 4.6 calls that ``invalid_grant``, and
        the OpenID conformance suite takes nothing else.
        """
        verifier = grant.request.form.get("code_verifier")
        if verifier is None:
            raise InvalidGrantError("code_verifier is missing")
        if verifier.endswith("\n"):  # Authlib's pattern ends in $, which a line end slips through
            raise InvalidRequestError("code_verifier holds characters that it must not")
        super().validate_code_verifier(grant, result)


class BoundGrant:
    """What both grants do alike."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTHENTICATIONS
    request: FormRequest
    server: Any
    grant: Grant
    card: CardState | None = None
    is_counted = False

    @property
    def desk(self) -> OAuthDesk:
        desk: OAuthDesk = self.server.desk
        return desk

    @property
    def connection(self) -> Connection:
        connection: Connection = self.server.connection()
        return connection

    def verify_proof(self, bound_to: str | None) -> DeviceProof | None:
        """Check the DPoP proof: needed where the client's tokens are bound, or the code or refresh token is."""
        client: Client = self.request.client
        needed = client.dpop and client.profile.dpop_nonce
        proof = read_given_proof(self.desk, self.request.given, nonce_needed=needed)
        if proof is not None:
            require_new(self.desk, proof, new=self._spend_and_count(proof))
        if proof is None and client.dpop:
            raise InvalidDpopProofError("This client's tokens are bound by DPoP: send a proof")
        require_bound(proof, bound_to)
        return proof

    def _spend_and_count(self, proof: DeviceProof) -> bool:
        """Spend the proof and count its request for the holder, where that is known, in one journey."""
        if self.card is None:
            return self.desk.ground.ephemeral.add_once(spent_key(proof), SPENT_SECONDS)
        self.is_counted = True
        return count_holder_token(self.desk, self.card.holder, once=spent_key(proof), once_seconds=SPENT_SECONDS)

    def require_good_grant(self, grant: Grant | None) -> Grant:
        """Require that what was allowed still counts, and its card; raises the one answer."""
        if grant is None:
            raise refuse_grant()
        self.require_good_card(grant)
        return grant

    def require_good_card(self, grant: Grant) -> None:
        """Refuse a grant whose card is suspended, ended or lower than it was; raises the one answer."""
        if grant.card is None:
            return
        self.card = self.desk.card_states(self.desk.ground.database, grant.card)
        if self.card is None or not self.card.active or not reaches(self.card.level, grant.acr):
            raise refuse_grant()

    def read_narrowed_resources(self, grant: Grant) -> tuple[str, ...]:
        """Let a token be for fewer resources than were allowed (RFC 8707 section 2.2)."""
        if "resource" not in self.request.given.form:
            return grant.resources
        given = read_resources(self.request.client, self.request.given.form)
        if not set(given) <= set(grant.resources):
            raise InvalidTargetError
        return given

    def end_family(self, grant: str, because: str) -> None:
        """End everything that came of a grant, because somebody used a part of it twice."""
        actor = self.request.client.id
        end_grant(self.desk.ground, self.connection, grant, because=because, actor=actor)

    def answer(self, grant: Grant, scopes: tuple[str, ...], resources: tuple[str, ...], **more: Any) -> dict[str, Any]:
        """Issue the access token and write the answer around it; raises ``Limited`` for a holder with too many.

        ``more`` goes to ``issue_access_token``.
        """
        if grant.card is not None and not self.is_counted:
            card = self.card or self.desk.card_states(self.desk.ground.database, grant.card)
            count_holder_token(self.desk, card.holder if card else grant.card)
        proof = self.request.proof
        thumbprint = proof.thumbprint if proof else None
        token, seconds = issue_access_token(
            self.desk, self.request.client, grant, scopes=scopes, resources=resources, thumbprint=thumbprint, **more
        )
        kind = "DPoP" if proof else "Bearer"
        return {"access_token": token, "token_type": kind, "expires_in": seconds, "scope": " ".join(scopes)}


class CodeGrant(BoundGrant, AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no types
    """A code becomes tokens, once."""

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode:
        """Find a code that may become tokens; a spent one ends its family. All others get the one answer."""
        found = find_code(self.desk, client, code)
        if found is not None and found.spent_at is not None:
            self._refuse_replay(client, found)
        if found is None or found.expires_at <= millis_now(self.desk.ground):
            raise refuse_grant()
        self.grant = self.require_good_grant(found.live_grant)
        return found

    def validate_token_request(self) -> None:
        """Check client, code, redirect address and PKCE as Authlib does, then what it does not know of."""
        super().validate_token_request()
        self.request.proof = self.verify_proof(self.request.authorization_code.thumbprint)

    def create_token_response(self) -> Answered:
        """Spend the code and issue what it stands for."""
        code, client, grant = self.request.authorization_code, self.request.client, self.grant
        resources = self.read_narrowed_resources(grant)
        if not spend_code(self.connection, code, millis_now(self.desk.ground)):
            self._refuse_replay(client, code)
        body = self.answer(grant, grant.scopes, resources)
        if OFFLINE in grant.scopes and client.profile.refresh_days:
            thumbprint = self.request.proof.thumbprint if self.request.proof else None
            body["refresh_token"] = issue_refresh_token(self.desk, self.connection, client, grant, thumbprint)
        if OPENID in grant.scopes:
            token = body["access_token"]
            body["id_token"] = issue_id_token(self.desk, client, grant, nonce=code.nonce, access_token=token)
        return 200, body, NO_STORE

    def _refuse_replay(self, client: Client, code: AuthorizationCode) -> None:
        self.request.client = client
        self.end_family(code.grant, "code_reused")
        raise refuse_grant()


class RefreshGrant(BoundGrant, RefreshTokenGrant):  # type: ignore[misc]  # Authlib has no types
    """A refresh token becomes a new access token."""

    def _validate_request_token(self, client: Client) -> RefreshToken:
        """Find a token that may become another one; all others get the one answer."""
        given = self.request.given.form.require("refresh_token")
        found = find_refresh_token(self.desk, given)
        if found is None or not found.check_client(client) or found.expires_at <= millis_now(self.desk.ground):
            raise refuse_grant()
        self.grant = self.require_good_grant(found.live_grant)
        return found

    def _validate_token_scope(self, token: RefreshToken) -> None:
        """Leave the scope to the grant behind the token."""

    def validate_token_request(self) -> None:
        """Check client and token as Authlib does, then the key to which it is bound."""
        super().validate_token_request()
        self.request.proof = self.verify_proof(self.request.refresh_token.thumbprint)

    def create_token_response(self) -> Answered:
        """Issue an access token; rotate the refresh token where nothing else proves who comes with it."""
        token, client, grant = self.request.refresh_token, self.request.client, self.grant
        given = self.request.payload.scope
        scopes = read_scopes(given, grant.scopes) if given else grant.scopes
        resources = self.read_narrowed_resources(grant)
        rotated = self._rotate(grant, token) if is_rotated(client, token) else None
        body = self.answer(grant, scopes, resources)
        return 200, body | ({"refresh_token": rotated} if rotated else {}), NO_STORE

    def _rotate(self, grant: Grant, token: RefreshToken) -> str:
        given: str = self.request.form["refresh_token"]
        successor = rotate_refresh_token(self.desk, self.connection, grant, token, given)
        if successor is None:
            self.end_family(grant.id, "refresh_token_reused")
            raise refuse_grant()
        return successor
