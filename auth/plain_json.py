"""JSON that every reader reads alike: the form of bodies, proofs and assertions."""

import json
from typing import Any, NoReturn

_DEEPEST = 32
"""Nothing that this service takes is nested more than five levels; far below the limit of any reader."""


def read_plain_json(given: bytes) -> Any:
    """Read JSON and raise ``ValueError`` for whatever two readers, or a database, could take differently.

    Refused beside broken JSON: names that stand twice, NaN and Infinity, deep nesting, numbers of thousands of digits,
    text with NUL or with half of a surrogate pair.
    """
    try:
        read = _decoder.decode(given.decode())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if given.count(b"[") + given.count(b"{") > _DEEPEST:
        _require_flat(read, _DEEPEST)
    if b"\\u" in given:  # only an escape can spell a NUL or a lone surrogate
        _require_storable(json.dumps(read, ensure_ascii=False))
    return read


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a name stands twice")
    return read


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("not a number of JSON")


def _require_flat(read: Any, levels: int) -> None:
    if not isinstance(read, dict | list):
        return
    if levels == 0:
        raise ValueError("nested too deeply")
    for inner in read.values() if isinstance(read, dict) else read:
        _require_flat(inner, levels - 1)


def _require_storable(written: str) -> None:
    written.encode()  # UnicodeEncodeError, a ValueError, for a lone surrogate
    if "\\u0000" in written.replace("\\\\", ""):
        raise ValueError("text with NUL")


_decoder = json.JSONDecoder(object_pairs_hook=_read_object, parse_constant=_refuse_constant)
