"""The endpoints of the authorization server beside the token endpoint (``auth.routes``).

They read forms by hand and answer in OAuth's own form.
"""

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, cast

from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException

from auth.errors import StepUpNeeded
from auth.guard import Anyone, Partner, allow, caller_address
from auth.oauth.authorize import start_authorization
from auth.oauth.device_authorization import authorize_device
from auth.oauth.errors import InvalidRequestError, OAuth2Error, visible
from auth.oauth.forms import Form, read_form, read_parameters
from auth.oauth.interactions import browser_handle
from auth.oauth.limits import WINDOW_SECONDS, count_address
from auth.oauth.metadata import PUBLISHED_SECONDS, RESOURCE_METADATA, key_set, resource_metadata, server_metadata
from auth.oauth.pushed_requests import push_request
from auth.oauth.requests import GivenRequest
from auth.oauth.scopes import OPENID
from auth.oauth.server import Answer, OAuthServer, error_answer
from core.errors import Kind, Limited, Refusal, Unavailable
from sm.errors import KeyStoreError, ProviderUnavailable

blueprint = Blueprint("oauth_server", __name__)

_COOKIE_SECONDS = 3600
_BEARER_ERRORS = {Kind.UNAUTHENTICATED: (401, "invalid_token"), Kind.FORBIDDEN: (403, "insufficient_scope")}
_STATUS = {Kind.MALFORMED: 400, Kind.GONE: 410}
_SLOW_DOWN = "Slow down: too many requests in a short time. Ask again after the seconds of Retry-After"


def server() -> OAuthServer:
    return cast("OAuthServer", current_app.extensions["auth.oauth"])


class ErrorPages(Protocol):
    """What a holder is shown who was sent here with a request that is not right; put in place by ``web``."""

    def show_client_error(self, error: OAuth2Error) -> Response:
        """Show an error that must not be sent to the client."""

    def show_refusal(self, refusal: Refusal) -> Response:
        """Show a refusal."""


def error_pages() -> ErrorPages:
    return cast("ErrorPages", current_app.extensions["auth.error_pages"])


def given_request() -> GivenRequest:
    """Read a POST to an OAuth endpoint; raises ``InvalidRequestError``, and ``Limited`` for a busy address."""
    require_calm_address()
    if request.query_string:
        raise InvalidRequestError("Parameters belong into the form body")
    return GivenRequest(
        method=request.method,
        address=server().desk.issuer + request.path,
        form=read_form(request.content_type, request.get_data()),
        authorization=request.headers.get("Authorization"),
        proof=request.headers.get("DPoP"),
        certificate=_given_certificate(),
        caller=caller_address(),
    )


def _given_query() -> Form:
    require_calm_address()
    return read_parameters(request.query_string)


def require_calm_address() -> None:
    """Limit callers who need prove nothing, by the address they call from; raises ``Limited``."""
    count_address(server().desk, caller_address())


def in_oauth_form(view: Callable[..., Answer]) -> Callable[..., Response]:
    """Answer what the view answers, or the error that it raises, in OAuth's form."""

    @wraps(view)
    def answered(*args: Any, **kwargs: Any) -> Response:
        try:
            return response_of(view(*args, **kwargs))
        except OAuth2Error as error:
            return response_of(error_answer(server().desk, error))
        except Limited as busy:
            return answer_limited(busy)

    return answered


def response_of(answer: Answer) -> Response:
    """Write an answer; nothing of it may be kept by anybody on the way."""
    more = [pair for pair in answer.headers if pair[0] not in {"Content-Type", "Cache-Control", "Pragma"}]
    body = json.dumps(answer.body, separators=(",", ":")).encode() + b"\n"  # jsonify would cost 20 µs more
    return Response(body, answer.status, [("Cache-Control", "no-store"), *more], content_type="application/json")


# ── What is published ────────────────────────────────────────────────────────────────────────────────────────────


@blueprint.get("/.well-known/oauth-authorization-server")
@blueprint.get("/.well-known/openid-configuration")
@allow(Anyone)
def get_metadata() -> Response:
    """Say what this authorization server can do (RFC 8414, OpenID Connect Discovery)."""
    return _published(server_metadata(server().desk))


@blueprint.get(f"{RESOURCE_METADATA}/v1")
@allow(Anyone)
def get_resource_metadata() -> Response:
    """Say whose tokens /v1 takes (RFC 9728)."""
    return _published(resource_metadata(server().desk))


@blueprint.get("/oauth/jwks")
@allow(Anyone)
def get_keys() -> Response:
    """Give the keys that verify tokens (RFC 7517)."""
    return _published(key_set(server().desk))


# ── Authorization ────────────────────────────────────────────────────────────────────────────────────────────────


@blueprint.post("/oauth/par")
@allow(Anyone)
@in_oauth_form
def post_pushed_request() -> Answer:
    """Take an authorization request from a client itself (RFC 9126)."""
    return Answer(201, push_request(server().desk, given_request()))


@blueprint.get("/oauth/authorize")
@blueprint.post("/oauth/authorize")
@allow(Anyone)
def get_authorize() -> Response:
    """Begin an authorization in the holder's browser and send it to the login page, or back with an error."""
    desk = server().desk
    try:
        form = _given_query() if request.method == "GET" else given_request().form
        handover = start_authorization(desk, form, browser_secret() or None)
    except OAuth2Error as error:
        return error_pages().show_client_error(error) if _wants_page() else response_of(error_answer(desk, error))
    except Refusal as refusal:
        if not _wants_page():
            raise
        return error_pages().show_refusal(refusal)
    response = Response(status=303, headers={"Location": handover.address, "Cache-Control": "no-store"})
    if handover.cookie is not None:
        remember_browser(response, handover.cookie)
    return response


