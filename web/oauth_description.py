"""The endpoints of the authorization server as /openapi.json describes them; they read forms and answer by hand."""

from typing import Any

from auth.oauth.client_authentication import ASSERTION_TYPE
from auth.oauth.metadata import GRANTS
from auth.oauth.profiles import CODE
from auth.oauth.scopes import ENROL, LEVELS, SCOPES
from auth.oauth.token_exchange import ACCESS_TOKEN_TYPE, JWT_TYPE
from web.description_parts import NUMBER, TEXT, answer_of, form_of, query_of, text

_CLIENT = "cli_0h3k2m5q8r1t4v7w9x2z5b8d1f"
_CALLBACK = "https://bank.example/card/callback"
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 appendix B
_REQUEST_URI = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c"  # RFC 9126 section 2.2
_SAYS_WHO: list[dict[str, list[str]]] = [{"clientSecret": []}, {"clientCertificate": []}, {}]
"""How a client proves itself outside of the form; ``{}`` stands for an assertion in the form, or for an app."""
_ERROR_MEMBERS = {
    "error": text("A name of OAuth's registry", "invalid_grant"),
    "error_description": text("For the developer; never what was sent"),
    "code": text("The stable code of docs/problems.md, if there is one"),
}


def _error(description: str) -> dict[str, Any]:
    return answer_of(description, _ERROR_MEMBERS, optional=("error_description", "code"))


_REFUSALS = {
    "400": _error("The request was refused, in OAuth's form (RFC 6749 section 5.2)"),
    "413": _error("The body is too large"),
    "429": _error("Too many requests of this address, client or holder: wait for the seconds of Retry-After"),
    "503": _error("Something that is needed does not answer: try again after Retry-After; nothing was changed"),
}
_CLIENT_REFUSALS = {**_REFUSALS, "401": _error("The client is unknown or did not prove who it is (invalid_client)")}
_CLIENT_PARAMETERS = {
    "client_id": text("Of apps and of clients with a certificate, which have no other proof in the form", _CLIENT),
    "client_assertion_type": text("With client_assertion", enum=[ASSERTION_TYPE]),
    "client_assertion": text(
        "JWT by the client's key: iss and sub its id, aud the issuer, exp at most 300 s ahead, jti used once"
    ),
    "client_secret": text("Of clients registered with client_secret_post"),
}
_ASKED = {
    "response_type": text("", enum=["code"]),
    "client_id": text("The client's id", _CLIENT),
    "redirect_uri": text("One of the client's own, letter by letter; of apps on 127.0.0.1 any port", _CALLBACK),
    "scope": text("Names with blanks between them, each once: " + ", ".join(SCOPES), "openid card.read"),
    "code_challenge": text("Base64url SHA-256 of the code_verifier (RFC 7636)", _CHALLENGE),
    "code_challenge_method": text("", enum=["S256"]),
    "state": text("Comes back with the answer", "af0ifjsldkj"),
    "nonce": text("Stands in the ID token"),
    "resource": text("Whom tokens are for (RFC 8707); may stand several times"),
    "dpop_jkt": text("Thumbprint of the key to which the code is bound (RFC 9449 section 10)"),
    "acr_values": text("The least assurance level: " + ", ".join(LEVELS), "L3"),
    "max_age": text("Seconds that the holder's login may be old"),
    "prompt": text("none, or login and consent"),
}
_MUST = ("response_type", "client_id", "redirect_uri", "scope", "code_challenge", "code_challenge_method")
_REQUEST_REFERENCE = text("What the PAR endpoint answered; then client_id alone stands beside it", _REQUEST_URI)
_TOKEN_PARAMETERS = {
    "grant_type": text("", enum=list(GRANTS)),
    "code": text("authorization_code: the code, within its minute"),
    "redirect_uri": text("authorization_code: as it was in the authorization request"),
    "code_verifier": text("authorization_code: what the challenge was made of"),
    "refresh_token": text("refresh_token: the token"),
    "scope": text("refresh_token, token-exchange: fewer scopes than were allowed"),
    "resource": text("For whom, of those that were allowed (RFC 8707)"),
    "device_code": text("device_code: what /oauth/device_authorization answered"),
    "subject_token": text("token-exchange: the client's statement about its customer, a JWT of a minute"),
    "subject_token_type": text("token-exchange", enum=[JWT_TYPE]),
    "requested_token_type": text("token-exchange", enum=[ACCESS_TOKEN_TYPE]),
    "assertion": text("jwt-bearer: JWT, ES256, by the device key of a phone that carries a card"),
    **_CLIENT_PARAMETERS,
}
_TOKENS = {
    "access_token": TEXT,
    "token_type": text("DPoP for a token bound to a key, otherwise Bearer", enum=["DPoP", "Bearer"]),
    "expires_in": {"type": "integer", "description": "Seconds", "example": 300},
    "scope": text("What the token allows", "openid card.read"),
    "refresh_token": text("Where offline_access was allowed"),
    "id_token": text("Where openid was allowed: who the holder is to this client, a pseudonym"),
    "issued_token_type": text("Of token exchange", enum=[ACCESS_TOKEN_TYPE]),
}
_TOKEN_FORM = {
    "token": text("Access token or refresh token"),
    "token_type_hint": text("Is only a hint and is not needed"),
}
_INTROSPECTED = {
    "active": {"type": "boolean"},
    **dict.fromkeys(("iss", "client_id", "sub", "scope", "acr", "jti", "token_type"), TEXT),
    "aud": {"type": "array", "items": TEXT},
    **dict.fromkeys(("auth_time", "iat", "exp"), NUMBER),
    "cnf": {"type": "object", "properties": {"jkt": TEXT}, "required": ["jkt"]},
}
_DEVICE_CODES = {
    "device_code": text("For the terminal alone"),
    "user_code": text("For the operator to type", "BCDF-GHJK"),
    "verification_uri": text("Where"),
    "verification_uri_complete": text("The same with the code in it, for a QR code"),
    "expires_in": NUMBER,
    "interval": NUMBER,
}
_AUTHORIZE = {
    "tags": ["oauth"],
    "responses": {
        "303": {"description": "To the login page; or to the redirect address with error, error_description and state"},
        **_REFUSALS,
    },
}
_USERINFO = {
    "tags": ["oauth"],
    "summary": "Say who the holder is to this client.",
    "description": "OpenID Connect Core section 5.3: a pseudonym of the client's sector, and how surely; nothing else.",
    "responses": {
        "200": answer_of("The holder", {"sub": text("The pseudonym"), "acr": text("", enum=list(LEVELS))}),
        "401": _error("The token or its proof is not good (invalid_token); WWW-Authenticate says where to ask"),
        "403": _error("The token's scope or assurance level does not do"),
        "415": _error("A body has no business here"),
        **_REFUSALS,
    },
}

