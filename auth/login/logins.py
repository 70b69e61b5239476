"""Logging in by the bound phone: the browser shows a code, the phone approves and shows a number, the browser asks it.

The number goes from the phone to the browser by the holder's hand: whoever was sent a picture of somebody else's code
approves a login whose number nobody in front of that other browser knows (docs/decisions/0011).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest

from sqlalchemy.engine import Connection

from auth.devices import require_active_device
from auth.guard import Phone
from auth.login.codes import code_handle, is_number_of, make_code, make_number, read_number
from auth.login.desk import LoginDesk
from auth.login.errors import (
    CardNotGood,
    LoginNotApproved,
    LoginNotConfirmed,
    LoginOver,
    NumbersSpent,
    NumberWrong,
)
from auth.login.limits import count_approval, count_wrong_code, require_few_wrong_codes
from auth.login.models import logins
from auth.login.records import (
    MOST_WRONG_NUMBERS,
    Login,
    count_wrong_number,
    deny,
    end_expired,
    enter_login,
    find_login,
    find_login_by_code,
    find_open_login,
    lock_login,
    move_login,
)
from auth.oauth.desk import CardState
from auth.oauth.scopes import LEVELS
from core.clock import to_millis
from core.errors import Kind, Refusal, Unavailable
from core.ids import new_id
from core.outbox import record_event

PHONE_LEVEL = "L2"
"""What a phone's key proves by itself; with chip or password it is the card's own level."""
CHIP_FRESH = timedelta(minutes=10)
"""How long after its chip was read before a registered reader a phone counts as held by whoever holds the card."""
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Who logged in, how surely (``acr``), by what (``amr``, RFC 8176), and when the oldest part of it was proven."""

    card: str
    device: str
    acr: str
    amr: tuple[str, ...]
    authenticated_at: datetime


# ── The browser begins ───────────────────────────────────────────────────────────────────────────────────────────


def begin_login(
    desk: LoginDesk, connection: Connection, *, browser: str, purpose: str, reference: str, needed_level: str
) -> Login:
    """Begin a login, or go on with the one that this browser has open for the same thing.

    ``browser`` is the handle of its cookie (``auth.oauth.interactions.browser_handle``), ``purpose`` one of
    ``desk.purposes``, ``reference`` what the purpose knows it by (at most 64 characters), ``needed_level`` the least
    assurance level that will do.
    """
    if purpose not in desk.purposes:
        raise ValueError(f"nobody describes {purpose}")
    now = desk.ground.clock()
    end_expired(connection, browser, purpose, reference, now)
    for _ in range(_TRIES):  # two logins hardly ever have the same code; the second one is drawn again
        made = new_id("lgn")
        code = code_handle(desk.stored, make_code(desk.stored, made))
        values = {"id": made, "browser": browser, "purpose": purpose, "reference": reference}
        enter_login(connection, {**values, "needed_level": needed_level, "code": code}, now)
        found = find_open_login(connection, browser, purpose, reference)
        if found is not None:
            return found
    raise Unavailable("no free login code", retry_after=1)


def begin_anew(
    desk: LoginDesk, connection: Connection, *, browser: str, purpose: str, reference: str, needed_level: str
) -> Login:
    """Begin a login in place of the one that this browser has open for the same thing.

    For what stays open once it is confirmed: whoever had this browser before, and knows its cookie, knows no id of it.
    """
    before = find_open_login(connection, browser, purpose, reference)
    if before is not None:
        _end(desk, connection, before, "begun_again")
    given = {"purpose": purpose, "reference": reference, "needed_level": needed_level}
    return begin_login(desk, connection, browser=browser, **given)


def get_login(desk: LoginDesk, connection: Connection, given_id: str, *, browser: str) -> Login:
    """Find a login of this browser, in whichever state; a denied one as long as it would have lived.

    Raises ``LoginOver`` for one that is unknown, another browser's, used or over.
    """
    login = find_login(connection, given_id)
    if login is None or not compare_digest(login.browser, browser):
        raise LoginOver
    if login.state == "used" or desk.ground.clock() >= login.expires_at:
        raise LoginOver
    return login


def login_code(desk: LoginDesk, login: Login) -> str:
    """Write a login's code as the page shows it, ``BCDF-GHJK``; the same each time, and kept nowhere."""
    code = make_code(desk.stored, login.id)
    return f"{code[:4]}-{code[4:]}"


def app_address(desk: LoginDesk, login: Login) -> str:
    """Give what the page's QR code holds: an https address that the card app claims for itself."""
    return f"{desk.issuer}/app/login/{login_code(desk, login)}"


# ── The phone answers ────────────────────────────────────────────────────────────────────────────────────────────


