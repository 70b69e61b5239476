"""The pages at /device (RFC 8628 section 3.3): an operator logs in, types what the terminal shows, and lets it in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from flask import Blueprint, Response, current_app, request
from sqlalchemy.engine import Connection

from auth.guard import Anyone, allow, caller_address
from auth.institution_operators import Appointment, NotAnOperator, list_appointments
from auth.login.desk import LoginDesk
from auth.login.errors import LoginNotConfirmed
from auth.login.logins import begin_anew, use_login
from auth.login.purposes import DEVICE
from auth.login.records import Login
from auth.oauth.device_approval import (
    AskingTerminal,
    NewTerminal,
    Operator,
    TerminalRequestOver,
    allow_terminal,
    get_asking_terminal,
    is_still_for,
    refuse_terminal,
    take_request,
)
from auth.oauth.device_authorization import typed_handle
from auth.oauth.forms import Form
from auth.oauth.interactions import browser_handle, draw_browser
from auth.oauth.routes import browser_secret, given_browser, remember_browser, require_calm_address
from auth.oauth.scopes import ENROL, SCOPES
from auth.parties import PURPOSES
from auth.typed_codes import find_code
from core.errors import Kind, Refusal
from web.device.errors import CodeNotCompared
from web.device.purpose import get_operator
from web.device.show import show_asking, show_code_field, show_end, show_places, show_start
from web.login.forms import form_token, read_own_form
from web.login.language import in_this_language
from web.login.page import go_to
from web.login.refusals import handle_with_pages

blueprint = handle_with_pages(Blueprint("device_pages", __name__, template_folder="templates"))

_START = "device-start"
_LEVEL = SCOPES[ENROL].least_level

Act = Callable[[Connection, Login, Operator, Form], str]
"""What a form does; gives the address of the next page."""


@dataclass(frozen=True, slots=True)
class Case:
    """What stands before an operator: where he may act, and the terminal whose code he typed, if he has."""

    login: Login
    places: list[Appointment]
    asking: AskingTerminal | None


def desk() -> LoginDesk:
    return cast("LoginDesk", current_app.extensions["auth.login"])


# ── Before the login ─────────────────────────────────────────────────────────────────────────────────────────────


@blueprint.get("/device")
@allow(Anyone)
def get_start() -> Response:
    """Show what this is about, with the code of a complete address for comparison; whether it is one nobody asks."""
    require_calm_address()
    drawn = None if browser_secret() else draw_browser(desk().oauth)[0]
    token = form_token(desk().oauth, drawn or browser_secret(), _START)
    response = show_start(form_token=token, code=find_code(request.args.get("user_code", "")))
    if drawn is not None:
        remember_browser(response, drawn)
    return response


@blueprint.post("/device/sign-in")
@allow(Anyone)
def post_sign_in() -> Response:
    """Begin the operator's login; the code of a complete address goes with it as its handle."""
    require_calm_address()
    secret = browser_secret()
    form = read_own_form(desk().oauth, secret, _START)
    browser, reference = browser_handle(desk().oauth, secret), typed_handle(desk().oauth, form.get("user_code") or "")
    with desk().ground.database.transaction() as connection:
        begun = begin_anew(
            desk(), connection, browser=browser, purpose=DEVICE, reference=reference or "", needed_level=_LEVEL
        )
    return go_to(in_this_language(f"/login/{begun.id}"))


# ── With a login ─────────────────────────────────────────────────────────────────────────────────────────────────


@blueprint.get("/device/<login>")
@allow(Anyone)
def get_device_page(login: str) -> Response:
    """Show what comes next: the field for the code, the institutions, or who asks."""
    require_calm_address()
    return _page(login)


@blueprint.get("/device/<login>/<any(code,allow,refuse):_form>")
@allow(Anyone)
def get_form_address(login: str, _form: str) -> Response:
    """Lead back whoever opens the address of a form."""
    return go_to(in_this_language(f"/device/{quote(login)}"))


