"""The pages on which a holder logs in and agrees. They work without a script; with one they update themselves."""

from collections.abc import Callable
from typing import cast
from urllib.parse import quote

from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy.engine import Connection

from auth.guard import Anyone, allow
from auth.login.finish import begin_for_interaction
from auth.login.logins import confirm_number, raise_by_chip, raise_by_password
from auth.oauth.forms import Form
from auth.oauth.routes import browser_secret, given_browser, require_calm_address
from auth.typed_codes import find_code
from core.errors import Kind, Limited, Missing, Refusal
from web.login.account import remember_session
from web.login.errors import ChipNotRead
from web.login.files import find_page_file
from web.login.forms import form_token, read_own_form
from web.login.language import in_this_language
from web.login.page import go_to, show_page
from web.login.purposes import Onward, Visit
from web.login.refusals import handle_with_pages
from web.login.show import leaves_by_page, show_onward, show_step
from web.login.steps import OVER, LoginSteps

blueprint = handle_with_pages(Blueprint("login_pages", __name__, template_folder="templates"))

_POLLS_A_MINUTE = 60
_FILE_SECONDS = 365 * 24 * 3600
_NO_PAGE_LEFT = {Kind.MALFORMED, Kind.UNAVAILABLE}
"""Refusals that say nothing about the login: a page of their own shows them."""

Act = Callable[[Connection, Visit, Form], Onward | None]
"""What a form does; None where what comes next follows from the login."""


def steps() -> LoginSteps:
    return cast("LoginSteps", current_app.extensions["web.login"])


# ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────


@blueprint.get("/login/for/<interaction>")
@allow(Anyone)
def get_login_for(interaction: str) -> Response:
    """Begin the login for an authorization request, or go on with it."""
    require_calm_address()
    with steps().desk.ground.database.transaction() as connection:
        begun = begin_for_interaction(steps().desk, connection, interaction, browser=given_browser())
    return go_to(in_this_language(f"/login/{begun.id}"))


@blueprint.get("/login/<login>")
@allow(Anyone)
def get_login_page(login: str) -> Response:
    """Show what the login needs now, or go where it leads."""
    try:
        return _page(login)
    except Refusal as refusal:
        return _stay(login, refusal)


@blueprint.get("/login/<login>/state")
@allow(Anyone)
def get_login_state(login: str) -> Response:
    """Tell the page how far its login is, and nothing else."""
    with steps().desk.ground.database.transaction() as connection:
        state = steps().state_of(connection, login, given_browser())
    if state != OVER and steps().desk.ground.ephemeral.count(f"login-state:{login}", 60) > _POLLS_A_MINUTE:
        raise Limited(f"more than {_POLLS_A_MINUTE} in a minute", retry_after=10)
    return jsonify(state=state)


@blueprint.get("/login/<login>/<any(number,password,chip,consent,deny):_form>")
@allow(Anyone)
def get_form_address(login: str, _form: str) -> Response:
    """Lead back to the login whoever opens the address of one of its forms."""
    return go_to(in_this_language(f"/login/{quote(login)}"))


@blueprint.get("/app/login/<code>")
@allow(Anyone)
def get_app_link(code: str) -> Response:
    """Explain the address in the QR code to whoever opens it without the card app; whether it is a code nobody asks."""
    if find_code(code) != code:
        raise Missing
    return show_page("login/app.html", code=code)


@blueprint.get("/login/files/<name>")
@allow(Anyone)
def get_page_file(name: str) -> Response:
    """Serve style sheet, script and icon; another content has another name."""
    found = find_page_file(name)
    if found is None:
        raise Missing
    headers = {"Cache-Control": f"public, max-age={_FILE_SECONDS}, immutable"}
    return Response(found[0], mimetype=found[1], headers=headers)


# ── Forms ────────────────────────────────────────────────────────────────────────────────────────────────────────


@blueprint.post("/login/<login>/number")
@allow(Anyone)
def post_number(login: str) -> Response:
    """Take the number that the phone shows."""

    def act(connection: Connection, visit: Visit, form: Form) -> None:
        confirm_number(steps().desk, connection, visit.login, form.get("number") or "")

    return _submit(login, act)


@blueprint.post("/login/<login>/password")
@allow(Anyone)
def post_password(login: str) -> Response:
    """Take the card's password."""

    def act(connection: Connection, visit: Visit, form: Form) -> Onward | None:
        given = form.get("password")
        if given is None:  # a button pressed too early is no try
            return Onward(f"/login/{login}")
        raise_by_password(steps().desk, connection, visit.login, given)
        return None

    return _submit(login, act)


@blueprint.post("/login/<login>/chip")
@allow(Anyone)
def post_chip(login: str) -> Response:
    """Ask whether the chip card was read just now."""

    def act(connection: Connection, visit: Visit, _form: Form) -> None:
        if not raise_by_chip(steps().desk, connection, visit.login):
            raise ChipNotRead

    return _submit(login, act)


@blueprint.post("/login/<login>/consent")
@allow(Anyone)
def post_consent(login: str) -> Response:
    """Allow what is ticked and go back to the client."""
    return _submit(login, steps().agree)


@blueprint.post("/login/<login>/deny")
@allow(Anyone)
def post_denial(login: str) -> Response:
    """Give the login up and go back to the client."""

    def act(connection: Connection, visit: Visit, _form: Form) -> Onward:
        return Onward(steps().leave(connection, visit))

    return _submit(login, act)


def _submit(login: str, act: Act) -> Response:
    """Do what a form of this browser's page asks for; what is refused is shown on the page that comes next."""
    require_calm_address()
    form = read_own_form(steps().desk.oauth, browser_secret(), login)
    try:
        with steps().desk.ground.database.transaction() as connection:
            visit = steps().visit(connection, login, given_browser())
            onward = act(connection, visit, form) or _next_of(connection, login)
    except Refusal as refusal:
        return _stay(login, refusal)
    return _go(visit, onward or Onward(f"/login/{login}"))


def _stay(login: str, refusal: Refusal) -> Response:
    """Show a refusal on the login's own page as long as it has one."""
    if refusal.kind in _NO_PAGE_LEFT:
        raise refusal
    return _page(login, refusal)


def _page(login: str, refusal: Refusal | None = None) -> Response:
    with steps().desk.ground.database.transaction() as connection:
        visit = steps().visit(connection, login, given_browser())
        step, onward = steps().next_of(connection, visit)
    if onward is not None:
        return _go(visit, onward)
    token = form_token(steps().desk.oauth, browser_secret(), login)
    return show_step(steps().desk, step, visit, form_token=token, again=steps().again(visit), refusal=refusal)


def _next_of(connection: Connection, login: str) -> Onward | None:
    visit = steps().visit(connection, login, given_browser())
    return steps().next_of(connection, visit)[1]


def _go(visit: Visit, onward: Onward) -> Response:
    """Send the browser on; within our own pages in the language that it has chosen."""
    if not onward.address.startswith("/"):
        return show_onward(visit, onward.address) if leaves_by_page(visit) else go_to(onward.address)
    response = go_to(in_this_language(onward.address))
    if onward.session is not None:
        remember_session(response, onward.session)
    return response