OAUTH_ROUTES: dict[str, Any] = {
    "/oauth/par": {
        "post": {
            "tags": ["oauth"],
            "summary": "Take an authorization request from a client itself.",
            "description": "RFC 9126; the only way for partners. A DPoP proof here binds the code to its key.",
            "security": _SAYS_WHO,
            "requestBody": form_of(
                {**_ASKED, **_CLIENT_PARAMETERS},
                _MUST,
                example={
                    "response_type": "code",
                    "client_id": _CLIENT,
                    "redirect_uri": _CALLBACK,
                    "scope": "openid card.read",
                    "code_challenge": _CHALLENGE,
                    "code_challenge_method": "S256",
                    "client_assertion_type": ASSERTION_TYPE,
                    "client_assertion": "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl",
                },
            ),
            "responses": {
                "201": answer_of(
                    "Where the request is kept until the browser brings it",
                    {"request_uri": TEXT, "expires_in": NUMBER},
                    example={"request_uri": _REQUEST_URI, "expires_in": 90},
                ),
                **_CLIENT_REFUSALS,
            },
        }
    },
    "/oauth/authorize": {
        "get": {
            **_AUTHORIZE,
            "summary": "Begin an authorization in the holder's browser.",
            "description": "Partners bring a request_uri; others may bring the parameters themselves.",
            "parameters": query_of({**_ASKED, "request_uri": _REQUEST_REFERENCE}, ("client_id",)),
        },
        "post": {
            **_AUTHORIZE,
            "summary": "Begin an authorization by a form, as OpenID Connect allows.",
            "requestBody": form_of({**_ASKED, "request_uri": _REQUEST_REFERENCE}, ("client_id",)),
        },
    },
    "/oauth/token": {
        "post": {
            "tags": ["oauth"],
            "summary": "Exchange what the grant type names for an access token.",
            "description": "Each profile of clients has its grant types; phones that carry a card send an assertion of"
            " their key. A DPoP proof binds the token to its key.",
            "security": [{"dpopProof": []}, *_SAYS_WHO],
            "requestBody": form_of(
                _TOKEN_PARAMETERS,
                ("grant_type",),
                example={
                    "grant_type": CODE,
                    "code": "SplxlOBeZQQYbYS6WxSbIA",
                    "redirect_uri": _CALLBACK,
                    "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
                    "client_id": _CLIENT,
                },
            ),
            "responses": {
                "200": answer_of(
                    "A token of some minutes", _TOKENS, optional=("refresh_token", "id_token", "issued_token_type")
                ),
                **_CLIENT_REFUSALS,
            },
        }
    },
    "/oauth/device_authorization": {
        "post": {
            "tags": ["oauth"],
            "summary": "Give terminal software a code for its operator to type at /device.",
            "description": "RFC 8628; with a DPoP proof, token and terminal are bound to its key.",
            "security": [{"dpopProof": []}, *_SAYS_WHO],
            "requestBody": form_of({"scope": text("", enum=[ENROL]), **_CLIENT_PARAMETERS}, ("scope",)),
            "responses": {
                "200": answer_of("Two codes of ten minutes, and how often to ask for the token", _DEVICE_CODES),
                **_CLIENT_REFUSALS,
            },
        }
    },
    "/oauth/introspect": {
        "post": {
            "tags": ["oauth"],
            "summary": "Tell a client, or a protected resource, about a token.",
            "description": "RFC 7662. A token that is unknown, another client's or over is inactive, and nothing else.",
            "security": _SAYS_WHO,
            "requestBody": form_of({**_TOKEN_FORM, **_CLIENT_PARAMETERS}, ("token",)),
            "responses": {
                "200": answer_of(
                    "What the token says", _INTROSPECTED, optional=tuple(_INTROSPECTED)[1:], example={"active": False}
                ),
                **_CLIENT_REFUSALS,
            },
        }
    },
    "/oauth/revoke": {
        "post": {
            "tags": ["oauth"],
            "summary": "Take a token back.",
            "description": "RFC 7009. An access token alone, or a refresh token with all that came of its grant. One"
            " that is unknown or another client's is answered alike.",
            "security": _SAYS_WHO,
            "requestBody": form_of({**_TOKEN_FORM, **_CLIENT_PARAMETERS}, ("token",)),
            "responses": {"200": answer_of("Done", {}), **_CLIENT_REFUSALS},
        }
    },
    "/oauth/userinfo": {"get": _USERINFO, "post": _USERINFO},
}
