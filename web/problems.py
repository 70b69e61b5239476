"""The only place that knows what a refusal looks like over HTTP: RFC 9457, in Chinese or English."""

import json
from collections.abc import Iterator
from typing import Any

import structlog
from flask import Flask, Response, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException, UnprocessableEntity

from auth.errors import StepUpNeeded
from auth.oauth.routes import answer_unreadable
from auth.schemas import shown_member
from core.errors import Kind, Malformed, Refusal, TooLarge, Unavailable
from sm.errors import KeyStoreError, ProviderUnavailable
from web.edge import PROBLEM, REQUEST_ID

STATUS = {
    Kind.MALFORMED: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.TOO_LARGE: 413,
    Kind.UNPROCESSABLE: 422,
    Kind.LIMITED: 429,
    Kind.UNAVAILABLE: 503,
}


class KeysUnavailable(Unavailable):
    code = "keys_unavailable"
    title_en = "A key that is needed for this cannot be used at the moment; nothing was changed."
    title_zh = "所需密钥暂时不可用，未作任何更改。"


RETRY_AFTER = {Kind.LIMITED: 60, Kind.UNAVAILABLE: 2}
"""Seconds, where the refusal itself names none: whoever is told to come back is told when."""
_CHALLENGES = ('DPoP algs="ES256"', "ESSC-SM2-SM3")
_HTTP_TITLES = {
    404: ("not_found", "所请求的内容不存在。", "There is nothing at this address."),
    405: ("method_not_allowed", "该地址不支持此方法。", "This address does not take that method."),
    406: ("not_acceptable", "无法提供所要求的格式。", "The asked-for format cannot be given."),
    408: ("request_timeout", "请求超时。", "The request took too long to arrive."),
    415: ("unsupported_media_type", "请使用 application/json。", "Send application/json."),
}
_HTTP_NEXT = ("请对照接口文档检查请求。", "Compare the request with the API documentation.")
_FAULT = ("fault", "服务内部错误。", "Something went wrong on our side.")
_FAULT_NEXT = ("请稍后重试，并提供请求编号。", "Try again later; tell us the request id.")
_log = structlog.get_logger("web.problems")


def speaks_chinese() -> bool:
    """Tell whether the caller asked for Chinese before English; English is what nobody asked for."""
    return request.accept_languages.best_match(["en", "zh-CN", "zh"], "en") != "en"


def install_problems(app: Flask) -> None:
    """Answer every refusal, every HTTP error and every fault as a problem document."""
    app.register_error_handler(Refusal, answer_refusal)
    app.register_error_handler(KeyStoreError, answer_keys_away)
    app.register_error_handler(ProviderUnavailable, answer_keys_away)
    app.register_error_handler(HTTPException, answer_http_error)
    app.register_error_handler(Exception, answer_fault)


def list_problems() -> dict[str, tuple[int, str, str, str, str]]:
    """List by code everything that may be said: status, title and next step, each in Chinese and in English."""
    listed = {
        code: (status, title_zh, title_en, *next_step)
        for status, (code, title_zh, title_en), next_step in (
            *((status, titles, _HTTP_NEXT) for status, titles in _HTTP_TITLES.items()),
            (500, _FAULT, _FAULT_NEXT),
        )
    }
    for found in _below(Refusal):
        listed[found.code] = (STATUS[found.kind], found.title_zh, found.title_en, found.next_zh, found.next_en)
    return dict(sorted(listed.items()))


def _below(refusal: type[Refusal]) -> Iterator[type[Refusal]]:
    for deeper in refusal.__subclasses__():
        yield deeper
        yield from _below(deeper)


def answer_refusal(refusal: Refusal, status: int | None = None) -> Response:
    """Show a refusal in the caller's language, with what to do next; under its kind's status unless told another."""
    status = status or STATUS[refusal.kind]
    chinese = speaks_chinese()
    body = {
        "type": f"/docs/problems#{refusal.code}",
        "title": refusal.title_zh if chinese else refusal.title_en,
        "status": status,
        "code": refusal.code,
        "next_step": refusal.next_zh if chinese else refusal.next_en,
    }
    if refusal.detail:
        body["detail"] = refusal.detail
    response = _answer(status, {**body, **refusal.extra}, chinese=chinese)
    retry_after = refusal.retry_after or RETRY_AFTER.get(refusal.kind)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if status == 401:
        for challenge in _challenges(refusal):
            response.headers.add("WWW-Authenticate", challenge)
    return response


