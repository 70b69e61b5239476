"""What becomes of a login once nothing is left to ask, and where its browser goes when it is given up.

One row for each purpose; a package with pages of its own adds its row in ``web.app``.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from auth.login.desk import Described, LoginDesk
from auth.login.finish import approval_of
from auth.login.logins import cancel_login, proven, use_login
from auth.login.purposes import ACCOUNT, OAUTH
from auth.login.records import Login
from auth.login.sessions import start_session
from auth.oauth.errors import OAuth2Error
from auth.oauth.interactions import Interaction, complete_interaction, deny_interaction


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser's login with what belongs to it; ``interaction`` is the authorization request behind it, if any."""

    login: Login
    described: Described
    interaction: Interaction | None


@dataclass(frozen=True, slots=True)
class Onward:
    """Where the browser goes; ``session`` is the secret of a session that begins with it."""

    address: str
    session: str | None = None


@dataclass(frozen=True, slots=True)
class PagePurpose:
    """The pages' side of a purpose.

    Attributes:
        finish: called when the level is reached and no consent page of ours is needed; uses the login up, or leaves
            that to the page at the address that it gives.
        leave: ends the login without a result; the error says why, None that the holder wanted it so.
        again: where the holder begins anew.
    """

    finish: Callable[[LoginDesk, Connection, Visit], Onward]
    leave: Callable[[LoginDesk, Connection, Visit, OAuth2Error | None], str]
    again: Callable[[Login], str]


def grant(desk: LoginDesk, connection: Connection, visit: Visit, scopes: tuple[str, ...]) -> Onward:
    """Grant a client what the holder allowed, and go back to it."""
    assert visit.interaction is not None
    approval = approval_of(desk, connection, visit.login, visit.interaction, scopes)
    return Onward(complete_interaction(desk.oauth, visit.interaction, approval))


def _grant_all(desk: LoginDesk, connection: Connection, visit: Visit) -> Onward:
    assert visit.interaction is not None
    return grant(desk, connection, visit, visit.interaction.request.scopes)


def _leave_client(desk: LoginDesk, connection: Connection, visit: Visit, error: OAuth2Error | None) -> str:
    assert visit.interaction is not None
    cancel_login(desk, connection, visit.login)
    return deny_interaction(desk.oauth, visit.interaction, error)


def _open_account(desk: LoginDesk, connection: Connection, visit: Visit) -> Onward:
    known = proven(desk, connection, visit.login)
    use_login(desk, connection, visit.login)
    return Onward("/account", start_session(desk, connection, known))


def _leave_account(desk: LoginDesk, connection: Connection, visit: Visit, _error: OAuth2Error | None) -> str:
    cancel_login(desk, connection, visit.login)
    return "/account"


PAGE_PURPOSES = {
    OAUTH: PagePurpose(_grant_all, _leave_client, lambda login: f"/login/for/{login.reference}"),
    ACCOUNT: PagePurpose(_open_account, _leave_account, lambda _login: "/account"),
}
