"""The phone's side of a login."""

from typing import Any, cast

from flask import current_app

from auth.blueprints import ApiBlueprint
from auth.guard import Phone, allow, caller_address
from auth.login.desk import Described, LoginDesk
from auth.login.logins import approve_login, deny_login, get_own_login, see_login
from auth.login.records import Login
from auth.login.schemas import ApprovedSchema, DeniedSchema, LoginCodeSchema, LoginRequestSchema
from core.clock import to_text

requests = ApiBlueprint("login-requests", __name__, url_prefix="/v1/login-requests", description="Log in by the phone.")


def desk() -> LoginDesk:
    return cast("LoginDesk", current_app.extensions["auth.login"])


@requests.post("")
@allow(Phone, scope="card")
@requests.arguments(LoginCodeSchema())
@requests.response(200, LoginRequestSchema)
def post_login_request(caller: Phone, given: dict[str, Any]) -> dict[str, Any]:
    """See who asks for what, by the code of the login page; from now on no other phone can."""
    with desk().ground.database.transaction() as connection:
        login = see_login(desk(), connection, caller, given["code"], address=caller_address())
        return _view(login, desk().purposes[login.purpose](connection, login))


@requests.post("/<login>/approve")
@allow(Phone, scope="card")
@requests.response(200, ApprovedSchema)
def post_approval(caller: Phone, login: str) -> dict[str, Any]:
    """Say yes; get the number that the holder types into the browser."""
    with desk().ground.database.transaction() as connection:
        number = approve_login(desk(), connection, caller, login)
        expires_at = get_own_login(desk(), connection, caller, login).expires_at
    address = f"{desk().issuer}/login/{login}#{number}"
    return {"number": number, "return_to": address, "expires_at": to_text(expires_at)}


@requests.post("/<login>/deny")
@allow(Phone, scope="card")
@requests.response(200, DeniedSchema)
def post_denial(caller: Phone, login: str) -> dict[str, Any]:
    """Say no; the browser that began the login is told."""
    with desk().ground.database.transaction() as connection:
        deny_login(desk(), connection, caller, login)
    return {"id": login, "state": "denied"}


def _view(login: Login, described: Described) -> dict[str, Any]:
    return {
        "id": login.id,
        "purpose": login.purpose,
        "client": {"name_zh": described.name_zh, "name_en": described.name_en, "host": described.host},
        "scopes": [{"name": scope.name, "zh": scope.zh, "en": scope.en} for scope in described.scopes],
        "needed_level": login.needed_level,
        "state": login.state,
        "begun_at": to_text(login.begun_at),
        "expires_at": to_text(login.expires_at),
    }
