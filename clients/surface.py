"""What of the service's OpenAPI document partners call, read into records that both generators write from."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

# Callers of the document → the group of calls that a client has for them.
CALLERS = {"channel": "Channel", "partner (access token)": "Holder", "anyone": "Public"}
GROUPS = ("Channel", "Holder", "OAuth", "Public")
# OAuth endpoints that a partner's back end calls itself. /oauth/authorize is opened by the holder's browser, the device
# flow is for terminals, and userinfo is the same by GET and POST.
OAUTH = {
    ("post", "/oauth/par"): "OAuth",
    ("post", "/oauth/token"): "OAuth",
    ("post", "/oauth/introspect"): "OAuth",
    ("post", "/oauth/revoke"): "OAuth",
    ("get", "/oauth/userinfo"): "Holder",
    ("get", "/oauth/jwks"): "Public",
    ("get", "/.well-known/openid-configuration"): "Public",
}
# What a terminal's software does with a token of the device flow.
NOT_FOR_PARTNERS = {"terminals.enrol"}
_PREFIXES = {"v1", "oauth", ".well-known"}
_METHODS = ("get", "post", "put", "delete")
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a path or query."""

    name: str
    schema: Schema
    description: str
    required: bool


@dataclass(frozen=True)
class Operation:
    """One call; ``body`` and ``answer`` are None where there is none."""

    group: str
    name: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    in_path: tuple[Parameter, ...]
    in_query: tuple[Parameter, ...]
    body: Schema | None
    is_form: bool
    answer: Schema | None
    keeps_answers: bool


@dataclass(frozen=True)
class Surface:
    """The calls, and the named types that they need, both in a fixed order."""

    version: str
    operations: tuple[Operation, ...]
    types: Mapping[str, Schema]


def read_surface(document: Mapping[str, Any]) -> Surface:
    """Read the document; raises ``ValueError`` where two calls of a group would have one name."""
    operations = tuple(sorted(_operations(document), key=lambda one: (one.group, one.path, one.method)))
    names = [(one.group, one.name) for one in operations]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"calls with one name: {sorted(doubled)}")
    return Surface(document["info"]["version"], operations, _types(document, operations))


def words_of(name: str) -> str:
    """Write a name in words: PlatformCertificate → platform certificate."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()


def ways_of(schema: Schema) -> list[Schema]:
    """List what a schema may be, where it may be several things."""
    if "anyOf" in schema:
        return list(schema["anyOf"])
    kind = schema.get("type")
    return [_of_kind(schema, one) for one in kind] if isinstance(kind, list) else []


def _of_kind(schema: Schema, kind: str) -> Schema:
    if kind == "null":
        return {"type": "null"}
    some = {"enum": [one for one in schema["enum"] if one is not None]} if "enum" in schema else {}
    return {**schema, **some, "type": kind}


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            group = _group_of(method, path, item[method]) if method in item else None
            if group is not None:
                yield _operation(group, method, path, item[method])


def _group_of(method: str, path: str, operation: Mapping[str, Any]) -> str | None:
    if not path.startswith("/v1/"):
        return OAUTH.get((method, path))
    if operation.get("x-scope") in NOT_FOR_PARTNERS:
        return None
    return CALLERS.get(operation["x-caller"])


def _operation(group: str, method: str, path: str, given: Mapping[str, Any]) -> Operation:
    parameters = [_parameter(one) for one in given.get("parameters", ()) if one["in"] in ("path", "query")]
    in_path = re.findall(r"{(\w+)}", path)
    known = {one.name: one for one in parameters}
    content = given.get("requestBody", {}).get("content", {})
    return Operation(
        group=group,
        name=_name_of(method, path),
        method=method.upper(),
        path=path,
        summary=given["summary"],
        description=given.get("description", "").replace("``", "`"),
        scope=given.get("x-scope", ""),
        in_path=tuple(known.get(name, Parameter(name, {"type": "string"}, "", required=True)) for name in in_path),
        in_query=tuple(one for one in parameters if one.name not in in_path),
        body=next((one["schema"] for one in content.values()), None),
        is_form=_FORM in content,
        answer=_answer_of(given["responses"]),
        keeps_answers=given.get("x-idempotency") == "kept",
    )


def _parameter(given: Mapping[str, Any]) -> Parameter:
    return Parameter(given["name"], given["schema"], given.get("description", ""), required=given["required"])


def _answer_of(responses: Mapping[str, Any]) -> Schema | None:
    good = next(responses[status] for status in sorted(responses) if status.startswith("2"))
    return next((one["schema"] for one in good.get("content", {}).values()), None)


def _name_of(method: str, path: str) -> str:
    """Name a call by its path; what stands before an id is one of many: /v1/carriages/{carriage} → get_carriage."""
    parts = [part for part in path.split("/") if part and part not in _PREFIXES]
    words = [
        part.removesuffix("s") if parts[place + 1 : place + 2] and parts[place + 1].startswith("{") else part
        for place, part in enumerate(parts)
        if not part.startswith("{")
    ]
    return re.sub(r"\W", "_", "_".join([method, *words]))


def _types(document: Mapping[str, Any], operations: tuple[Operation, ...]) -> Mapping[str, Schema]:
    named = document["components"]["schemas"]
    wanted: set[str] = set()
    waiting = [schema for one in operations for schema in (one.body, one.answer) if schema]
    while waiting:
        for name in set(_references(waiting.pop())) - wanted:
            wanted.add(name)
            waiting.append(named[name])
    wanted |= {"Problem"}
    return {name: named[name] for name in sorted(wanted)}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping) and "$ref" in node:
        yield node["$ref"].rpartition("/")[2]
    for inner in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _references(inner)
