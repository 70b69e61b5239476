"""A browser at the login pages, without the pages: it calls what they call, each time in a transaction of its own."""

from typing import Any

from auth.login import finish, logins
from auth.login.desk import LoginDesk
from auth.login.finish import Step
from auth.login.logins import Proven
from auth.login.records import Login
from auth.oauth.interactions import browser_handle, complete_interaction, deny_interaction, get_interaction
from cli.phone import Phone
from tests.oauth.clients_of_tests import OAuthClient, make_relying_party
from tests.service import Service


class Browser:
    """One browser, known by the handle of its cookie, with one login."""

    def __init__(self, service: Service, name: str = "a browser") -> None:
        self.service = service
        self.handle = browser_handle(self.desk.oauth, name)
        self.id = ""
        self.interaction = ""

    @property
    def desk(self) -> LoginDesk:
        return self.service.runtime.login

    def do(self, act: Any, *given: Any, **named: Any) -> Any:
        """Run a function of the login with this browser's login as it stands."""
        with self.service.database.transaction() as connection:
            return act(self.desk, connection, self.look(), *given, **named)

    def begin(self, purpose: str = "account", reference: str = "", needed_level: str = "L1") -> "Browser":
        with self.service.database.transaction() as connection:
            asked = {"purpose": purpose, "reference": reference, "needed_level": needed_level}
            self.id = logins.begin_login(self.desk, connection, browser=self.handle, **asked).id
        return self

    def begin_for(self, client: OAuthClient, **changes: Any) -> "Browser":
        """Come from a client: the interaction is of the browser of the test's HTTP client."""
        self.interaction = client.begin(**changes)
        self.handle = browser_handle(self.desk.oauth, self.service.http.cookies["__Host-essc_browser"])
        with self.service.database.transaction() as connection:
            begun = finish.begin_for_interaction(self.desk, connection, self.interaction, browser=self.handle)
        self.id = begun.id
        return self

    def look(self) -> Login:
        with self.service.database.transaction() as connection:
            return logins.get_login(self.desk, connection, self.id, browser=self.handle)

    @property
    def code(self) -> str:
        return logins.login_code(self.desk, self.look())

    def type(self, number: str) -> Login:
        return self.do(logins.confirm_number, number)

    def proven(self) -> Proven:
        return self.do(logins.proven)

    def log_in(self, phone: Phone) -> "Browser":
        """Go the whole way to a confirmed login."""
        self.type(approve(phone, self))
        return self

    # ── for a client ─────────────────────────────────────────────────────────────────────────────────────────────

    def step(self) -> Step:
        with self.service.database.transaction() as connection:
            return finish.next_step(self.desk, connection, self.look(), self._asked(connection))

    def agree(self, *scopes: str) -> str:
        """Allow what was asked for, or only these; give the address the browser goes to."""
        with self.service.database.transaction() as connection:
            asked = self._asked(connection)
            allowed = scopes or asked.request.scopes
            approval = finish.approval_of(self.desk, connection, self.look(), asked, allowed)
            return complete_interaction(self.desk.oauth, asked, approval)

    def refuse(self, error: Any = None) -> str:
        with self.service.database.transaction() as connection:
            return deny_interaction(self.desk.oauth, self._asked(connection), error)

    def _asked(self, connection: Any) -> Any:
        return get_interaction(self.desk.oauth, connection, self.interaction, browser=self.handle)


class Town:
    """A service, a holder's phone, and a relying party."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.card = service.make_card(1)
        self.phone = service.enroll(card=self.card)
        self.clock = service.clock

    @property
    def desk(self) -> LoginDesk:
        return self.service.runtime.login

    def browser(self, name: str = "a browser") -> Browser:
        return Browser(self.service, name)

    def relying_party(self, **more: Any) -> OAuthClient:
        return make_relying_party(self.service, **more)

    def other_phone(self, number: int = 2) -> Phone:
        """The phone of somebody else."""
        return self.service.enroll(card=self.service.make_card(number))


def approve(phone: Phone, browser: Browser) -> str:
    """Scan, approve, and read the number from the phone."""
    assert phone.sign_in().status_code == 200
    seen = phone.scan_login(browser.code)
    assert seen.status_code == 200, seen.text
    approved = phone.approve_login(seen.json()["id"])
    assert approved.status_code == 200, approved.text
    return approved.json()["number"]
