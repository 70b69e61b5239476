"""What is published for everybody, and the state of workers, as /openapi.json describes it."""

from typing import Any

from web.description_parts import JSON, TEXT, answer_of, text

_READINESS = {"status": TEXT, "checks": {"type": "object", "additionalProperties": TEXT}}
_KEY = {
    "type": "object",
    "required": ["kty", "crv", "x", "y", "use", "alg", "kid"],
    "properties": dict.fromkeys(("kty", "crv", "x", "y", "use", "alg", "kid"), TEXT),
}
_LISTS = {"type": "array", "items": TEXT}


def _published(summary: str, description: str, schema: dict[str, Any], **responses: Any) -> dict[str, Any]:
    answer = {"description": description, "content": {JSON: {"schema": schema}}}
    return {"get": {"tags": ["published"], "summary": summary, "responses": {"200": answer, **responses}}}


def _metadata(summary: str) -> dict[str, Any]:
    members = {"issuer": TEXT, "token_endpoint": TEXT, "jwks_uri": TEXT, "scopes_supported": _LISTS}
    schema = {"type": "object", "properties": members, "required": list(members)}
    return _published(summary, "The metadata; may be kept for five minutes", schema)


_ASSOCIATIONS = {
    "304": {"description": "As the If-None-Match names it"},
    "503": {"$ref": "#/components/responses/PROBLEM_503"},
}

PUBLISHED_ROUTES: dict[str, Any] = {
    "/.well-known/oauth-authorization-server": _metadata("Say what this authorization server can do (RFC 8414)."),
    "/.well-known/openid-configuration": _metadata("Say the same to OpenID Connect clients."),
    "/.well-known/oauth-protected-resource/v1": _published(
        "Say whose tokens /v1 takes (RFC 9728).",
        "The metadata",
        {
            "type": "object",
            "properties": {"resource": TEXT, "authorization_servers": _LISTS, "scopes_supported": _LISTS},
            "required": ["resource", "authorization_servers"],
        },
    ),
    "/oauth/jwks": _published(
        "Give the keys that verify tokens (RFC 7517).",
        "The key that signs, the next one, retired ones; may be kept for five minutes",
        {"type": "object", "required": ["keys"], "properties": {"keys": {"type": "array", "items": _KEY}}},
    ),
    "/.well-known/assetlinks.json": _published(
        "Say which Android apps open which addresses (Digital Asset Links).",
        "One statement for each app",
        {"type": "array", "items": {"type": "object", "required": ["relation", "target"]}},
        **_ASSOCIATIONS,
    ),
    "/.well-known/apple-app-site-association": _published(
        "Say which apps on Apple's systems open which addresses.",
        "The associated domains file",
        {"type": "object", "required": ["applinks"]},
        **_ASSOCIATIONS,
    ),
    "/openapi.json": _published("Give this description.", "OpenAPI 3.1", {"type": "object", "required": ["paths"]}),
    "/login/{login}/state": {
        "get": {
            "tags": ["pages"],
            "summary": "Tell the page how far its login is.",
            "parameters": [{"name": "login", "in": "path", "required": True, "schema": TEXT}],
            "responses": {"200": answer_of("How far", {"state": text("", "seen")})},
        }
    },
    "/livez": {
        "get": {
            "tags": ["health"],
            "summary": "Say that the process answers.",
            "responses": {"200": answer_of("Alive", {"status": TEXT})},
        }
    },
    "/readyz": {
        "get": {
            "tags": ["health"],
            "summary": "Say whether this worker can do its work.",
            "responses": {"200": answer_of("Ready", _READINESS), "503": answer_of("Not ready", _READINESS)},
        }
    },
}
