"""Pushed authorization requests (RFC 9126): judged when they are pushed, used when the authorization completes."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.oauth.authorization_requests import AuthorizationRequest, read_authorization_request
from auth.oauth.bound_proofs import verify_given_proof
from auth.oauth.client_authentication import authenticate_client
from auth.oauth.clients import Client, millis_now
from auth.oauth.desk import OAuthDesk
from auth.oauth.forms import Form
from auth.oauth.models import pushed_requests
from auth.oauth.profiles import REQUEST_SECONDS
from auth.oauth.requests import GivenRequest
from core.database import changed_one

REFERENCE = "urn:ietf:params:oauth:request_uri:"
_KIND = "request-uri"


@dataclass(frozen=True, slots=True)
class PushedRequest:
    """A pushed request that may still be used."""

    handle: str
    request: AuthorizationRequest


def push_request(desk: OAuthDesk, given: GivenRequest) -> dict[str, object]:
    """Judge and keep a request of a proven client; return what RFC 9126 section 2.2 answers."""
    client, _method = authenticate_client(desk, given)
    proof = verify_given_proof(desk, given, nonce_needed=False)
    return push_for_client(desk, client, given.form, proof.thumbprint if proof else None)


def push_for_client(desk: OAuthDesk, client: Client, form: Form, proven: str | None = None) -> dict[str, object]:
    """Do the same for a client that is proven already; ``proven`` is the thumbprint of a key that it has shown."""
    request = read_authorization_request(client, form, proven)
    secret, handle = desk.stored.draw(_KIND)
    now = millis_now(desk.ground)
    with desk.ground.database.transaction() as connection:
        connection.execute(
            pushed_requests.insert().values(
                handle=handle,
                client=client.id,
                parameters=request.to_json(),
                pushed_at=now,
                expires_at=now + REQUEST_SECONDS * 1000,
            )
        )
    return {"request_uri": REFERENCE + secret, "expires_in": REQUEST_SECONDS}


def find_pushed_request(
    desk: OAuthDesk, connection: Connection, client: Client, request_uri: str, *, grace: int = 0
) -> PushedRequest | None:
    """Find a request of this client that is neither over nor used.

    ``grace``: milliseconds for which it is still found for a browser that brought it in time and loads it again.
    """
    handle = desk.stored.handle(_KIND, request_uri.removeprefix(REFERENCE))
    pushed = pushed_requests.c
    kept = sa.select(pushed.parameters).where(
        pushed.handle == handle,
        pushed.client == client.id,
        pushed.spent_at.is_(None),
        pushed.expires_at + grace > millis_now(desk.ground),
    )
    row = connection.execute(kept).first() if request_uri.startswith(REFERENCE) else None
    return PushedRequest(handle, AuthorizationRequest.from_json(row.parameters)) if row else None


def spend_pushed_request(connection: Connection, handle: str, now: int) -> bool:
    """Use a pushed request up; False if somebody else has."""
    unused = pushed_requests.update().where(pushed_requests.c.handle == handle, pushed_requests.c.spent_at.is_(None))
    return changed_one(connection, unused.values(spent_at=now))
