"""The authorization endpoint: judge the request, bind it to the browser, hand over to whoever asks the holder."""

from dataclasses import dataclass

from auth.oauth.authorization_requests import (
    AuthorizationRequest,
    read_authorization_request,
    read_redirect,
    read_state,
)
from auth.oauth.clients import Client, millis_now
from auth.oauth.desk import OAuthDesk
from auth.oauth.errors import InvalidRequestError, LoginRequiredError, OAuth2Error
from auth.oauth.forms import Form
from auth.oauth.interactions import begin_interaction, browser_handle, draw_browser, error_address, has_begun
from auth.oauth.profiles import INTERACTION_SECONDS
from auth.oauth.pushed_requests import REFERENCE, PushedRequest, find_pushed_request

_GRACE = INTERACTION_SECONDS * 1000


@dataclass(frozen=True, slots=True)
class Handover:
    """Where the browser goes now; ``cookie`` is the secret it has to keep, None where it goes back to the client."""

    address: str
    cookie: str | None


def start_authorization(desk: OAuthDesk, form: Form, cookie: str | None) -> Handover:
    """Begin an authorization for a browser.

    Raises errors of OAuth as long as it is not sure that the redirect address is the client's; what is wrong after that
    the client is told there.
    """
    client = _require_client(desk, form)
    if client.profile.pushed_only or "request_uri" in form:
        pushed = _require_pushed(desk, client, form, cookie)
        return _hand_over(desk, client, pushed.request, cookie, pushed.handle)
    redirect_uri = read_redirect(client, form)
    state = None
    try:
        state = read_state(form)
        request = read_authorization_request(client, form)
    except OAuth2Error as error:
        return Handover(error_address(desk, redirect_uri, state, error), None)
    return _hand_over(desk, client, request, cookie, None)


def _hand_over(
    desk: OAuthDesk, client: Client, request: AuthorizationRequest, cookie: str | None, pushed: str | None
) -> Handover:
    if "none" in request.prompts:  # a holder proves the card anew each time: there is no session to go on with
        return Handover(error_address(desk, request.redirect_uri, request.state, LoginRequiredError()), None)
    secret, handle = (cookie, browser_handle(desk, cookie)) if cookie else draw_browser(desk)
    interaction = begin_interaction(desk, client, request, browser=handle, pushed=pushed)
    return Handover(desk.login.address_of(interaction), secret)


def _require_client(desk: OAuthDesk, form: Form) -> Client:
    client = desk.clients.find(form.require("client_id"))
    if client is None:
        raise InvalidRequestError("client_id is unknown")  # 401 would have a browser ask for a password
    return client


def _require_pushed(desk: OAuthDesk, client: Client, form: Form, cookie: str | None) -> PushedRequest:
    given = form.get("request_uri")
    if given is None or not given.startswith(REFERENCE):
        raise InvalidRequestError("This client pushes its requests: send the request_uri of the PAR endpoint")
    with desk.ground.database.transaction() as connection:
        pushed = find_pushed_request(desk, connection, client, given)
        if pushed is None and cookie:
            late, now = find_pushed_request(desk, connection, client, given, grace=_GRACE), millis_now(desk.ground)
            pushed = late if late and has_begun(connection, late.handle, browser_handle(desk, cookie), now) else None
    if pushed is None:
        raise InvalidRequestError("request_uri is unknown, used or over: push the request again")
    return pushed
