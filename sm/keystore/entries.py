"""One entry of a key store: its name, level and kind, and the sealed bytes that open only at this place."""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from cryptography.hazmat.primitives.asymmetric import ec

from sm.canonical import canonical_json, read_canonical_json, read_hex
from sm.errors import InvalidKey, Malformed, SealBroken
from sm.sm2 import PrivateKey, random_private_key
from sm.sm4 import KEY_SIZE, open_sealed, seal

Level = Literal["ministry", "province", "city"]
LEVELS: tuple[Level, ...] = get_args(Level)  # from the top down; each is sealed under the one before it

Kind = Literal["sm2", "p256", "ed25519", "sm4", "hmac", "document", "kek"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KEY_SIZES: dict[Kind, int] = {"sm2": 32, "p256": 32, "ed25519": 32, "sm4": KEY_SIZE, "hmac": 32, "kek": KEY_SIZE}
"""Bytes of each kind of key; a document has no fixed size."""

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # FIPS 186-4, D.1.2.3

MAX_NAME_SIZE = 100
MAX_DOCUMENT_SIZE = 64 * 1024
MAX_FILE_SIZE = 4 * MAX_DOCUMENT_SIZE  # hexadecimal doubles a document; the rest is a few hundred bytes

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*")
_FORMAT = 1
_FIELDS = {"format": int, "name": str, "level": str, "kind": str, "generation": int, "sealed": str}


@dataclass(frozen=True)
class Entry:
    """What may be told of an entry: the name, the level whose KEK seals it, and the kind of what is sealed."""

    name: str
    level: Level
    kind: Kind


@dataclass(frozen=True)
class SealedEntry:
    """An entry as it lies in the store; `generation` tells which KEK of the level above opens it."""

    entry: Entry
    generation: int
    sealed: bytes = field(repr=False)


def read_name(given: str) -> str:
    """Let through lower-case words joined by "-" and "/"; raise Malformed."""
    if len(given) > MAX_NAME_SIZE or not _NAME.fullmatch(given):
        raise Malformed("a key's name is lower-case letters, digits and '-', in parts joined by '/'")
    return given


def read_level(given: str) -> Level:
    """Let through "ministry", "province" or "city"; raise Malformed."""
    if given not in LEVELS:
        raise Malformed(f"a level is one of {', '.join(LEVELS)}")
    return given


def new_entry(name: str, level: str, kind: str) -> Entry:
    """Check the three words of an entry; raise Malformed."""
    if kind not in KINDS or kind == "kek":
        raise Malformed(f"no such kind of key: {kind!r}")
    return Entry(read_name(name), read_level(level), kind)


def random_key(kind: Kind) -> bytes:
    """Draw a fresh key of a kind from the operating system's generator."""
    if kind == "document":
        raise Malformed("a document is written, not drawn")
    if kind == "sm2":
        return random_private_key().secret_bytes()
    if kind == "p256":
        number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
        return number.to_bytes(KEY_SIZES["p256"], "big")
    return secrets.token_bytes(KEY_SIZES[kind])


def require_content(kind: Kind, content: bytes) -> None:
    """Refuse a key of the wrong size or out of range with InvalidKey, a document that is too long with Malformed."""
    if kind == "document":
        if len(content) > MAX_DOCUMENT_SIZE:
            raise Malformed(f"a document has at most {MAX_DOCUMENT_SIZE} bytes")
        return
    if len(content) != KEY_SIZES[kind]:
        raise InvalidKey(f"a key of kind {kind} has {KEY_SIZES[kind]} bytes")
    if kind == "sm2":
        PrivateKey(content)
    if kind == "p256" and not 1 <= int.from_bytes(content, "big") < P256_ORDER:
        raise InvalidKey("a P-256 scalar is between 1 and n - 1")


def seal_entry(store: str, entry: Entry, generation: int, kek: bytes, content: bytes) -> SealedEntry:
    """Seal `content` for one place: this store, name, level, kind and KEK generation."""
    require_content(entry.kind, content)
    return SealedEntry(entry, generation, seal(kek, content, _place(store, entry, generation)))


def open_entry(store: str, sealed: SealedEntry, kek: bytes) -> bytes:
    """Give back what was sealed; raise SealBroken for another place, another KEK or changed bytes."""
    try:
        content = open_sealed(kek, sealed.sealed, _place(store, sealed.entry, sealed.generation))
    except SealBroken:
        raise SealBroken(f"{sealed.entry.name} was changed, moved, or sealed under another key") from None
    require_content(sealed.entry.kind, content)
    return content


def write_sealed(sealed: SealedEntry) -> bytes:
    """Write the one accepted text of a sealed entry: canonical JSON and a newline."""
    fields = _words(sealed.entry, sealed.generation) | {"sealed": sealed.sealed.hex()}
    return canonical_json(fields) + b"\n"


def read_sealed(given: bytes, name: str) -> SealedEntry:
    """Read the text of `write_sealed` for the entry `name`; raise Malformed for any other text or another name."""
    fields = read_canonical_json(given.removesuffix(b"\n"), _FIELDS)
    if fields["format"] != _FORMAT or fields["name"] != name or fields["generation"] < 0:
        raise Malformed(f"the file of {name} belongs to another entry or format")
    if fields["kind"] not in KINDS:
        raise Malformed(f"the file of {name} is of an unknown kind")
    entry = Entry(read_name(name), read_level(fields["level"]), fields["kind"])
    sealed = SealedEntry(entry, fields["generation"], read_hex(fields["sealed"]))
    if write_sealed(sealed) != given:
        raise Malformed(f"the file of {name} is not in its one accepted form")
    return sealed


def _words(entry: Entry, generation: int) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "name": entry.name,
        "level": entry.level,
        "kind": entry.kind,
        "generation": generation,
    }


def _place(store: str, entry: Entry, generation: int) -> bytes:
    return b"ECARD-KEYSTORE-ENTRY\x00" + canonical_json(_words(entry, generation) | {"store": store})
