"""What logins are for, in the words that phone and page show. Each purpose has one function that tells."""

from urllib.parse import urlsplit

from sqlalchemy.engine import Connection

from auth.login.desk import Described
from auth.login.records import Login
from auth.oauth.desk import OAuthDesk
from auth.oauth.interactions import get_interaction
from auth.oauth.scopes import ENROL, SCOPES

OAUTH = "oauth"
ACCOUNT = "account"
DEVICE = "device"


class OAuthPurpose:
    """A client that asks for something: the login's reference is the id of its authorization request."""

    def __init__(self, oauth: OAuthDesk) -> None:
        self._oauth = oauth

    def __call__(self, connection: Connection, login: Login) -> Described:
        """Describe the client; raises ``LoginRequestOver``."""
        asked = get_interaction(self._oauth, connection, login.reference, browser=login.browser)
        host = urlsplit(asked.request.redirect_uri).hostname or ""
        scopes = tuple(SCOPES[name] for name in asked.request.scopes)
        return Described(asked.client.name_zh, asked.client.name_en, host, scopes)


class AccountPurpose:
    """The holder's own page at this service."""

    def __init__(self, issuer: str) -> None:
        self._host = urlsplit(issuer).hostname or ""

    def __call__(self, _connection: Connection, _login: Login) -> Described:
        return Described("我的电子社保卡", "My electronic card", self._host, ())


class DevicePurpose:
    """The page where an operator lets a terminal of his institution register itself."""

    def __init__(self, issuer: str) -> None:
        self._host = urlsplit(issuer).hostname or ""

    def __call__(self, _connection: Connection, _login: Login) -> Described:
        return Described("终端登记", "Terminal registration", self._host, (SCOPES[ENROL],))


class LoginAddresses:
    """Where the login pages are."""

    def address_of(self, interaction: str) -> str:
        """Tell where a browser begins to log in for an authorization request."""
        return f"/login/for/{interaction}"
