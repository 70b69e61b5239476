"""The device code grant (RFC 8628 section 3.4): terminal software asks again and again, and gets one token.

Authlib's own class for it is not used: there a code can be redeemed any number of times and is good at its last
moment, and the code of another client is told from one that does not exist.
"""

from typing import Any

from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin
from sqlalchemy.engine import Connection

from auth.oauth.bound_proofs import require_bound
from auth.oauth.clients import Client, millis_now
from auth.oauth.device_authorization import POLL_SECONDS, DeviceAuthorization, find_by_device_code
from auth.oauth.errors import (
    AccessDeniedError,
    AuthorizationPendingError,
    ExpiredTokenError,
    InvalidRequestError,
    SlowDownError,
    UnauthorizedClientError,
    refuse_grant,
)
from auth.oauth.grants import Grant, find_live_grant
from auth.oauth.models import device_authorizations
from auth.oauth.profiles import DEVICE
from auth.oauth.token_grants import NO_STORE, Answered, BoundGrant
from auth.proofs import DeviceProof
from core.database import changed_one


class DeviceGrant(BoundGrant, BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib has no types
    """A device code that an operator has allowed becomes a token, once."""

    GRANT_TYPE = DEVICE

    def validate_token_request(self) -> None:
        """Check client, code and key; what became of the request is judged after that."""
        given = self.request.form.get("device_code")
        if given is None:
            raise InvalidRequestError("device_code is missing")
        client: Client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(DEVICE):
            raise UnauthorizedClientError("This client's profile has no device flow")
        found = find_by_device_code(self.desk, self.connection, client, given)
        if found is None:
            raise refuse_grant()
        self.request.client, self.request.credential = client, found
        self.request.proof = self._verify_bound_proof(found)

    def create_token_response(self) -> Answered:
        """Spend the code and issue the token; ``grant_id`` is what the terminal's key states at its registration."""
        found: DeviceAuthorization = self.request.credential
        self._require_allowed(found)
        grant = self._require_granted(found)
        resources = self.read_narrowed_resources(grant)
        if not _spend(self.connection, found):
            raise refuse_grant()
        body: dict[str, Any] = self.answer(grant, grant.scopes, resources)
        return 200, body | {"grant_id": grant.id}, NO_STORE

    def _verify_bound_proof(self, found: DeviceAuthorization) -> DeviceProof:
        """Check the proof; the first request binds a code for which no key was shown. Raises the errors of a proof."""
        proof = self.verify_proof(found.thumbprint or None)
        assert proof is not None  # tokens of terminals are always bound
        if not found.thumbprint and not _bind(self.connection, found, proof.thumbprint):
            require_bound(proof, "")
        return proof

    def _require_granted(self, found: DeviceAuthorization) -> Grant:
        """Require that what was allowed still counts, and the card of the operator who allowed it."""
        assert found.grant is not None
        assert found.operator is not None
        card = self.desk.card_states(self.desk.ground.database, found.operator)
        if card is None or not card.active:
            raise refuse_grant()
        ground = self.desk.ground
        return self.require_good_grant(find_live_grant(ground.database, found.grant, ground.clock()))

    def _require_allowed(self, found: DeviceAuthorization) -> None:
        """Require that an operator has allowed it; raises the errors of RFC 8628 section 3.5."""
        now = millis_now(self.desk.ground)
        if found.state == "spent":
            raise refuse_grant()
        if found.expires_at <= now:
            raise ExpiredTokenError("Nobody has allowed it in time: ask for a new code")
        if found.state == "refused":
            raise AccessDeniedError("The operator has refused")
        if found.state == "pending":
            raise AuthorizationPendingError() if _count_poll(self.connection, found, now) else SlowDownError()


def _count_poll(connection: Connection, found: DeviceAuthorization, now: int) -> bool:
    """Note that the software has asked; False if it came too early, and from now on has to wait longer."""
    columns = device_authorizations.c
    waited = columns.polled_at.is_(None) | (columns.polled_at + columns.poll_seconds * 1000 <= now)
    asked = device_authorizations.update().where(columns.id == found.id).values(polled_at=now)
    if changed_one(connection, asked.where(waited)):
        return True
    connection.execute(asked.values(poll_seconds=columns.poll_seconds + POLL_SECONDS))
    return False


def _bind(connection: Connection, found: DeviceAuthorization, thumbprint: str) -> bool:
    """Bind the code to a key; False if another key came first. The database decides a race."""
    columns = device_authorizations.c
    free = device_authorizations.update().where(columns.id == found.id, columns.thumbprint.in_(("", thumbprint)))
    return changed_one(connection, free.values(thumbprint=thumbprint))


def _spend(connection: Connection, found: DeviceAuthorization) -> bool:
    """Use the code up; False if another request has. The database decides a race."""
    columns = device_authorizations.c
    allowed = device_authorizations.update().where(columns.id == found.id, columns.state == "allowed")
    return changed_one(connection, allowed.values(state="spent"))
