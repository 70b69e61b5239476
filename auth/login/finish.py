"""From a login to an answer for the client: what is left to do, and what the holder has proven and allowed.

A page that serves an authorization request calls ``begin_for_interaction``, then as ``next_step`` says, and at the end
``approval_of`` with ``auth.oauth.interactions.complete_interaction`` in one transaction, or ``deny_interaction``.
"""

from datetime import timedelta
from enum import Enum

from sqlalchemy.engine import Connection

from auth.login.consents import remember_consent, remembers_consent
from auth.login.desk import LoginDesk
from auth.login.errors import LoginOver, LoginTooOld
from auth.login.logins import begin_login, cancel_login, proven, use_login
from auth.login.purposes import OAUTH
from auth.login.records import Login
from auth.oauth.interactions import Approval, Interaction, get_interaction
from auth.oauth.scopes import reaches
from core.errors import Malformed

_LEAST_AGE = timedelta(seconds=60)
"""max_age=0 asks for a new login (OpenID Connect Core section 3.1.2.1): nobody proves and agrees in no time."""
_ASKED_ANEW = {"consent", "login"}


class Step(Enum):
    """What a login needs next."""

    CODE = "code"
    """Show the code; no phone has approved yet."""
    NUMBER = "number"
    """Ask for the number that the phone shows."""
    RAISE = "raise"
    """Ask for chip or password: the phone alone does not reach the level."""
    UNMET = "unmet"
    """Tell the client ``UnmetAuthenticationError``: the card itself stands below the level."""
    AGREE = "agree"
    """Show the consent page."""
    FINISH = "finish"
    """Go on without asking: everything was agreed to before, or nothing needs to be."""
    DENIED = "denied"
    """Tell the client ``AccessDeniedError``: holder or phone said no, or the number was wrong too often."""


_BEFORE_PROOF = {"waiting": Step.CODE, "seen": Step.CODE, "approved": Step.NUMBER, "denied": Step.DENIED}


def begin_for_interaction(desk: LoginDesk, connection: Connection, given: str, *, browser: str) -> Login:
    """Begin the login for an authorization request of this browser, or go on with it; raises ``LoginRequestOver``."""
    asked = get_interaction(desk.oauth, connection, given, browser=browser)
    level = asked.request.needed_level
    return begin_login(desk, connection, browser=browser, purpose=OAUTH, reference=asked.id, needed_level=level)


def next_step(desk: LoginDesk, connection: Connection, login: Login, interaction: Interaction | None = None) -> Step:
    """Tell what comes next; without an interaction nobody asks for a consent.

    Raises what ``proven`` raises.
    """
    if login.state in _BEFORE_PROOF:
        return _BEFORE_PROOF[login.state]
    known = proven(desk, connection, login)
    if not reaches(known.acr, login.needed_level):
        card = desk.card_states(desk.ground.database, known.card)
        return Step.RAISE if card and reaches(card.level, login.needed_level) else Step.UNMET
    if interaction is None or _has_agreed(desk, connection, known.card, interaction):
        return Step.FINISH
    return Step.AGREE


def approval_of(
    desk: LoginDesk, connection: Connection, login: Login, interaction: Interaction, scopes: tuple[str, ...]
) -> Approval:
    """Use a login up for the request that it was begun for, and remember what was agreed to.

    Raises ``Malformed`` for scopes that were not asked for, ``LoginTooOld``, and what ``proven`` raises.
    """
    if login.purpose != OAUTH or login.reference != interaction.id:
        raise LoginOver
    if not set(scopes) <= set(interaction.request.scopes):
        raise Malformed("more scopes than were asked for")
    known = proven(desk, connection, login)
    now = desk.ground.clock()
    if now - known.authenticated_at > _most_age(interaction.request.max_age):
        cancel_login(desk, connection, login)
        raise LoginTooOld(recorded=True)
    use_login(desk, connection, login)
    remember_consent(connection, interaction.client, known.card, scopes, now)
    return Approval(
        card=known.card,
        device=known.device,
        acr=known.acr,
        amr=known.amr,
        authenticated_at=known.authenticated_at,
        scopes=scopes,
    )


def _has_agreed(desk: LoginDesk, connection: Connection, card: str, interaction: Interaction) -> bool:
    if _ASKED_ANEW & set(interaction.request.prompts):
        return False
    return remembers_consent(connection, interaction.client, card, interaction.request.scopes, desk.ground.clock())


def _most_age(max_age: int | None) -> timedelta:
    return timedelta.max if max_age is None else max(_LEAST_AGE, timedelta(seconds=max_age))
