"""The extensions of certificates and revocation lists (RFC 5280, 4.2 and 5.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sm.certificates.der_reader import (
    BIT_STRING,
    BOOLEAN,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    DerReader,
    context,
    open_only,
    read_named_bits,
    read_number,
    read_oid,
    read_only,
    read_true,
)
from sm.certificates.names import (
    AUTHORITY_KEY_ID,
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    KEY_USAGE_BITS,
    SUBJECT_KEY_ID,
)
from sm.errors import Malformed

_KNOWN = {BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, SUBJECT_KEY_ID, AUTHORITY_KEY_ID}
_MAX_PATH_LENGTH_SIZE = 2  # bytes

Value = TypeVar("Value")


@dataclass(frozen=True)
class Extensions:
    """What the extensions say; None where one is left out."""

    is_ca: bool = False
    path_length: int | None = None
    key_usage: frozenset[str] | None = None
    extended_key_usage: frozenset[str] | None = None
    subject_key_id: bytes | None = None
    authority_key_id: bytes | None = None
    unknown_critical: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RawExtension:
    """One extension before anybody has looked into it."""

    oid: str
    is_critical: bool
    content: bytes


def read_certificate_extensions(fields: DerReader) -> Extensions:
    """Read what ends a certificate: [3] with its extensions, or nothing."""
    if fields.is_at_end():
        return Extensions()
    found = read_raw_extensions(fields.read(context(3)))
    fields.finish()
    is_ca, path_length = read_extension(found, BASIC_CONSTRAINTS, _read_basic_constraints) or (False, None)
    return Extensions(
        is_ca=is_ca,
        path_length=path_length,
        key_usage=read_extension(found, KEY_USAGE, _read_key_usage),
        extended_key_usage=read_extension(found, EXTENDED_KEY_USAGE, _read_purposes),
        subject_key_id=read_extension(found, SUBJECT_KEY_ID, _read_subject_key_id),
        authority_key_id=read_extension(found, AUTHORITY_KEY_ID, read_authority_key_id),
        unknown_critical=unknown_critical(found, _KNOWN),
    )


def read_raw_extensions(content: bytes) -> list[RawExtension]:
    """Read a SEQUENCE of at least one extension; none may stand twice."""
    reader, found = open_only(content, SEQUENCE), []
    while not reader.is_at_end():
        found.append(_read_raw_extension(reader.enter(SEQUENCE)))
    if not found or len({extension.oid for extension in found}) != len(found):
        raise Malformed("no extensions, or one twice")
    return found


def read_extension(found: list[RawExtension], oid: str, read: Callable[[bytes], Value]) -> Value | None:
    """Look into the extension of this name, if there is one."""
    return next((read(extension.content) for extension in found if extension.oid == oid), None)


def unknown_critical(found: list[RawExtension], known: set[str]) -> frozenset[str]:
    """Tell which extensions must be understood and are not."""
    return frozenset(extension.oid for extension in found if extension.is_critical and extension.oid not in known)


def read_authority_key_id(content: bytes) -> bytes | None:
    """Read the key id of RFC 5280, 4.2.1.1; the issuer and serial that may follow are passed over."""
    fields, key_id_tag = open_only(content, SEQUENCE), context(0, constructed=False)
    key_id = fields.read(key_id_tag) if fields.is_next(key_id_tag) else None
    if fields.is_next(context(1)):
        fields.read(context(1))
        fields.read(context(2, constructed=False))
    fields.finish()
    return key_id


def _read_raw_extension(fields: DerReader) -> RawExtension:
    oid = read_oid(fields.read(OID))
    is_critical = fields.is_next(BOOLEAN) and read_true(fields.read(BOOLEAN))
    content = fields.read(OCTET_STRING)
    fields.finish()
    return RawExtension(oid, is_critical, content)


def _read_basic_constraints(content: bytes) -> tuple[bool, int | None]:
    fields = open_only(content, SEQUENCE)
    is_ca = fields.is_next(BOOLEAN) and read_true(fields.read(BOOLEAN))
    path_length = (
        read_number(fields.read(INTEGER), _MAX_PATH_LENGTH_SIZE) if is_ca and fields.is_next(INTEGER) else None
    )
    fields.finish()
    return is_ca, path_length


def _read_key_usage(content: bytes) -> frozenset[str]:
    return read_named_bits(read_only(content, BIT_STRING), KEY_USAGE_BITS)


def _read_purposes(content: bytes) -> frozenset[str]:
    fields, purposes = open_only(content, SEQUENCE), set()
    while not fields.is_at_end():
        purposes.add(read_oid(fields.read(OID)))
    if not purposes:
        raise Malformed("an extended key usage is empty")
    return frozenset(purposes)


def _read_subject_key_id(content: bytes) -> bytes:
    return read_only(content, OCTET_STRING)
