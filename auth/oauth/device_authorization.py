"""The device authorization endpoint (RFC 8628): terminal software asks, gets two codes, and shows one of them.

Both codes stand in the table only as handles. The user code follows from the row's id and the city's key, so that the
page can show it again for comparison without keeping it.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.oauth.authorization_requests import read_resources
from auth.oauth.bound_proofs import verify_given_proof
from auth.oauth.client_authentication import authenticate_client
from auth.oauth.clients import Client, millis_now
from auth.oauth.desk import OAuthDesk
from auth.oauth.errors import InvalidTargetError, UnauthorizedClientError
from auth.oauth.limits import count_device_authorization
from auth.oauth.models import device_authorizations
from auth.oauth.profiles import DEVICE, DEVICE_SECONDS
from auth.oauth.requests import GivenRequest
from auth.oauth.scopes import read_scopes
from auth.typed_codes import find_code, write_code
from core.database import insert_if_new
from core.errors import Unavailable
from core.ids import new_id

POLL_SECONDS = 5
"""RFC 8628 section 3.2: how long the software waits between two requests for its token."""
_DEVICE_CODE, _USER_CODE = "device-code", "user-code"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class DeviceAuthorization:
    """A request of terminal software: ``state`` is pending, allowed, refused or spent.

    ``thumbprint`` is that of the key that has to redeem it; empty until the first request for the token if none was
    shown with the request for the codes.
    """

    id: str
    client: str
    thumbprint: str
    address: str
    state: str
    begun_at: int
    expires_at: int
    login: str | None
    operator: str | None
    grant: str | None


def authorize_device(desk: OAuthDesk, given: GivenRequest) -> dict[str, object]:
    """Keep a request of a terminal client and return what RFC 8628 section 3.2 answers; raises errors of OAuth.

    A DPoP proof names the key to which code, token and registration are bound. RFC 9449 knows none at this endpoint, so
    libraries do not send one: then they are bound to the key of the first request for the token. From where it came
    the operator is shown.
    """
    count_device_authorization(desk, given.caller)
    client, _method = authenticate_client(desk, given)
    if not client.check_grant_type(DEVICE):
        raise UnauthorizedClientError("This client's profile has no device flow")
    proof = verify_given_proof(desk, given, nonce_needed=False)
    read_scopes(given.form.require("scope"), client.scopes)
    if read_resources(client, given.form) != (desk.api,):
        raise InvalidTargetError
    return _keep(desk, client, proof.thumbprint if proof else "", given.caller)


def user_code_of(desk: OAuthDesk, authorization: str) -> str:
    """Give the user code of a row, as the terminal shows it: BCDF-GHJK."""
    return write_code(desk.stored.derive(_USER_CODE, authorization))


def find_by_device_code(
    desk: OAuthDesk, connection: Connection, client: Client, given: str
) -> DeviceAuthorization | None:
    """Find what a client asked for by its device code, whatever became of it."""
    columns = device_authorizations.c
    handle = desk.stored.handle(_DEVICE_CODE, given)
    return find_authorization(connection, columns.device_code == handle, columns.client == client.id)


def typed_handle(desk: OAuthDesk, typed: str) -> str | None:
    """Name what was typed as a user code; None if it can be none."""
    code = find_code(typed)
    return desk.stored.handle(_USER_CODE, code) if code else None


def find_authorization(connection: Connection, *conditions: sa.ColumnElement[bool]) -> DeviceAuthorization | None:
    """Find one row."""
    row = connection.execute(sa.select(device_authorizations).where(*conditions)).first()
    return _authorization_of(row) if row else None


def _keep(desk: OAuthDesk, client: Client, thumbprint: str, address: str) -> dict[str, object]:
    device_code, handle = desk.stored.draw(_DEVICE_CODE)
    user_code = _insert(desk, {"device_code": handle, "client": client.id, "thumbprint": thumbprint}, address)
    page = f"{desk.issuer}/device"
    return {
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={user_code}",
        "expires_in": DEVICE_SECONDS,
        "interval": POLL_SECONDS,
    }


def _insert(desk: OAuthDesk, values: dict[str, str], address: str) -> str:
    """Insert a row under a user code that no other row has, and return that code."""
    now = millis_now(desk.ground)
    values_of_all = {
        **values,
        "address": address,
        "state": "pending",
        "begun_at": now,
        "expires_at": now + DEVICE_SECONDS * 1000,
        "poll_seconds": POLL_SECONDS,
    }
    for _ in range(_TRIES):
        made = new_id("dau")
        code = user_code_of(desk, made)
        row = {"id": made, "user_code": desk.stored.handle(_USER_CODE, code), **values_of_all}
        with desk.ground.database.transaction() as connection:
            if insert_if_new(connection, device_authorizations, row):
                return code
    raise Unavailable("no free user code was found", retry_after=2)


def _authorization_of(row: Any) -> DeviceAuthorization:
    return DeviceAuthorization(
        id=row.id,
        client=row.client,
        thumbprint=row.thumbprint,
        address=row.address,
        state=row.state,
        begun_at=row.begun_at,
        expires_at=row.expires_at,
        login=row.login,
        operator=row.operator,
        grant=row.grant_id,
    )
