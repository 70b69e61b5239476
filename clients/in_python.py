"""The generated part of the Python client: types as TypedDicts, a class of calls for each kind of caller."""

import json
import keyword
import textwrap
from collections.abc import Iterator, Mapping

from clients.surface import GROUPS, Operation, Parameter, Schema, Surface, ways_of, words_of

_HEAD = (
    '"""{title}\n\nWritten by `make clients` from the service\'s description, version {version}; do not edit.\n"""\n'
)
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_WIDTH = 116
CALLERS = {
    "Channel": "Calls that your channel signs (ESSC-SM2-SM3); the answers are verified.",
    "Holder": "Calls with a holder's access token, each with a proof by your DPoP key.",
    "OAuth": "Calls of your OAuth client to the token server; it proves itself by its key.",
    "Public": "What anybody may read.",
}


def write_python(surface: Surface) -> dict[str, str]:
    """Write both files."""
    return {
        "python/ecard_client/types.py": _types(surface),
        "python/ecard_client/operations.py": _operations(surface),
    }


def _types(surface: Surface) -> str:
    parts = [
        _HEAD.format(title="Types of what is sent and answered.", version=surface.version),
        "from typing import Any, Literal, NotRequired, TypedDict",
    ]
    for name, schema in surface.types.items():
        parts.append(_typed_dict(name, schema))
    for operation in surface.operations:
        for suffix, inline in (("Body", operation.body), ("Answer", operation.answer)):
            if inline is not None and "$ref" not in inline:
                parts.append(_typed_dict(_inline_name(operation, suffix), inline))
    return "\n\n".join(parts) + "\n"


def _typed_dict(name: str, schema: Schema) -> str:
    required = set(schema.get("required", ()))
    lines = [f"{name} = TypedDict(", f'    "{name}",', "    {"]
    for member, inner in schema.get("properties", {}).items():
        kind = _type(inner)
        lines += [f"        # {line}" for line in _wrapped(inner.get("description", ""), _WIDTH - 10)]
        lines.append(f'        "{member}": {kind if member in required else f"NotRequired[{kind}]"},')
    lines += ["    },", ")", f'"""One {words_of(name)}."""']
    return "\n".join(lines)


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return f'"{schema["$ref"].rpartition("/")[2]}"'
    if ways := ways_of(schema):
        return _union(_type(one) for one in ways)
    if "enum" in schema:
        return f"Literal[{', '.join(_literal(one) for one in schema['enum'])}]"
    kind = schema.get("type")
    if kind == "array":
        return f"list[{_type(schema.get('items', {}))}]"
    if kind == "object":
        more = schema.get("additionalProperties")
        return f"dict[str, {_type(more) if isinstance(more, Mapping) and more else 'Any'}]"
    return _PLAIN.get(str(kind), "Any")


def _union(kinds: Iterator[str]) -> str:
    found = list(dict.fromkeys(kinds))
    if any(kind.startswith('"') for kind in found):  # a name before its definition cannot be or-ed
        return '"' + " | ".join(kind.strip('"') for kind in found) + '"'
    return " | ".join(found)


def _literal(value: object) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _inline_name(operation: Operation, suffix: str) -> str:
    return "".join(word.title() for word in operation.name.split("_")) + suffix


# ── Calls ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _operations(surface: Surface) -> str:
    parts = [
        _HEAD.format(title="The calls, one class for each kind of caller.", version=surface.version)
        + "\nfrom collections.abc import Mapping\nfrom typing import Any, Literal, Protocol, cast\n"
        + "from urllib.parse import quote\n"
        + "\nfrom ecard_client import types as t\n",
        _SENDER,
    ]
    for group in GROUPS:
        parts.append(f'\nclass {group}Calls:\n    """{CALLERS[group]}"""\n\n    {_INIT}')
        parts += [_call(one) for one in surface.operations if one.group == group]
    return "\n".join(parts).rstrip("\n") + "\n"


_SENDER = '''
class Sender(Protocol):
    """What carries a call: it signs, retries, and turns refusals into errors."""

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        is_form: bool = False,
        idempotency_key: str | None = None,
    ) -> Any:
        """Send one call and give back the JSON of its answer."""

'''
_INIT = "def __init__(self, sender: Sender) -> None:\n        self._sender = sender\n"


def _call(operation: Operation) -> str:
    answer = _reference(operation, "Answer", operation.answer)
    sent = _sent(operation)
    call = f"self._sender.send({', '.join(sent)})"
    doc = textwrap.indent("\n".join(_documentation(operation)), "        ")
    head = f"    def {operation.name}({', '.join(_arguments(operation))}) -> {answer}:"
    if len(head) > _WIDTH:
        inner = "".join(f"        {one},\n" for one in _arguments(operation))
        head = f"    def {operation.name}(\n{inner}    ) -> {answer}:"
    back = f"        {call}" if answer == "None" else f'        return cast("{answer}", {call})'
    return f"{head}\n{doc}\n{back}\n"


def _arguments(operation: Operation) -> list[str]:
    found = ["self", *(f"{_safe(one.name)}: {_type(one.schema)}" for one in operation.in_path)]
    if operation.body is not None:
        found.append(f"body: {_reference(operation, 'Body', operation.body)}")
    query = sorted(operation.in_query, key=lambda one: not one.required)
    named = [_query_argument(one) for one in query]
    if operation.keeps_answers:
        named.append("idempotency_key: str | None = None")
    return [*found, "*", *named] if named else found


def _query_argument(parameter: Parameter) -> str:
    kind = _type(parameter.schema).removesuffix(" | None")
    return (
        f"{_safe(parameter.name)}: {kind}" if parameter.required else f"{_safe(parameter.name)}: {kind} | None = None"
    )


def _sent(operation: Operation) -> Iterator[str]:
    path = operation.path
    for one in operation.in_path:
        path = path.replace(f"{{{one.name}}}", f"{{quote({_safe(one.name)}, safe='')}}")
    yield f'"{operation.method}"'
    yield f'f"{path}"' if operation.in_path else f'"{path}"'
    if operation.in_query:
        pairs = [f'"{one.name}": {_safe(one.name)}' for one in operation.in_query]
        yield f"query={{{', '.join(pairs)}}}"
    if operation.body is not None:
        yield "body=body"
    if operation.is_form:
        yield "is_form=True"
    if operation.keeps_answers:
        yield "idempotency_key=idempotency_key"


def _documentation(operation: Operation) -> Iterator[str]:
    lines = _wrapped(operation.summary, _WIDTH - 14)
    more = [line for one in operation.description.split("\n") for line in _wrapped(one, _WIDTH - 8)]
    if operation.scope:
        more += [*([""] if more else []), f"Scope: {operation.scope}."]
    yield f'"""{lines[0]}'.replace("\\", "\\\\") + ('"""' if len(lines) == 1 and not more else "")
    yield from (line.replace("\\", "\\\\") for line in [*lines[1:], *([""] if more else []), *more])
    if len(lines) > 1 or more:
        yield '"""'


def _reference(operation: Operation, suffix: str, schema: Schema | None) -> str:
    if schema is None:
        return "None"
    name = schema["$ref"].rpartition("/")[2] if "$ref" in schema else _inline_name(operation, suffix)
    return f"t.{name}"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)


def _safe(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name
