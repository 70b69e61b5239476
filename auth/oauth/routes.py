"""The endpoints of the authorization server. They read forms by hand and answer in OAuth's own form."""

from typing import Any, cast

from flask import Blueprint, Response, current_app, jsonify

from auth.guard import Anyone, allow
from auth.oauth.desk import OAuthDesk
from auth.oauth.metadata import RESOURCE_METADATA, key_set, resource_metadata, server_metadata

blueprint = Blueprint("oauth_server", __name__)

_PUBLISHED_SECONDS = 300


def desk() -> OAuthDesk:
    return cast("OAuthDesk", current_app.extensions["auth.oauth"])


@blueprint.get("/.well-known/oauth-authorization-server")
@blueprint.get("/.well-known/openid-configuration")
@allow(Anyone)
def get_metadata() -> Response:
    """Say what this authorization server can do (RFC 8414, OpenID Connect Discovery)."""
    return _published(server_metadata(desk()))


@blueprint.get(f"{RESOURCE_METADATA}/v1")
@allow(Anyone)
def get_resource_metadata() -> Response:
    """Say whose tokens /v1 takes (RFC 9728)."""
    return _published(resource_metadata(desk()))


@blueprint.get("/oauth/jwks")
@allow(Anyone)
def get_keys() -> Response:
    """Give the keys that verify tokens (RFC 7517)."""
    return _published(key_set(desk()))


def _published(document: dict[str, Any]) -> Response:
    response = jsonify(document)
    response.headers["Cache-Control"] = f"public, max-age={_PUBLISHED_SECONDS}"
    return response
