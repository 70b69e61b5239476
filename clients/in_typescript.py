"""The generated part of the TypeScript client: types, and a class of calls for each kind of caller.

Only what Node can strip is written: no enums, no parameter properties, no namespaces.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping

from clients.in_python import CALLERS
from clients.surface import GROUPS, Operation, Parameter, Schema, Surface, ways_of, words_of

_HEAD = "// {title} Written by `make clients` from the service's description, version {version}; do not edit.\n"
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_WIDTH = 116


def write_typescript(surface: Surface) -> dict[str, str]:
    """Write both files."""
    return {"typescript/src/types.ts": _types(surface), "typescript/src/operations.ts": _operations(surface)}


def _types(surface: Surface) -> str:
    parts = [_HEAD.format(title="Types of what is sent and answered.", version=surface.version)]
    parts += [_interface(name, schema) for name, schema in surface.types.items()]
    for operation in surface.operations:
        for suffix, inline in (("Body", operation.body), ("Answer", operation.answer)):
            if inline is not None and "$ref" not in inline:
                parts.append(_interface(_inline_name(operation, suffix), inline))
    return "\n".join(parts)


def _interface(name: str, schema: Schema) -> str:
    required = set(schema.get("required", ()))
    lines = [f"/** One {words_of(name)}. */", f"export interface {name} {{"]
    for member, inner in schema.get("properties", {}).items():
        lines += _comment(inner.get("description", ""), "  ")
        lines.append(f"  {member}{'' if member in required else '?'}: {_type(inner)};")
    return "\n".join([*lines, "}", ""])


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if ways := ways_of(schema):
        return " | ".join(dict.fromkeys(_type(one) for one in ways))
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"Array<{_type(schema.get('items', {}))}>"
    return _object(schema) if kind == "object" else _PLAIN.get(str(kind), "unknown")


def _object(schema: Schema) -> str:
    required, more = set(schema.get("required", ())), schema.get("additionalProperties")
    if inside := schema.get("properties"):
        members = [f"{name}{'' if name in required else '?'}: {_type(one)}" for name, one in inside.items()]
        return f"{{ {'; '.join(members)} }}"
    return f"Record<string, {_type(more) if isinstance(more, Mapping) and more else 'unknown'}>"


def _comment(text: str, indent: str) -> list[str]:
    lines = textwrap.wrap(" ".join(text.replace("*/", "* /").split()), _WIDTH - len(indent) - 8, break_long_words=False)
    if len(lines) > 1:
        return [f"{indent}/**", *(f"{indent} * {line}" for line in lines), f"{indent} */"]
    return [f"{indent}/** {line} */" for line in lines]


def _inline_name(operation: Operation, suffix: str) -> str:
    return "".join(word.title() for word in operation.name.split("_")) + suffix


# ── Calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

_SENDER = """import type * as t from "./types.ts";

/** One call on its way. */
export interface Call {
  method: string;
  path: string;
  query?: Record<string, string | number | boolean | null | undefined>;
  body?: unknown;
  isForm?: boolean;
  idempotencyKey?: string;
}

/** What carries a call: it signs, retries, and turns refusals into errors. */
export interface Sender {
  send(call: Call): Promise<unknown>;
}
"""


def _operations(surface: Surface) -> str:
    parts = [_HEAD.format(title="The calls, one class for each kind of caller.", version=surface.version), _SENDER]
    for group in GROUPS:
        parts.append(f"/** {CALLERS[group]} */\nexport class {group}Calls {{\n{_CONSTRUCTOR}")
        calls = [_call(one) for one in surface.operations if one.group == group]
        parts.append("\n".join(calls) + "}\n")
    return "\n".join(parts)


_CONSTRUCTOR = """  readonly #sender: Sender;

  constructor(sender: Sender) {
    this.#sender = sender;
  }
"""


def _call(operation: Operation) -> str:
    answer = _reference(operation, "Answer", operation.answer)
    said = [operation.summary, operation.description, f"Scope: {operation.scope}." if operation.scope else ""]
    lines = _comment(" ".join(one for one in said if one), "  ")
    lines.append(f"  async {_camel(operation.name)}({', '.join(_arguments(operation))}): Promise<{answer}> {{")
    sent = f"this.#sender.send({{ {', '.join(_sent(operation))} }})"
    lines.append(f"    await {sent};" if answer == "void" else f"    return (await {sent}) as {answer};")
    return "\n".join([*lines, "  }", ""])


def _arguments(operation: Operation) -> Iterator[str]:
    yield from (f"{_camel(one.name)}: {_type(one.schema)}" for one in operation.in_path)
    if operation.body is not None:
        yield f"body: {_reference(operation, 'Body', operation.body)}"
    options = [_query_option(one) for one in operation.in_query]
    if operation.keeps_answers:
        options.append("idempotencyKey?: string")
    if options:
        needed = any(one.required for one in operation.in_query)
        yield f"options: {{ {'; '.join(options)} }}{'' if needed else ' = {}'}"


def _query_option(parameter: Parameter) -> str:
    return f"{parameter.name}{'' if parameter.required else '?'}: {_type(parameter.schema)}"


def _sent(operation: Operation) -> Iterator[str]:
    path = operation.path
    for one in operation.in_path:
        path = path.replace(f"{{{one.name}}}", f"${{encodeURIComponent({_camel(one.name)})}}")
    yield f'method: "{operation.method}"'
    yield f"path: `{path}`" if operation.in_path else f'path: "{path}"'
    if operation.in_query:
        yield f"query: {{ {', '.join(f'{one.name}: options.{one.name}' for one in operation.in_query)} }}"
    if operation.body is not None:
        yield "body"
    if operation.is_form:
        yield "isForm: true"
    if operation.keeps_answers:
        yield "idempotencyKey: options.idempotencyKey"


def _reference(operation: Operation, suffix: str, schema: Schema | None) -> str:
    if schema is None:
        return "void"
    name = schema["$ref"].rpartition("/")[2] if "$ref" in schema else _inline_name(operation, suffix)
    return f"t.{name}"


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)