def see_login(
    desk: LoginDesk, connection: Connection, phone: Phone, given_code: str, *, address: str | None = None
) -> Login:
    """Take a login for this phone, by the code that its page shows; the first phone wins.

    Raises ``LoginOver`` for a code that is unknown, over or another phone's, and counts it for the phone and for the
    ``address`` it calls from; ``WrongCodeLimit``, ``DeviceEnded`` or ``CardNotGood``.
    """
    require_few_wrong_codes(desk, phone.device, address)
    require_good_phone(desk, connection, phone.card, phone.device)
    now = desk.ground.clock()
    code = code_handle(desk.stored, given_code)
    taken = {"card": phone.card, "device": phone.device, "seen_at": to_millis(now)}
    move_login(connection, logins.c.code == code, frm="waiting", to="seen", now=now, **taken)
    login = find_login_by_code(connection, code)
    if login is None or login.device != phone.device:
        count_wrong_code(desk, phone.device, address)
        raise LoginOver(recorded=True)
    return _require_open(desk, login)


def approve_login(desk: LoginDesk, connection: Connection, phone: Phone, login_id: str) -> str:
    """Say yes and give the number to type into the browser; asked again before that, the same one.

    Raises ``LoginOver``, ``LoginLimit``, ``DeviceEnded`` or ``CardNotGood``.
    """
    card = require_good_phone(desk, connection, phone.card, phone.device)
    now = desk.ground.clock()
    own = (logins.c.id == login_id) & (logins.c.device == phone.device)
    if move_login(connection, own, frm="seen", to="approved", now=now, approved_at=to_millis(now)):
        count_approval(desk, card.holder)
    login = get_own_login(desk, connection, phone, login_id)
    if login.state != "approved":
        raise LoginOver
    return make_number(desk.stored, login)


def deny_login(desk: LoginDesk, connection: Connection, phone: Phone, login_id: str) -> None:
    """Say no, before the number is typed in or after; a login that was used stays used (``LoginOver``)."""
    login = find_login(connection, login_id)
    if login is None or login.device != phone.device:
        raise LoginOver
    _end(desk, connection, login, "denied_by_holder")
    if lock_login(connection, login).state == "used":  # maybe at this very moment
        raise LoginOver


def get_own_login(desk: LoginDesk, connection: Connection, phone: Phone, login_id: str) -> Login:
    """Find an open login that this phone has taken; raises ``LoginOver``."""
    login = find_login(connection, login_id)
    if login is None or login.device != phone.device:
        raise LoginOver
    return _require_open(desk, login)


# ── The browser goes on ──────────────────────────────────────────────────────────────────────────────────────────


def confirm_number(desk: LoginDesk, connection: Connection, login: Login, given: str) -> Login:
    """Check the number that the phone shows; sent again once it was right, it stays right.

    Raises ``NumberWrong`` (with ``tries_left``), with the third one ``NumbersSpent``, both recorded; ``LoginOver``,
    ``LoginNotApproved``, and what ends the login as well: ``DeviceEnded`` and ``CardNotGood``.
    """
    if _require_open(desk, login).state == "confirmed":
        return login
    if login.state in {"waiting", "seen"}:
        raise LoginNotApproved
    with _ends_with_its_card(desk, connection, login):
        card = require_good_phone(desk, connection, login.card, login.device)
    if not is_number_of(desk.stored, login, given):
        raise _wrong_number(desk, connection, login, given)
    return _confirm(desk, connection, login, card)


def proven(desk: LoginDesk, connection: Connection, login: Login) -> Proven:
    """Tell what a confirmed login has proven; phone and card still stand at this moment.

    Raises ``LoginNotConfirmed``, ``LoginOver``, ``DeviceEnded`` or ``CardNotGood``.
    """
    current = _require_open(desk, lock_login(connection, login))
    if current.state != "confirmed":
        raise LoginNotConfirmed
    with _ends_with_its_card(desk, connection, current):
        require_good_phone(desk, connection, current.card, current.device)
    return _proven(current)


def raise_by_chip(desk: LoginDesk, connection: Connection, login: Login) -> bool:
    """Raise a confirmed login to the card's own level if the phone's chip was read by a registered reader just now.

    False if that is ten minutes ago or longer; raises what ``proven`` raises.
    """
    known = proven(desk, connection, login)
    device = require_active_device(connection, known.card, known.device)
    if desk.ground.clock() - device.proven_at >= CHIP_FRESH:
        return False
    _raise(desk, connection, login, known, by="sc", since=min(known.authenticated_at, device.proven_at))
    return True


def raise_by_password(desk: LoginDesk, connection: Connection, login: Login, given: str) -> None:
    """Raise a confirmed login to the card's own level by the card's password; raises its refusals as well."""
    known = proven(desk, connection, login)
    desk.check_password(connection, known.card, given)
    _raise(desk, connection, login, known, by="pin", since=known.authenticated_at)


