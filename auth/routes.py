"""The token endpoint answers in OAuth's own form (RFC 6749 section 5), so it stands beside the API, not in it."""

from typing import Any, cast

from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException

from auth.device_tokens import GRANT, SCOPE, AssertionWrong, CardLevel, TokenRequest, grant_token
from auth.errors import DeviceEnded, ProofWrong
from auth.guard import Anyone, allow, gate
from core.errors import Kind, Refusal

blueprint = Blueprint("oauth", __name__, url_prefix="/oauth")

_ERRORS: dict[type[Refusal], str] = {
    AssertionWrong: "invalid_grant",
    DeviceEnded: "invalid_grant",
    ProofWrong: "invalid_dpop_proof",
}


@blueprint.post("/token")
@allow(Anyone)
def post_token() -> tuple[Response, int]:
    """Exchange an assertion of the device key for a DPoP-bound access token."""
    form = request.form
    if request.args or any(len(form.getlist(name)) != 1 for name in form):
        return _error("invalid_request", "parameters belong into the form body, each once")
    if form.get("grant_type") != GRANT:
        return _error("unsupported_grant_type", f"grant_type must be {GRANT}")
    given = TokenRequest(
        assertion=form.get("assertion", ""),
        proof=request.headers.get("DPoP"),
        address=gate().ground.settings.issuer + request.path,
    )
    try:
        token = grant_token(gate(), cast("CardLevel", current_app.extensions["auth.card_level"]), given)
    except Refusal as refusal:
        return _refused(refusal)
    seconds = gate().ground.settings.token_seconds
    return _answer({"access_token": token, "token_type": "DPoP", "expires_in": seconds, "scope": SCOPE}, 200)


@blueprint.errorhandler(HTTPException)
def answer_unreadable(error: HTTPException) -> tuple[Response, int]:
    """Answer a form that is too large, or that cannot be read, in OAuth's form as well."""
    response, _ = _error("invalid_request", error.name)
    return response, error.code or 400


def _refused(refusal: Refusal) -> tuple[Response, int]:
    if refusal.kind is Kind.UNAVAILABLE:
        response, _ = _answer({"error": "temporarily_unavailable", "error_description": refusal.title_en}, 503)
        response.headers["Retry-After"] = str(refusal.retry_after or 2)
        return response, 503
    error = _ERRORS.get(type(refusal), "invalid_request")
    detail = f" ({refusal.detail})" if refusal.detail else ""
    return _error(error, refusal.title_en + detail, code=refusal.code)


def _error(error: str, description: str, **more: str) -> tuple[Response, int]:
    return _answer({"error": error, "error_description": description, **more}, 400)


def _answer(body: dict[str, Any], status: int) -> tuple[Response, int]:
    response = jsonify(body)
    response.headers["Cache-Control"] = "no-store"
    return response, status
