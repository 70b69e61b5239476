"""Parts from which the descriptions of routes without schemas are put together."""

from typing import Any

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def text(description: str, example: str | None = None, **more: Any) -> dict[str, Any]:
    """Describe a text."""
    shown = {} if example is None else {"example": example}
    return {"type": "string", "description": description, **more, **shown}


def answer_of(
    description: str, properties: dict[str, Any], *, optional: tuple[str, ...] = (), example: Any = None
) -> dict[str, Any]:
    """Describe an answer in JSON; all members but the ``optional`` ones are always there."""
    required = [name for name in properties if name not in optional]
    schema = {"type": "object", "properties": properties, "required": required}
    return {"description": description, "content": {JSON: _with_example({"schema": schema}, example)}}


def form_of(properties: dict[str, Any], required: tuple[str, ...], *, example: Any = None) -> dict[str, Any]:
    """Describe the form that a request brings; what it holds beside these is ignored (RFC 6749 section 3.2)."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"required": True, "content": {FORM: _with_example({"schema": schema}, example)}}


def query_of(properties: dict[str, Any], required: tuple[str, ...]) -> list[dict[str, Any]]:
    """Describe the same as parameters of an address."""
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in properties.items()
    ]


def _with_example(content: dict[str, Any], example: Any) -> dict[str, Any]:
    return content if example is None else {**content, "example": example}
