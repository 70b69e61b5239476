"""What apps in a browser, on an origin of their own, may read of the authorization server (Fetch standard, CORS).

Only endpoints that no cookie opens are among them, and no answer allows credentials: a page reads nothing that a
program elsewhere could not read as well. The authorization endpoint is not one of them (FAPI 2.0 Security Profile,
requirements for endpoints used by web browsers), nor is any page, nor what only confidential clients call.
"""

from flask import Flask, Response, request

from auth.oauth.metadata import RESOURCE_METADATA

_READABLE = frozenset(
    {
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        f"{RESOURCE_METADATA}/v1",
        "/oauth/jwks",
        "/oauth/token",
        "/oauth/userinfo",
        "/oauth/revoke",
    }
)
_READING = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "DPoP-Nonce, WWW-Authenticate"}
_ASKING = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP",
    "Access-Control-Max-Age": "3600",
}


def let_other_origins_read(app: Flask) -> None:
    """Add the headers to what these endpoints answer, and to the question that browsers ask before they call."""
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    if request.path in _READABLE:  # without Origin too: what is published is kept by caches for all
        response.headers.update(_READING)
        if request.method == "OPTIONS":
            response.headers.update(_ASKING)
    return response
