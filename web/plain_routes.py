"""Descriptions that no schema gives: routes that read and answer by hand, answers in other forms, and pages."""

import re
from typing import Any

from flask import Flask

from web.description_parts import FORM, TEXT
from web.oauth_description import OAUTH_ROUTES
from web.published_description import PUBLISHED_ROUTES

PAGES = "pages"
"""The tag of what people see: described by its first sentence alone, and tested as pages are."""
PLAIN_ROUTES: dict[str, Any] = {**OAUTH_ROUTES, **PUBLISHED_ROUTES}
CONTENTS: dict[tuple[str, str], Any] = {
    ("/v1/code-images", "post"): {
        "image/png": {"schema": {"type": "string", "format": "binary"}},
        "image/svg+xml": {"schema": TEXT},
    },
    ("/v1/verification-keys", "get"): {
        "application/json": {"schema": {"type": "object", "description": "the list and its SM2 signature"}}
    },
    ("/v1/channel/statements/{day}", "get"): {"text/csv": {"schema": TEXT}},
    ("/v1/channel/statements/{day}/signature", "get"): {"text/plain": {"schema": TEXT}},
}
"""What an operation answers with 200 where a route writes the body itself."""

_PART = re.compile(r"<(?:(?P<kind>\w+)(?:\((?P<choices>[^)]*)\))?:)?_?(?P<name>\w+)>")
_METHODS = ("GET", "POST")


def path_of(rule: str) -> str:
    """Write a route's rule as OpenAPI writes paths: ``/account/<any(links):_kind>`` as ``/account/{kind}``."""
    return _PART.sub(r"{\g<name>}", rule)


def describe_pages(app: Flask, paths: dict[str, Any]) -> None:
    """Add every route beside the API that nothing has described yet: a page, by the first sentence of its view."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/v1/"):
            continue
        operations = paths.setdefault(path_of(rule.rule), {})
        view = app.view_functions[rule.endpoint]
        for method in _METHODS:
            if method in (rule.methods or ()) and method.lower() not in operations:
                operations[method.lower()] = _page(rule.rule, method, (view.__doc__ or "").partition("\n")[0])


def _page(rule: str, method: str, summary: str) -> dict[str, Any]:
    page = {
        "tags": [PAGES],
        "summary": summary,
        "parameters": [_parameter(part) for part in _PART.finditer(rule)],
        "responses": {"200": {"description": "The page"}, "default": {"description": "Another page that says why"}},
    }
    form = {"requestBody": {"content": {FORM: {"schema": {"type": "object"}}}}} if method == "POST" else {}
    return page | form


def _parameter(part: re.Match[str]) -> dict[str, Any]:
    choices = re.findall(r"[\w-]+", part["choices"] or "")
    schema = {**TEXT, "enum": choices} if choices else TEXT
    return {"name": part["name"], "in": "path", "required": True, "schema": schema}
