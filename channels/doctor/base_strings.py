r"""What a developer may have signed instead: the base strings of the mistakes that are made most.

Ours is METHOD\npath?query\ntimestamp\nnonce\nbody\n; each one here differs from it by one mistake.
"""

import base64
import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

from auth.plain_json import read_plain_json
from sm.digest import sm3

_ENCODINGS = {
    "UTF-8": "utf-8",
    "GB18030": "gb18030",
    "UTF-16, small end first": "utf-16-le",
    "UTF-16, big end first": "utf-16-be",
    "Latin-1": "latin-1",
    "UTF-8 with a byte order mark": "utf-8-sig",
}
_MOST_REORDERED = 4
"""Of so many query parameters every order is tried; of more, sorted and turned round."""
_LARGEST_REWRITTEN = 8 * 1024
"""A larger body is not written anew in other spellings: nobody may make this service work for long. Deeply nested, one
of 64 kB took four seconds."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a base string is made of, in the order of its lines; ``origin`` is our own address."""

    method: str
    target: str
    timestamp: str
    nonce: str
    body: bytes
    origin: str = ""

    def lines(self) -> tuple[bytes, ...]:
        """Give the five lines without their ends."""
        return (*(line.encode() for line in (self.method, self.target, self.timestamp, self.nonce)), self.body)

    def base(self) -> bytes:
        """Join them as they are signed."""
        return _joined(self.lines())


@dataclass(frozen=True, slots=True)
class Variant:
    """A base string with one mistake in it; ``code`` is that of ``mistakes``."""

    code: str
    detail: str
    base: bytes


def list_variants(parts: Parts) -> Iterator[Variant]:
    """List what may have been signed instead, the likeliest first; nothing that equals ours, and nothing twice."""
    seen = {parts.base()}
    for variant in itertools.chain(_line_ends(parts), _methods(parts), _targets(parts), _bodies(parts), _orders(parts)):
        if variant.base not in seen:
            seen.add(variant.base)
            yield variant


def _joined(lines: tuple[bytes, ...], end: bytes = b"\n") -> bytes:
    return b"".join(line + end for line in lines)


def _line_ends(parts: Parts) -> Iterator[Variant]:
    base, lines = parts.base(), parts.lines()
    yield Variant("last_newline_missing", "", base[:-1])
    yield Variant("newline_too_many", "", base + b"\n")
    yield Variant("crlf", "", _joined(lines, b"\r\n"))
    yield Variant("crlf", "none behind the body", _joined(lines, b"\r\n")[:-2])
    yield Variant("newline_escaped", "", _joined(lines, b"\\n"))
    yield Variant("newline_escaped", "none behind the body", _joined(lines, b"\\n")[:-2])
    if not parts.body:  # without a body some leave its empty line out
        yield Variant("last_newline_missing", "an empty body has its line too", _joined(lines[:-1]))
        yield Variant("last_newline_missing", "an empty body has its line too", _joined(lines[:-1])[:-1])


def _methods(parts: Parts) -> Iterator[Variant]:
    for method in (parts.method.lower(), parts.method.capitalize(), parts.method.upper()):
        yield Variant("method_case", method, replace(parts, method=method).base())
    for method in ("GET", "POST", "PUT", "DELETE"):
        yield Variant("method_differs", method, replace(parts, method=method).base())


def _targets(parts: Parts) -> Iterator[Variant]:
    path, mark, query = parts.target.partition("?")

    def with_target(code: str, target: str, detail: str = "") -> Variant:
        return Variant(code, detail, replace(parts, target=target).base())

    yield with_target("query_missing", path)
    yield with_target("query_missing", path + "?", "a question mark alone")
    yield with_target("target_absolute", parts.origin + parts.target)
    yield with_target("target_absolute", parts.origin.partition("//")[2] + parts.target, "without its scheme")
    for order in _other_orders(query.split("&")):
        yield with_target("query_reordered", f"{path}?{'&'.join(order)}")
    for other in _other_escapes(parts.target):
        yield with_target("query_escaping", other)
    yield with_target("target_slash", (path[:-1] if path.endswith("/") else path + "/") + mark + query)


