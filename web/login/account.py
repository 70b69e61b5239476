"""The holder's own page: see and end what stands on the card, in a short session after a login."""

from typing import cast

from flask import Blueprint, Response, current_app, request
from sqlalchemy.engine import Connection

from auth.devices import active_devices
from auth.guard import Anyone, allow
from auth.login.consents import list_consents
from auth.login.desk import LoginDesk
from auth.login.endings import end_consent, end_link, end_phone
from auth.login.errors import SessionOver
from auth.login.logins import begin_login
from auth.login.purposes import ACCOUNT
from auth.login.sessions import SESSION_SECONDS, Session, end_session, get_session
from auth.oauth.grants import list_links
from auth.oauth.interactions import browser_handle, draw_browser
from auth.oauth.routes import browser_secret, remember_browser, require_calm_address
from core.errors import Kind, Missing
from web.login.forms import form_token, read_own_form
from web.login.language import in_this_language, page_language
from web.login.page import go_to, show_page
from web.login.refusals import handle_with_pages
from web.login.show import say_refusal
from web.login.things import Things, shown_things
from web.problems import STATUS

blueprint = handle_with_pages(Blueprint("account_pages", __name__, template_folder="templates"))

_START, _INSIDE = "account-start", "account"
_LEVEL = "L2"
"""The phone alone: what can be ended here is less than what the phone can do anyway."""
_CONSENTS = "consents"
"""What can be had again by agreeing again is ended without asking twice."""


def desk() -> LoginDesk:
    return cast("LoginDesk", current_app.extensions["auth.login"])


@blueprint.errorhandler(SessionOver)
def show_session_over(over: SessionOver) -> Response:
    """Show where to log in again."""
    return _show_start(over)


@blueprint.get("/account")
@allow(Anyone)
def get_account() -> Response:
    """Show what stands on the card, or where to log in."""
    require_calm_address()
    try:
        with desk().ground.database.transaction() as connection:
            session = get_session(desk(), connection, _session_secret())
            things = _things(connection, session)
    except SessionOver:
        return _show_start()
    token = form_token(desk().oauth, _session_secret(), _INSIDE)
    return show_page("account/things.html", here="/account", form_token=token, things=things, done=_is_done())


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
    read_own_form(desk().oauth, _get_secret(), _INSIDE)
    with desk().ground.database.transaction() as connection:
        end_session(desk(), connection, get_session(desk(), connection, _get_secret()))
    response = go_to(in_this_language("/account"))
    response.delete_cookie(_cookie_name(), secure=_is_https(), httponly=True, samesite="Lax", path="/")
    return response


@blueprint.post("/account/<any(devices,links,consents):kind>/<thing>/end")
@allow(Anyone)
def post_end(kind: str, thing: str) -> Response:
    """End one thing; what cannot be undone by the holder alone is asked about once more."""
    require_calm_address()
    form = read_own_form(desk().oauth, _get_secret(), _INSIDE)
    with desk().ground.database.transaction() as connection:
        session = get_session(desk(), connection, _get_secret())
        if kind != _CONSENTS and form.get("sure") != "yes":
            return _ask_again(connection, session, kind, thing)
        _end(connection, session, kind, thing)
    return go_to(in_this_language("/account?done=yes"))


@blueprint.get("/account/<any(devices,links,consents):_kind>/<_thing>/end")
@blueprint.get("/account/<any('sign-in','sign-out'):_act>")
@allow(Anyone)
def get_form_address(**_parts: str) -> Response:
    """Lead back whoever opens the address of a form."""
    return go_to(in_this_language("/account"))


def remember_session(response: Response, secret: str) -> None:
    """Give a browser the secret of its session."""
    response.set_cookie(
        _cookie_name(), secret, max_age=SESSION_SECONDS, secure=_is_https(), httponly=True, samesite="Lax", path="/"
    )


def _show_start(over: SessionOver | None = None) -> Response:
    """Show where to log in, and see to it that the browser has a name of its own for as long as a login takes."""
    secret = browser_secret() or draw_browser(desk().oauth)[0]
    said = say_refusal(over, page_language()) if over else None
    response = show_page(
        "account/start.html",
        status=STATUS[Kind.GONE] if over else 200,
        here="/account",
        form_token=form_token(desk().oauth, secret, _START),
        said=said,
        done=_is_done(),
    )
    remember_browser(response, secret)
    return response


def _ask_again(connection: Connection, session: Session, kind: str, given: str) -> Response:
    listed = _things(connection, session).of(kind)
    thing = next((thing for thing in listed if thing.id == given), None)
    if thing is None:
        raise Missing
    token = form_token(desk().oauth, _get_secret(), _INSIDE)
    path = f"/account/{kind}/{thing.id}/end"
    return show_page("account/sure.html", here="/account", form_token=token, path=path, kind=kind, thing=thing)


def _end(connection: Connection, session: Session, kind: str, given: str) -> None:
    """End one thing of the holder's; raises ``Missing``."""
    ground, card, actor = desk().ground, session.card, session.device
    if kind == "devices":
        end_phone(ground, connection, card=card, device=given, actor=actor)
    elif kind == "links":
        end_link(ground, connection, card=card, grant=given, actor=actor)
    else:
        end_consent(ground, connection, card=card, client=given, actor=actor)


def _things(connection: Connection, session: Session) -> Things:
    now = desk().ground.clock()
    return shown_things(
        page_language(),
        devices=active_devices(connection, session.card),
        this_device=session.device,
        links=list_links(connection, session.card, now)[0],
        consents=list_consents(connection, session.card, now)[0],
    )


def _is_done() -> bool:
    return request.args.get("done") == "yes"


def _get_secret() -> str:
    """Give the secret of the session's cookie; raises ``SessionOver`` where there is none."""
    if not _session_secret():
        raise SessionOver
    return _session_secret()


def _session_secret() -> str:
    return request.cookies.get(_cookie_name(), "")


def _cookie_name() -> str:
    return "__Host-essc_account" if _is_https() else "essc_account"


def _is_https() -> bool:
    return desk().issuer.startswith("https://")
