"""The order of the pages: what a browser's login needs next, and what each of its forms does."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from auth.login.desk import LoginDesk
from auth.login.errors import LoginOver
from auth.login.finish import Step, next_step
from auth.login.logins import get_login
from auth.login.purposes import OAUTH
from auth.oauth.errors import OAuth2Error, UnmetAuthenticationError
from auth.oauth.forms import Form
from auth.oauth.interactions import get_interaction
from auth.oauth.scopes import OPENID
from web.login.purposes import Onward, PagePurpose, Visit, grant

OVER = "over"


@dataclass(frozen=True, slots=True)
class LoginSteps:
    """The steps of every login, whatever it is for."""

    desk: LoginDesk
    purposes: Mapping[str, PagePurpose]

    def visit(self, connection: Connection, given: str, browser: str) -> Visit:
        """Find a login of this browser and what it is for; raises ``LoginOver`` or ``LoginRequestOver``."""
        login = get_login(self.desk, connection, given, browser=browser)
        described = self.desk.purposes[login.purpose](connection, login)
        interaction = None
        if login.purpose == OAUTH:
            interaction = get_interaction(self.desk.oauth, connection, login.reference, browser=browser)
        return Visit(login, described, interaction)

    def state_of(self, connection: Connection, given: str, browser: str) -> str:
        """Tell how far a login is; "over" for one that has ended, is unknown or another browser's."""
        try:
            return get_login(self.desk, connection, given, browser=browser).state
        except LoginOver:
            return OVER

    def next_of(self, connection: Connection, visit: Visit) -> tuple[Step, Onward | None]:
        """Take the steps that need nobody, and tell the one that does, or where the browser goes."""
        step = next_step(self.desk, connection, visit.login, visit.interaction)
        if step is Step.UNMET:
            return step, Onward(self.leave(connection, visit, UnmetAuthenticationError()))
        if step is Step.FINISH:
            return step, self.purposes[visit.login.purpose].finish(self.desk, connection, visit)
        return step, None

    def agree(self, connection: Connection, visit: Visit, form: Form) -> Onward:
        """Grant what is ticked; openid cannot be unticked, and what was not asked for is not looked at."""
        step, onward = self.next_of(connection, visit)
        if onward is not None or step is not Step.AGREE or visit.interaction is None:
            return onward or Onward(f"/login/{visit.login.id}")
        asked = visit.interaction.request.scopes
        chosen = tuple(name for name in asked if name == OPENID or form.get(f"scope.{name}") == "yes")
        return grant(self.desk, connection, visit, chosen)

    def leave(self, connection: Connection, visit: Visit, error: OAuth2Error | None = None) -> str:
        """Give a login up and tell where the browser goes."""
        return self.purposes[visit.login.purpose].leave(self.desk, connection, visit, error)

    def again(self, visit: Visit) -> str:
        """Tell where a new login for the same thing begins."""
        return self.purposes[visit.login.purpose].again(visit.login)