def use_login(desk: LoginDesk, connection: Connection, login: Login) -> None:
    """Use a confirmed login up, once; raises ``LoginOver``."""
    if not move_login(connection, logins.c.id == login.id, frm="confirmed", to="used", now=desk.ground.clock()):
        raise LoginOver


def cancel_login(desk: LoginDesk, connection: Connection, login: Login) -> None:
    """End a login because whoever sits at the browser does not want it."""
    _end(desk, connection, login, "left_by_browser")


# ── What they stand on ───────────────────────────────────────────────────────────────────────────────────────────


def require_good_phone(desk: LoginDesk, connection: Connection, card: str | None, device: str | None) -> CardState:
    """Require that a phone still carries its card and that this stands; raises ``DeviceEnded`` or ``CardNotGood``."""
    assert card is not None
    assert device is not None
    require_active_device(connection, card, device)
    state = desk.card_states(desk.ground.database, card)
    if state is None or not state.active:
        raise CardNotGood
    return state


@contextmanager
def _ends_with_its_card(desk: LoginDesk, connection: Connection, login: Login) -> Iterator[None]:
    """End the login where its phone or card no longer stands, and keep that; "cannot tell now" leaves it open."""
    try:
        yield
    except Refusal as refusal:
        if refusal.kind is not Kind.UNAVAILABLE:
            _end(desk, connection, login, refusal.code)
            refusal.recorded = True
        raise


def _proven(login: Login) -> Proven:
    assert login.card is not None
    assert login.device is not None
    assert login.acr is not None
    assert login.authenticated_at is not None
    known = {"card": login.card, "device": login.device, "acr": login.acr}
    return Proven(**known, amr=login.amr, authenticated_at=login.authenticated_at)


def _confirm(desk: LoginDesk, connection: Connection, login: Login, card: CardState) -> Login:
    assert login.approved_at is not None
    now = desk.ground.clock()
    acr = min(card.level, PHONE_LEVEL, key=LEVELS.index)
    proof = {"acr": acr, "amr": ["hwk"], "authenticated_at": to_millis(login.approved_at)}
    times = {"confirmed_at": to_millis(now)}
    if move_login(connection, logins.c.id == login.id, frm="approved", to="confirmed", now=now, **proof, **times):
        _record(desk, connection, login, "login.confirmed", {"purpose": login.purpose, "acr": acr})
        content = {"login": login.id, "purpose": login.purpose}
        record_event(connection, "login.confirmed", card=login.card, content=content, at=now)
    current = find_login(connection, login.id)
    if current is None or current.state != "confirmed" or now >= current.expires_at:
        raise LoginOver
    return current


def _wrong_number(desk: LoginDesk, connection: Connection, login: Login, given: str) -> Refusal:
    """Count a wrong number; what is not four digits is no guess and is not counted."""
    if read_number(given) is None:
        return NumberWrong(extra={"tries_left": MOST_WRONG_NUMBERS - login.wrong_numbers})
    wrong = count_wrong_number(connection, login, desk.ground.clock())
    if wrong is None:
        return LoginOver()
    if wrong < MOST_WRONG_NUMBERS:
        return NumberWrong(recorded=True, extra={"tries_left": MOST_WRONG_NUMBERS - wrong})
    _record(desk, connection, login, "login.denied", {"because": "numbers"})
    return NumbersSpent(recorded=True)


def _raise(desk: LoginDesk, connection: Connection, login: Login, known: Proven, *, by: str, since: datetime) -> None:
    card = require_good_phone(desk, connection, known.card, known.device)
    amr = [*known.amr, by] if by not in known.amr else list(known.amr)
    values = {"acr": card.level, "amr": amr, "authenticated_at": to_millis(since)}
    now = desk.ground.clock()
    if not move_login(connection, logins.c.id == login.id, frm="confirmed", to="confirmed", now=now, **values):
        raise LoginOver
    _record(desk, connection, login, "login.raised", {"by": by, "acr": card.level})


def _end(desk: LoginDesk, connection: Connection, login: Login, because: str) -> None:
    if deny(connection, logins.c.id == login.id, because, desk.ground.clock()):
        _record(desk, connection, login, "login.denied", {"because": because})


def _record(desk: LoginDesk, connection: Connection, login: Login, act: str, detail: dict[str, str]) -> None:
    """Enter into the audit trail what became of a login that a phone has seen; of others nobody could ask."""
    if login.card is None or login.device is None:
        return
    whole = {**detail, "card": login.card}
    at = desk.ground.clock()
    desk.ground.audit.record(connection, actor=login.device, act=act, subject=login.id, detail=whole, at=at)


def _require_open(desk: LoginDesk, login: Login) -> Login:
    if login.state in {"used", "denied"} or desk.ground.clock() >= login.expires_at:
        raise LoginOver
    return login