def _challenges(refusal: Refusal) -> tuple[str, ...]:
    """Tell how to prove who calls; a holder who has to prove more is told how much (RFC 9470 section 3)."""
    if isinstance(refusal, StepUpNeeded):
        return (f'DPoP error="{refusal.code}", acr_values="{refusal.extra["acr_values"]}"',)
    return _CHALLENGES


def answer_keys_away(fault: Exception) -> Response:
    """Fail closed where a key is missing, withdrawn or out of its dates, and tell whoever reads the logs."""
    log_keys_away(fault)
    return answer_refusal(KeysUnavailable())


def log_keys_away(fault: Exception) -> None:
    """Tell whoever reads the logs which key is away."""
    _log.error("keys_away", kind=type(fault).__name__, exc_info=fault)


def answer_http_error(error: HTTPException) -> Response:
    """Answer what Flask itself refuses, keeping headers such as Allow."""
    if isinstance(error, UnprocessableEntity) or error.code == 400:
        return answer_refusal(Malformed(_first_fault(error)))
    if error.code == 413:
        return answer_refusal(TooLarge())
    if error.response is not None and error.code and error.code < 400:
        return error.response  # type: ignore[return-value]  # a redirect
    status = error.code or 500
    if status == 405 and request.path.startswith("/oauth/"):  # before any endpoint that could say so
        return answer_unreadable(error)
    code, title_zh, title_en = _HTTP_TITLES.get(status, (f"http_{status}", "请求被拒绝。", error.name))
    chinese = speaks_chinese()
    body = {
        "type": f"/docs/problems#{code}",
        "title": title_zh if chinese else title_en,
        "status": status,
        "code": code,
        "next_step": _HTTP_NEXT[0 if chinese else 1],
    }
    response = _answer(status, body, chinese=chinese)
    for name, value in error.get_headers():
        if name.lower() in {"allow", "retry-after"}:
            response.headers[name] = value
    return response


def answer_fault(fault: Exception) -> Response:
    """Say that it was our fault, log where, show nothing."""
    _log.error("fault", kind=type(fault).__name__, exc_info=fault)
    chinese = speaks_chinese()
    body = {
        "type": f"/docs/problems#{_FAULT[0]}",
        "title": _FAULT[1 if chinese else 2],
        "status": 500,
        "code": _FAULT[0],
        "next_step": _FAULT_NEXT[0 if chinese else 1],
    }
    return _answer(500, body, chinese=chinese)


def _first_fault(error: HTTPException) -> str | None:
    """Name the field that is wrong, never its value."""
    cause = getattr(error, "exc", None)
    if not isinstance(cause, ValidationError) or not isinstance(cause.messages, dict):
        return None
    return "; ".join(sorted(_fields(cause.messages)))[:300]


def _fields(messages: Any, path: str = "") -> list[str]:
    if isinstance(messages, dict):
        found = []
        for name, inner in list(messages.items())[:10]:
            shown = "" if not path and _is_location(name) else shown_member(name)
            found += _fields(inner, f"{path}.{shown}" if path else shown)
        return found
    return [f"{path or 'body'}: {messages[0] if isinstance(messages, list) and messages else 'invalid'}"]


def _is_location(name: object) -> bool:
    return name in {"json", "query", "form", "headers"}


def _answer(status: int, body: dict[str, Any], *, chinese: bool) -> Response:
    request.environ[PROBLEM] = body["code"]
    body["request_id"] = request.environ.get(REQUEST_ID, "")
    response = Response(json.dumps(body, ensure_ascii=False), status, mimetype="application/problem+json")
    response.headers["Content-Language"] = "zh-CN" if chinese else "en"
    response.headers["Cache-Control"] = "no-store"
    return response