@blueprint.post("/device/<login>/code")
@allow(Anyone)
def post_code(login: str) -> Response:
    """Take the code that the terminal shows."""

    def act(connection: Connection, found: Login, operator: Operator, form: Form) -> str:
        typed = typed_handle(desk().oauth, form.get("user_code") or "")
        take_request(desk().oauth, connection, operator, typed, caller_address())
        return f"/device/{found.id}"

    return _submit(login, act)


@blueprint.post("/device/<login>/allow")
@allow(Anyone)
def post_permission(login: str) -> Response:
    """Let the terminal in, as what the operator says it is."""

    def act(connection: Connection, found: Login, operator: Operator, form: Form) -> str:
        shown = typed_handle(desk().oauth, form.get("user_code") or "")
        if form.get("compared") != "yes" or not is_still_for(connection, operator, shown):
            raise CodeNotCompared
        allow_terminal(desk().oauth, connection, operator, _described(form))
        use_login(desk(), connection, found)
        return "/device/allowed"

    return _submit(login, act)


@blueprint.post("/device/<login>/refuse")
@allow(Anyone)
def post_refusal(login: str) -> Response:
    """Refuse the terminal."""

    def act(connection: Connection, found: Login, operator: Operator, _form: Form) -> str:
        refuse_terminal(desk().oauth, connection, operator)
        use_login(desk(), connection, found)
        return "/device/refused"

    return _submit(login, act)


@blueprint.get("/device/allowed", defaults={"answer": "allowed"})
@blueprint.get("/device/refused", defaults={"answer": "refused"})
@allow(Anyone)
def get_end(answer: str) -> Response:
    """Say what becomes of the terminal now."""
    return show_end(answer)


def _submit(login: str, act: Act) -> Response:
    """Do what a form of this browser's page asks for; what is refused is shown on the page that comes next."""
    require_calm_address()
    form = read_own_form(desk().oauth, browser_secret(), login)
    try:
        with desk().ground.database.transaction() as connection:
            found, operator = get_operator(desk(), connection, login, browser=given_browser())
            onward = act(connection, found, operator, form)
    except Refusal as refusal:
        if refusal.kind is Kind.UNAVAILABLE:
            raise
        return _page(login, refusal, form)
    return go_to(in_this_language(onward))


def _page(login: str, refusal: Refusal | None = None, form: Form | None = None) -> Response:
    try:
        case = _case(login)
    except LoginNotConfirmed:
        return go_to(in_this_language(f"/login/{login}"))
    shared: dict[str, Any] = {"path": f"/device/{case.login.id}", "refusal": refusal}
    if case.asking is None:
        token = form_token(desk().oauth, browser_secret(), login)
        return show_code_field(form_token=token, link=bool(case.login.reference) and refusal is None, **shared)
    place = _chosen(case.places, form)
    if place is None:
        return show_places(places=case.places, **shared)
    token = form_token(desk().oauth, browser_secret(), login)
    several = len(case.places) > 1
    same = case.asking.address == caller_address()
    return show_asking(
        form_token=token, asking=case.asking, place=place, several=several, same=same, form=form, **shared
    )


def _case(login: str) -> Case:
    """Find out what stands before the operator; raises ``NotAnOperator`` for a holder whom nobody appointed."""
    with desk().ground.database.transaction() as connection:
        found, operator = get_operator(desk(), connection, login, browser=given_browser())
        places = list_appointments(connection, operator.card, desk().ground.clock())
        if not places:
            raise NotAnOperator
        try:
            asking = get_asking_terminal(desk().oauth, connection, operator)
        except TerminalRequestOver:
            asking = None
    return Case(found, places, asking)


def _chosen(places: list[Appointment], form: Form | None) -> Appointment | None:
    """Give the institution that page or form names, the only one where there is one."""
    named = request.args.get("institution") or (form.get("institution") if form else None)
    if len(places) == 1:
        return places[0]
    return next((place for place in places if place.institution == named), None)


def _described(form: Form) -> NewTerminal:
    return NewTerminal(
        institution=form.get("institution") or "",
        name=(form.get("name") or "").strip(),
        site=(form.get("site") or "").strip(),
        purposes=tuple(purpose for purpose in PURPOSES if form.get(f"purpose.{purpose}") == "yes"),
    )
