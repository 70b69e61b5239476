"""The pages' side of a login that lets a terminal in (``web.login.purposes``)."""

from contextlib import suppress

from sqlalchemy.engine import Connection

from auth.guard import caller_address
from auth.institution_operators import NotAnOperator, TooManyWrongCodes
from auth.login.desk import LoginDesk
from auth.login.errors import LoginOver
from auth.login.logins import cancel_login, get_login, proven
from auth.login.purposes import DEVICE
from auth.login.records import Login
from auth.oauth.device_approval import Operator, UserCodeUnknown, has_taken, take_request
from auth.oauth.errors import OAuth2Error
from web.login.purposes import Onward, PagePurpose, Visit


def get_operator(desk: LoginDesk, connection: Connection, given: str, *, browser: str) -> tuple[Login, Operator]:
    """Find the login of this browser and who it has proven; raises ``LoginOver`` and what ``proven`` raises."""
    login = get_login(desk, connection, given, browser=browser)
    if login.purpose != DEVICE:
        raise LoginOver
    return login, _operator_of(desk, connection, login)


def _operator_of(desk: LoginDesk, connection: Connection, login: Login) -> Operator:
    known = proven(desk, connection, login)
    return Operator(
        card=known.card,
        device=known.device,
        login=login.id,
        acr=known.acr,
        amr=known.amr,
        authenticated_at=known.authenticated_at,
    )


def _finish(desk: LoginDesk, connection: Connection, visit: Visit) -> Onward:
    """Look up the code that came with the address, and leave the login to the page; a wrong code is counted as well.

    Once the operator has typed another one, going back here does not bring the code of the address again.
    """
    operator = _operator_of(desk, connection, visit.login)
    if visit.login.reference and not has_taken(connection, operator):
        with suppress(UserCodeUnknown, NotAnOperator, TooManyWrongCodes):  # the page says so
            take_request(desk.oauth, connection, operator, visit.login.reference, caller_address())
    return Onward(f"/device/{visit.login.id}")


def _leave(desk: LoginDesk, connection: Connection, visit: Visit, _error: OAuth2Error | None) -> str:
    cancel_login(desk, connection, visit.login)
    return "/device"


DEVICE_PURPOSE = PagePurpose(_finish, _leave, lambda _login: "/device")
