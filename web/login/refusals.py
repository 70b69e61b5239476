"""Pages that say no: a refusal, an error of OAuth or of HTTP, a fault of ours, each with its status."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from auth.oauth.errors import OAuth2Error
from core.errors import Malformed, Missing, Refusal, TooLarge
from sm.errors import KeyStoreError, ProviderUnavailable
from web.edge import PROBLEM, REQUEST_ID
from web.login.language import page_language
from web.login.page import show_page
from web.login.show import say_refusal
from web.login.texts import say
from web.problems import RETRY_AFTER, STATUS, KeysUnavailable, answer_fault, log_keys_away

_HTTP = {404: Missing, 413: TooLarge}


def handle_with_pages(blueprint: Blueprint) -> Blueprint:
    """Have every refusal and fault of a blueprint shown as a page."""
    blueprint.register_error_handler(Refusal, show_refusal)
    blueprint.register_error_handler(HTTPException, show_http_error)
    blueprint.register_error_handler(KeyStoreError, show_keys_away)
    blueprint.register_error_handler(ProviderUnavailable, show_keys_away)
    blueprint.register_error_handler(Exception, show_fault)
    return blueprint


def show_refusal(refusal: Refusal) -> Response:
    """Say what was refused and what to do now."""
    said, status = say_refusal(refusal, page_language()), STATUS[refusal.kind]
    response = _show(status, refusal.code, said.title, said.next, None)
    retry_after = refusal.retry_after or RETRY_AFTER.get(refusal.kind)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def show_http_error(error: HTTPException) -> Response:
    """Show what Flask itself refuses."""
    return show_refusal(_HTTP.get(error.code or 400, Malformed)())


def show_keys_away(fault: Exception) -> Response:
    """Fail closed where a key cannot be used, and tell whoever reads the logs."""
    log_keys_away(fault)
    return show_refusal(KeysUnavailable())


def show_fault(fault: Exception) -> Response:
    """Log what went wrong and show nothing of it."""
    answer_fault(fault)
    language = page_language()
    return _show(500, "fault", say(language, "refused.fault"), say(language, "refused.fault_next"), None)


def show_client_error(error: OAuth2Error) -> Response:
    """Tell the holder that a client's request is not right, where it must not be told the client itself."""
    language = page_language()
    title, step = say(language, "refused.client"), say(language, "refused.client_next")
    detail = ": ".join(part for part in (error.error, error.get_error_description()) if part)
    return _show(error.status_code, error.error, title, step, detail)


def _show(status: int, code: str, title: str, step: str, detail: str | None) -> Response:
    request.environ[PROBLEM] = code
    number = request.environ.get(REQUEST_ID, "")
    return show_page("login/refused.html", status=status, title=title, next=step, detail=detail, request_id=number)
