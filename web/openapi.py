"""The API's description, OpenAPI 3.1, made from the code: routes, callers, schemas, problems."""

from copy import deepcopy
from typing import Any

from flask import Flask
from flask_smorest import Api

from auth.channel_requests import Channel
from auth.guard import CALLERS, Anyone, Rule, allow
from auth.kept_answers import KEY_PATTERN
from auth.repeated_requests import REPLAY
from auth.schemas import ProblemSchema
from web.plain_routes import CONTENTS, PLAIN_ROUTES, describe_pages, path_of

TITLE = "Electronic social security card"

_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "DeviceKey": [{"dpopProof": []}],
    "Phone": [{"dpopToken": [], "dpopProof": []}],
    "Partner": [{"dpopToken": [], "dpopProof": []}],
    "Terminal": [{"signedRequest": []}],
    "Channel": [{"channelSignature": []}],
}
_SCHEMES = {
    "dpopProof": {
        "type": "apiKey",
        "in": "header",
        "name": "DPoP",
        "description": "RFC 9449 proof by the phone's key (ES256); before there is a token with `digest`, the base64url"
        " SHA-256 of the body",
    },
    "clientSecret": {"type": "http", "scheme": "basic", "description": "`client_secret_basic`: client id and secret"},
    "clientCertificate": {"type": "mutualTLS", "description": "`tls_client_auth` (RFC 8705), verified by the proxy"},
    "dpopToken": {"type": "http", "scheme": "dpop", "description": "`Authorization: DPoP <token>` from /oauth/token"},
    "signedRequest": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`ESSC-SM2-SM3 app_id=…,serial_no=…,timestamp=…,nonce=…,signature=…` over method, path and"
        " query, timestamp, nonce and body, each followed by a newline",
    },
    "channelSignature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "the same as `signedRequest`, by a channel's certificate; or another form that was agreed on:"
        " a gateway's sorted parameters, a JSON envelope, HTTP message signatures (RFC 9421), the H5 entry of today",
    },
}
_ANSWER_SIGNATURE = {
    "description": '`serial_no="…",timestamp="…",nonce="…",signature="…"` over status, path and query of the request,'
    " timestamp, nonce of the request and body, each followed by a newline, by a key of /v1/platform-certificates;"
    " refusals are signed as well once the channel is proven",
    "schema": {"type": "string"},
}
_KEY: dict[str, dict[str, Any]] = {
    "kept": {
        "in": "header",
        "name": "Idempotency-Key",
        "required": False,
        "schema": {"type": "string", "pattern": KEY_PATTERN},
        "description": "Kept for 24 hours for each caller: the same key with the same request gives the same answer"
        f" again, marked `{REPLAY}: true`; with another request 422; while the first is still being worked on 409 with"
        " Retry-After. What was wrong with the request itself, and 401, 403, 429 and 5xx, are not kept.",
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    },
    "own": {
        "in": "header",
        "name": "Idempotency-Key",
        "required": False,
        "schema": {"type": "string"},
        "description": "Not needed and not looked at: this request sent twice is harmless by itself.",
    },
}
_PROBLEMS = (400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 503)
_DESCRIPTION_VIEW = "api-docs.openapi_json"


class DescribedApi(Api):  # type: ignore[misc]  # flask_smorest has no types
    """flask-smorest, with problems as this service writes them."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """Leave errors to ``web.problems``."""

    def _register_responses(self) -> None:
        content = {"application/problem+json": {"schema": ProblemSchema}}
        self.spec.components.response("DEFAULT_ERROR", {"description": "A problem (RFC 9457)", "content": content})
        for status in _PROBLEMS:
            self.spec.components.response(
                f"PROBLEM_{status}", {"description": "A problem (RFC 9457)", "content": content}
            )


def describe(app: Flask, version: str) -> DescribedApi:
    """Attach the API description to the application; it is served at /openapi.json."""
    app.config.update(
        API_TITLE=TITLE,
        API_VERSION=version,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={"components": {"securitySchemes": _SCHEMES}, "info": {"description": _DESCRIPTION}},
    )
    api = DescribedApi(app)
    # flask-smorest's own view of the description gets its guard here, like every other route
    app.view_functions[_DESCRIPTION_VIEW] = allow(Anyone)(app.view_functions[_DESCRIPTION_VIEW])
    return api


def name_callers(app: Flask, api: DescribedApi) -> None:
    """Write into each operation who may call it, from the guard itself."""
    paths: dict[str, Any] = api.spec._paths  # noqa: SLF001 - apispec offers no other way to touch up operations
    paths.update(deepcopy(PLAIN_ROUTES))
    for path, method in CONTENTS:
        paths[path][method]["responses"]["200"]["content"] = deepcopy(CONTENTS[path, method])
    describe_pages(app, paths)
    for rule in app.url_map.iter_rules():
        guard: Rule | None = getattr(app.view_functions[rule.endpoint], "rule", None)
        operations = paths.get(path_of(rule.rule))
        if guard is None or operations is None:
            continue
        for method in (rule.methods or set()) & {"GET", "POST", "PUT", "DELETE"}:
            operation = operations.get(method.lower())
            if operation is not None:
                _describe_operation(operation, guard)
                if method in {"POST", "PUT"} and rule.rule.startswith("/v1/"):
                    _describe_repeats(operation, guard)


def _describe_operation(operation: dict[str, Any], guard: Rule) -> None:
    operation["x-caller"] = CALLERS[guard.caller]
    if guard.scope:
        operation["x-scope"] = guard.scope
    operation.setdefault("security", _SECURITY.get(guard.caller.__name__, []))
    responses = operation["responses"]
    for answer in responses.values() if guard.caller is Channel else ():
        if "content" in answer:
            answer.setdefault("headers", {})["ESSC-Signature"] = _ANSWER_SIGNATURE
    speaks_oauth = "oauth" in operation["tags"]  # its refusals have OAuth's form, and stand there already
    refuses = guard.caller is not Anyone or "requestBody" in operation
    for status in _PROBLEMS if refuses and not speaks_oauth else ():
        if "$ref" in responses.get(str(status), {"$ref"}):  # flask-smorest refers to a form of errors that is not ours
            responses[str(status)] = {"$ref": f"#/components/responses/PROBLEM_{status}"}


def _describe_repeats(operation: dict[str, Any], guard: Rule) -> None:
    """Tell what a repeated request does; a route that needs a key of its own form has said so itself."""
    operation["x-idempotency"] = guard.idempotent
    parameters = operation.setdefault("parameters", [])
    if not any(parameter.get("name") == "Idempotency-Key" for parameter in parameters):
        parameters.append(deepcopy(_KEY[guard.idempotent]))


_DESCRIPTION = (
    "Issues electronic cards bound to chip cards, shows SM2-signed codes and redeems each of them once. "
    "Refusals are problem documents (RFC 9457) in Chinese or English by Accept-Language."
)
