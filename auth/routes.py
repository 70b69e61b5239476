"""The token endpoint answers in OAuth's own form (RFC 6749 section 5), so it stands beside the API, not in it."""

from typing import cast

from flask import Blueprint, current_app
from werkzeug.exceptions import HTTPException

from auth.device_tokens import GRANT, CardLevel
from auth.guard import Anyone, allow, gate
from auth.oauth.device_key_grant import answer_device_key
from auth.oauth.routes import (
    answer_refusal,
    answer_unavailable,
    answer_unreadable,
    given_request,
    in_oauth_form,
    server,
)
from auth.oauth.server import Answer
from core.errors import Refusal
from sm.errors import KeyStoreError, ProviderUnavailable

blueprint = Blueprint("oauth", __name__, url_prefix="/oauth")
blueprint.register_error_handler(HTTPException, answer_unreadable)
blueprint.register_error_handler(Refusal, answer_refusal)
blueprint.register_error_handler(KeyStoreError, answer_unavailable)
blueprint.register_error_handler(ProviderUnavailable, answer_unavailable)


@blueprint.post("/token")
@allow(Anyone)
@in_oauth_form
def post_token() -> Answer:
    """Exchange a code, a refresh token, or an assertion of a device key for an access token."""
    given = given_request()
    if given.form.get("grant_type") == GRANT:
        return answer_device_key(gate(), cast("CardLevel", current_app.extensions["auth.card_level"]), given)
    return server().answer_token_request(given)
