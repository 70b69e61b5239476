"""The holder's own page: see and end what stands on the card, in a short session after a login."""

from typing import cast

from flask import Blueprint, Response, current_app, request
from sqlalchemy.engine import Connection

from auth.devices import active_devices
from auth.guard import Anyone, allow
from auth.login.consents import list_consents
from auth.login.desk import LoginDesk
from auth.login.errors import SessionOver
from auth.login.logins import begin_login
from auth.login.purposes import ACCOUNT
from auth.login.sessions import SESSION_SECONDS, Session, end_session, get_session
from auth.oauth.grants import list_links
from auth.oauth.interactions import browser_handle, draw_browser
from auth.oauth.routes import browser_secret, remember_browser, require_calm_address
from core.errors import Refusal
from web.login.forms import form_token, read_own_form
from web.login.language import in_this_language, page_language
from web.login.page import go_to, show_page
from web.login.refusals import handle_with_pages
from web.login.show import say_refusal
from web.login.things import shown_things

blueprint = handle_with_pages(Blueprint("account_pages", __name__, template_folder="templates"))

_START, _INSIDE = "account-start", "account"
_LEVEL = "L2"
"""The phone alone: what can be ended here is less than what the phone can do anyway."""


def desk() -> LoginDesk:
    return cast("LoginDesk", current_app.extensions["auth.login"])


@blueprint.get("/account")
@allow(Anyone)
def get_account() -> Response:
    """Show what stands on the card, or where to log in."""
    require_calm_address()
    try:
        with desk().ground.database.transaction() as connection:
            return _show_account(connection, get_session(desk(), connection, _session_secret()))
    except SessionOver:
        return _show_start()


@blueprint.post("/account/sign-in")
@allow(Anyone)
def post_sign_in() -> Response:
    """Begin a login for this page."""
    require_calm_address()
    secret = browser_secret()
    read_own_form(desk().oauth, secret, _START)
    browser = browser_handle(desk().oauth, secret)
    with desk().ground.database.transaction() as connection:
        begun = begin_login(desk(), connection, browser=browser, purpose=ACCOUNT, reference="", needed_level=_LEVEL)
    return go_to(in_this_language(f"/login/{begun.id}"))


@blueprint.post("/account/sign-out")
@allow(Anyone)
def post_sign_out() -> Response:
    """End the session."""
    secret = _session_secret()
    read_own_form(desk().oauth, secret, _INSIDE)
    with desk().ground.database.transaction() as connection:
        end_session(desk(), connection, get_session(desk(), connection, secret))
    response = go_to(in_this_language("/account"))
    response.delete_cookie(_cookie_name(), secure=_is_https(), httponly=True, samesite="Lax", path="/")
    return response


def remember_session(response: Response, secret: str) -> None:
    """Give a browser the secret of its session."""
    response.set_cookie(
        _cookie_name(),
        secret,
        max_age=SESSION_SECONDS,
        secure=_is_https(),
        httponly=True,
        samesite="Lax",
        path="/",
    )


def _show_start(refusal: Refusal | None = None) -> Response:
    """Show where to log in, and give the browser a name of its own if it has none."""
    drawn = None if browser_secret() else draw_browser(desk().oauth)[0]
    token = form_token(desk().oauth, drawn or browser_secret(), _START)
    said = say_refusal(refusal, page_language()) if refusal else None
    response = show_page("account/start.html", here="/account", form_token=token, said=said)
    if drawn is not None:
        remember_browser(response, drawn)
    return response


def _show_account(connection: Connection, session: Session) -> Response:
    now = desk().ground.clock()
    things = shown_things(
        page_language(),
        devices=active_devices(connection, session.card),
        grants=list_links(connection, session.card, now)[0],
        consents=list_consents(connection, session.card, now)[0],
    )
    token = form_token(desk().oauth, _session_secret(), _INSIDE)
    return show_page("account/things.html", here="/account", form_token=token, session=session, things=things)


def _session_secret() -> str:
    return request.cookies.get(_cookie_name(), "")


def _cookie_name() -> str:
    return "__Host-essc_account" if _is_https() else "essc_account"


def _is_https() -> bool:
    return desk().issuer.startswith("https://")
