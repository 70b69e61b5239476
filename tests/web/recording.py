"""Write down every answer that the service gives, and hold it against the description."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from flask import Flask

from web.plain_routes import path_of

HTTP_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Answer:
    """One answer: which route gave it, with which status, kind of content and body."""

    method: str
    route: str
    status: int
    kind: str
    body: bytes

    @property
    def label(self) -> str:
        return f"{self.method} {self.route} {self.status}"


class Recording:
    """A WSGI application around the service that keeps each answer; for httpx, which hands over paths as text."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.answers: list[Answer] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        begun: list[tuple[str, dict[str, str]]] = []
        environ["PATH_INFO"] = environ["PATH_INFO"].encode().decode("latin-1")  # PEP 3333

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            begun.append((status, {name.lower(): value for name, value in headers}))
            return start_response(status, headers, *more)

        with self.app.request_context(environ) as context:
            route = context.request.url_rule
        body = b"".join(self.app(environ, start))
        status, headers = begun[0]
        path = path_of(str(route)) if route else "-"
        kind = headers.get("content-type", "").partition(";")[0]
        self.answers.append(Answer(environ["REQUEST_METHOD"], path, int(status[:3]), kind, body))
        return [body]


def operations_of(description: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """List operations by method and path."""
    return {
        f"{method.upper()} {path}": operations[method]
        for path, operations in description["paths"].items()
        for method in HTTP_METHODS
        if method in operations
    }


def resolve(description: dict[str, Any], node: Any) -> Any:
    """Follow a reference inside of the description."""
    while isinstance(node, dict) and "$ref" in node:
        found: Any = description
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node


def validator_of(description: dict[str, Any], schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema | {"components": description["components"]})


def faults_of(description: dict[str, Any], answer: Answer) -> list[str]:
    """Tell what of an answer is not as the description says."""
    operation = operations_of(description)[f"{answer.method} {answer.route}"]
    described = operation["responses"].get(str(answer.status))
    if described is None:
        return [f"{answer.label}: this status is not described"]
    content = resolve(description, described).get("content", {})
    if not content and not answer.body:
        return []
    if answer.kind not in content:
        return [f"{answer.label}: {answer.kind} is not described"]
    schema = content[answer.kind].get("schema")
    if not answer.kind.endswith("json") or schema is None:
        return []
    found = validator_of(description, schema).iter_errors(json.loads(answer.body))
    return [f"{answer.label}: {'.'.join(map(str, fault.instance_path))}: {fault.message}" for fault in found]