def _other_orders(pairs: list[str]) -> Iterator[tuple[str, ...]]:
    if len(pairs) <= _MOST_REORDERED:
        yield from itertools.permutations(pairs)
        return
    yield tuple(sorted(pairs))
    yield tuple(reversed(pairs))


def _other_escapes(target: str) -> Iterator[str]:
    plain = unquote(target)
    yield plain
    yield plain.replace("+", " ")
    yield unquote(target.replace("+", "%20"))
    yield target.replace("%20", "+")
    yield target.replace("+", "%20")
    yield _small_escapes(target)
    yield quote(plain, safe="/?&=")
    yield quote(plain, safe="/?&=:,@")
    yield quote(target, safe="/?&=")


def _small_escapes(target: str) -> str:
    first, *others = target.split("%")
    return "%".join([first, *(other[:2].lower() + other[2:] for other in others)])


def _bodies(parts: Parts) -> Iterator[Variant]:
    def with_body(code: str, body: bytes, detail: str = "") -> Variant:
        return Variant(code, detail, replace(parts, body=body).base())

    if not parts.body:
        yield with_body("body_differs", b"{}", "{} was signed, nothing was sent")
        yield with_body("body_differs", b"null", "null was signed, nothing was sent")
        return
    yield with_body("body_missing", b"")
    for code, body, detail in (*_digests(parts.body), *_encoded(parts.body), *_rewritten(parts.body)):
        yield with_body(code, body, detail)


Other = tuple[str, bytes, str]


def _digests(body: bytes) -> Iterator[Other]:
    for name, digest in (("SM3", sm3(body)), ("SHA-256", hashlib.sha256(body).digest())):
        for spelt in (digest.hex(), digest.hex().upper(), base64.b64encode(digest).decode()):
            yield "body_hashed", spelt.encode(), name
    yield "body_hashed", base64.b64encode(body), "base64 of the body"


def _encoded(body: bytes) -> Iterator[Other]:
    """Write the text of the body in other encodings, and read it as if it were in one of them."""
    for read_as in ("utf-8", "gb18030"):
        try:
            text = body.decode(read_as)
        except UnicodeDecodeError:
            continue
        for name, encoding in _ENCODINGS.items():
            yield "body_encoding", text.encode(encoding, "replace"), name
    yield "body_encoding", body.decode("latin-1").encode(), "UTF-8 twice"
    yield "body_encoding", body.removeprefix(b"\xef\xbb\xbf"), "without the byte order mark that was sent"


def _rewritten(body: bytes) -> Iterator[Other]:
    yield "body_reserialised", body.strip(), "without the blanks and line ends around it"
    yield "body_reserialised", body + b"\n", "with a line end behind it"
    if len(body) > _LARGEST_REWRITTEN:
        return
    try:
        given = read_plain_json(body)
    except ValueError:
        return
    for content in _spellings(given):
        yield "body_reserialised", content, "the same JSON in another spelling"


def _spellings(given: Any) -> Iterator[bytes]:
    """Write the same JSON as common libraries do: compact, with blanks, indented; keys as sent or sorted."""
    styles: tuple[dict[str, Any], ...] = (
        {"separators": (",", ":")},
        {"separators": (", ", ": ")},
        {"separators": (",", ": ")},
        {"indent": 2},
        {"indent": 4},
        {"indent": "\t"},
    )
    for style, in_order, in_ascii in itertools.product(styles, (False, True), (False, True)):
        written = json.dumps(given, sort_keys=in_order, ensure_ascii=in_ascii, **style)
        yield written.encode()
        yield written.replace("/", "\\/").encode()  # as PHP does


def _orders(parts: Parts) -> Iterator[Variant]:
    lines = parts.lines()
    for order in itertools.permutations(lines):
        yield Variant("lines_reordered", "", _joined(order))
