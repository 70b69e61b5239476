"""Descriptions that no schema gives: the token endpoint, the health of a worker, and answers in other forms."""

from typing import Any

from auth.oauth.metadata import GRANTS
from auth.oauth.scopes import ENROL


def _answer_of(description: str, properties: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"description": description, "content": {kind: {"schema": schema}}}


_TEXT = {"type": "string"}
_OAUTH_ERROR = {
    "description": "An error in OAuth's form (RFC 6749 section 5.2)",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {"error": _TEXT, "error_description": _TEXT, "code": _TEXT},
            }
        }
    },
}
_TOKEN_PARAMETERS = (
    "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "client_id", "client_secret",
    "client_assertion_type", "client_assertion", "device_code",
)  # fmt: skip
_DEVICE_PARAMETERS = ("scope", "client_id", "client_assertion_type", "client_assertion")
_READINESS = {"status": _TEXT, "checks": {"type": "object", "additionalProperties": _TEXT}}
PLAIN_ROUTES: dict[str, Any] = {
    "/oauth/token": {
        "post": {
            "tags": ["oauth"],
            "summary": "Exchange a code, a refresh token, or an assertion of a device key for an access token.",
            "description": "Clients prove themselves as registered; see /.well-known/oauth-authorization-server.",
            "security": [{"dpopProof": []}],
            "requestBody": {
                "required": True,
                "content": {
                    "application/x-www-form-urlencoded": {
                        "schema": {
                            "type": "object",
                            "required": ["grant_type"],
                            "properties": {
                                "grant_type": {"type": "string", "enum": list(GRANTS)},
                                "assertion": {"type": "string", "description": "JWT, ES256, by the device key"},
                                **dict.fromkeys(_TOKEN_PARAMETERS, _TEXT),
                            },
                        }
                    }
                },
            },
            "responses": {
                "200": _answer_of(
                    "A token of some minutes",
                    {"access_token": _TEXT, "token_type": _TEXT, "expires_in": {"type": "integer"}, "scope": _TEXT},
                ),
                "400": _OAUTH_ERROR,
                "401": _OAUTH_ERROR,
                "413": _OAUTH_ERROR,
                "503": _OAUTH_ERROR,
            },
        }
    },
    "/oauth/device_authorization": {
        "post": {
            "tags": ["oauth"],
            "summary": "Give terminal software a code for its operator to type at /device.",
            "description": "RFC 8628; with a DPoP proof, token and terminal are bound to its key.",
            "security": [{"dpopProof": []}, {}],
            "requestBody": {
                "required": True,
                "content": {
                    "application/x-www-form-urlencoded": {
                        "schema": {
                            "type": "object",
                            "required": ["scope"],
                            "properties": {
                                **dict.fromkeys(_DEVICE_PARAMETERS, _TEXT),
                                "scope": {"type": "string", "enum": [ENROL]},
                            },
                        }
                    }
                },
            },
            "responses": {
                "200": _answer_of(
                    "Two codes of ten minutes, and how often to ask for the token",
                    {
                        **dict.fromkeys(
                            ("device_code", "user_code", "verification_uri", "verification_uri_complete"), _TEXT
                        ),
                        "expires_in": {"type": "integer"},
                        "interval": {"type": "integer"},
                    },
                ),
                **dict.fromkeys(("400", "401", "413", "429", "503"), _OAUTH_ERROR),
            },
        }
    },
    "/livez": {
        "get": {
            "tags": ["health"],
            "summary": "Say that the process answers.",
            "responses": {"200": _answer_of("Alive", {"status": _TEXT})},
        }
    },
    "/readyz": {
        "get": {
            "tags": ["health"],
            "summary": "Say whether this worker can do its work.",
            "responses": {"200": _answer_of("Ready", _READINESS), "503": _answer_of("Not ready", _READINESS)},
        }
    },
}

CONTENTS: dict[tuple[str, str], Any] = {
    ("/v1/code-images", "post"): {
        "image/png": {"schema": {"type": "string", "format": "binary"}},
        "image/svg+xml": {"schema": _TEXT},
    },
    ("/v1/verification-keys", "get"): {
        "application/json": {"schema": {"type": "object", "description": "the list and its SM2 signature"}}
    },
}
"""What an operation answers with 200 where a route writes the body itself."""