@blueprint.post("/oauth/device_authorization")
@allow(Anyone)
@in_oauth_form
def post_device_authorization() -> Answer:
    """Give terminal software a code for its operator to type at /device (RFC 8628)."""
    return Answer(200, authorize_device(server().desk, given_request()))


def given_browser() -> str:
    """Give the handle of the browser by its cookie; pages that act on a login request pass it on."""
    return browser_handle(server().desk, browser_secret())


def browser_secret() -> str:
    """Give the secret in the browser's cookie, "" where it sent none; forms of pages are tied to it."""
    return request.cookies.get(_cookie_name(), "")


# ── Tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────


@blueprint.post("/oauth/introspect")
@allow(Anyone)
@in_oauth_form
def post_introspect() -> Answer:
    """Tell a client, or a protected resource, about a token (RFC 7662)."""
    return server().answer_endpoint("introspection", given_request())


@blueprint.post("/oauth/revoke")
@allow(Anyone)
@in_oauth_form
def post_revoke() -> Answer:
    """Take a token back (RFC 7009)."""
    return server().answer_endpoint("revocation", given_request())


@blueprint.route("/oauth/userinfo", methods=["GET", "POST"])
@allow(Partner, scope=OPENID, resource="/oauth/userinfo", idempotent="own")
def get_userinfo(partner: Partner) -> Response:
    """Say who the holder is to this client: a pseudonym and how surely (OpenID Connect Core section 5.3)."""
    return response_of(Answer(200, {"sub": partner.subject, "acr": partner.acr}))


# ── Errors ───────────────────────────────────────────────────────────────────────────────────────────────────────


@blueprint.errorhandler(HTTPException)
def answer_unreadable(error: HTTPException) -> Response:
    """Answer a form that is too large, or that cannot be read, in OAuth's form as well."""
    response = response_of(Answer(error.code or 400, {"error": "invalid_request", "error_description": error.name}))
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


@blueprint.errorhandler(Refusal)
def answer_refusal(refusal: Refusal) -> Response:
    """Answer a refusal of the service in the form of OAuth, or of its bearer tokens (RFC 6750 section 3)."""
    if refusal.kind is Kind.UNAVAILABLE:
        return answer_unavailable(refusal)
    if refusal.kind is Kind.LIMITED:
        return answer_limited(refusal)
    status, error = _BEARER_ERRORS.get(refusal.kind, (_STATUS.get(refusal.kind, 400), "invalid_request"))
    if isinstance(refusal, StepUpNeeded):
        error = refusal.code
    body = {"error": error, "error_description": visible(refusal), "code": refusal.code}
    response = response_of(Answer(status, body))
    if status in {401, 403}:
        response.headers["WWW-Authenticate"] = f'{_challenge()} error="{error}", {_where_to_ask()}'
    return response


def answer_limited(refusal: Refusal) -> Response:
    """Tell whoever asks too often when to come back; the registry of OAuth has no nearer name than this one."""
    body = {"error": "temporarily_unavailable", "error_description": _SLOW_DOWN, "code": refusal.code}
    response = response_of(Answer(429, body))
    response.headers["Retry-After"] = str(refusal.retry_after or WINDOW_SECONDS)
    return response


@blueprint.errorhandler(KeyStoreError)
@blueprint.errorhandler(ProviderUnavailable)
def answer_unavailable(fault: Exception) -> Response:
    """Say that a part of the service does not answer, and when to come back."""
    refusal = fault if isinstance(fault, Refusal) else Unavailable()
    body = {"error": "temporarily_unavailable", "error_description": visible(refusal)}
    response = response_of(Answer(503, body))
    response.headers["Retry-After"] = str(refusal.retry_after or 2)
    return response


def _wants_page() -> bool:
    """Tell a browser from a program, by what it would rather read."""
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def _published(document: dict[str, Any]) -> Response:
    response = jsonify(document)
    response.headers["Cache-Control"] = f"public, max-age={PUBLISHED_SECONDS}"
    return response


def _challenge() -> str:
    """Ask for a token in the scheme that the client has used; one that has used none is told of the better one."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    return "Bearer" if scheme.lower() == "bearer" else 'DPoP algs="ES256",'


def _where_to_ask() -> str:
    return f'resource_metadata="{server().desk.issuer}{RESOURCE_METADATA}/v1"'


def _given_certificate() -> bytes | None:
    """Take the client's certificate from the trusted proxy (RFC 9440); from anybody else the header is dropped."""
    given = request.headers.get("ClientCert", "")
    trusted = server().desk.ground.settings.trusted_proxy
    if trusted is None or request.remote_addr != trusted or not (given.startswith(":") and given.endswith(":")):
        return None
    try:
        return b64decode(given[1:-1], validate=True)
    except (Base64Error, ValueError):
        return None


def _cookie_name() -> str:
    return "__Host-essc_browser" if _is_https() else "essc_browser"


def remember_browser(response: Response, secret: str) -> None:
    """Give a browser the secret by which it is known again."""
    response.set_cookie(
        _cookie_name(), secret, max_age=_COOKIE_SECONDS, secure=_is_https(), httponly=True, samesite="Lax", path="/"
    )


def _is_https() -> bool:
    return server().desk.issuer.startswith("https://")
