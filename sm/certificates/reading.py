"""Read a certificate from bytes that anybody may have written. Nothing is proved here; see `sm.certificates.trust`."""

from dataclasses import dataclass, field
from datetime import datetime

from sm.certificates.der_reader import (
    BIT_STRING,
    GENERALIZED_TIME,
    INTEGER,
    OID,
    SEQUENCE,
    SET,
    UTC_TIME,
    DerReader,
    context,
    open_only,
    read_bits,
    read_number,
    read_oid,
    read_text,
    read_time,
)
from sm.certificates.extensions import Extensions, read_certificate_extensions
from sm.certificates.names import COMMON_NAME, SERIAL_NUMBER
from sm.der import import_spki, read_der_signature, read_pem
from sm.digest import sm3
from sm.errors import InvalidKey, InvalidSignature, Malformed

MAX_CERTIFICATE_SIZE = 8 * 1024  # bytes of DER; those on a chip have at most 1,020
MAX_SERIAL_SIZE = 20  # bytes: RFC 5280, 4.1.2.2

PEM_LABEL = "CERTIFICATE"

_VERSION_3 = 2  # RFC 5280, 4.1.2.1
_SM2_WITH_SM3_OID = bytes.fromhex("06082a811ccf55018375")
# GM/T 0015, 5.2.3.3 leaves the parameters out; some authorities in use write NULL.
ALGORITHMS = (b"\x30\x0a" + _SM2_WITH_SM3_OID, b"\x30\x0c" + _SM2_WITH_SM3_OID + b"\x05\x00")

Attributes = tuple[tuple[str, str | None], ...]  # (object identifier, text or None for what is no text)


@dataclass(frozen=True, repr=False)
class Certificate:
    """A well-formed SM2 certificate. Names are compared as bytes; `repr` shows no name, for a card's tells the card."""

    der: bytes
    tbs: bytes
    signature: bytes
    serial: int
    issuer: bytes
    subject: bytes
    not_before: datetime
    not_after: datetime
    public_key: bytes
    subject_attributes: Attributes
    extensions: Extensions
    fingerprint: bytes = field(compare=False)

    def __repr__(self) -> str:
        return f"Certificate(serial={self.serial:x})"

    @property
    def is_ca(self) -> bool:
        """Whether it may issue certificates."""
        return self.extensions.is_ca

    @property
    def path_length(self) -> int | None:
        """How many authorities may stand between it and a leaf; None is no limit."""
        return self.extensions.path_length

    @property
    def key_usage(self) -> frozenset[str]:
        """What the key may do, in the words of `names.KEY_USAGE_BITS`; empty when nothing is said."""
        return self.extensions.key_usage or frozenset()

    @property
    def subject_common_name(self) -> str:
        """The common name, or an empty text. Of a card: the card identification code, 32 hexadecimal digits."""
        return self._attribute(COMMON_NAME)

    @property
    def subject_serial_number(self) -> str:
        """The serialNumber attribute of the subject, or an empty text."""
        return self._attribute(SERIAL_NUMBER)

    def _attribute(self, oid: str) -> str:
        return next((text for name, text in self.subject_attributes if name == oid and text is not None), "")


def read_certificate(given: bytes | str) -> Certificate:
    """Read DER, or one PEM block given as text; raise Malformed for everything that is not an SM2 certificate v3."""
    der = read_pem(PEM_LABEL, given) if isinstance(given, str) else bytes(given)
    if len(der) > MAX_CERTIFICATE_SIZE:
        raise Malformed(f"a certificate has at most {MAX_CERTIFICATE_SIZE} bytes")
    return _read_tbs(der, *read_signed(der))


def read_signed(der: bytes) -> tuple[bytes, bytes, bytes]:
    """Read the three parts of what an authority signs: the signed bytes, the algorithm, the signature (64 bytes)."""
    signed = open_only(der, SEQUENCE)
    tbs = signed.read_whole(SEQUENCE)
    algorithm = signed.read_whole(SEQUENCE)
    signature = read_bits(signed.read(BIT_STRING))
    signed.finish()
    if algorithm not in ALGORITHMS:
        raise Malformed("not signed with SM2 and SM3")
    try:
        return tbs, algorithm, read_der_signature(signature)
    except InvalidSignature:
        raise Malformed("the signature's numbers are out of range") from None


def read_moment(reader: DerReader) -> datetime:
    """Read a time of either form."""
    tag = reader.next_tag()
    return read_time(tag, reader.read(UTC_TIME, GENERALIZED_TIME))


def _read_tbs(der: bytes, tbs: bytes, algorithm: bytes, signature: bytes) -> Certificate:
    fields = DerReader(tbs).enter(SEQUENCE)
    _require_version(fields)
    serial = read_number(fields.read(INTEGER), MAX_SERIAL_SIZE + 1)
    if not 1 <= serial < 1 << 8 * MAX_SERIAL_SIZE:
        raise Malformed("a serial number is between 1 and 20 bytes of it")
    if fields.read_whole(SEQUENCE) != algorithm:
        raise Malformed("the two algorithms differ")
    issuer = fields.read_whole(SEQUENCE)
    read_name(issuer)
    validity = fields.enter(SEQUENCE)
    not_before, not_after = read_moment(validity), read_moment(validity)
    validity.finish()
    subject = fields.read_whole(SEQUENCE)
    attributes = read_name(subject)
    public_key = _read_public_key(fields.read_whole(SEQUENCE))
    extensions = read_certificate_extensions(fields)
    return Certificate(
        der=der,
        tbs=tbs,
        signature=signature,
        serial=serial,
        issuer=issuer,
        subject=subject,
        not_before=not_before,
        not_after=not_after,
        public_key=public_key,
        subject_attributes=attributes,
        extensions=extensions,
        fingerprint=sm3(der),
    )


def _require_version(fields: DerReader) -> None:
    version = fields.enter(context(0))
    if read_number(version.read(INTEGER), 1) != _VERSION_3:
        raise Malformed("not a certificate of version 3")
    version.finish()


def _read_public_key(spki: bytes) -> bytes:
    try:
        return import_spki(spki)
    except InvalidKey:
        raise Malformed("the public key is not a point of the curve") from None


def read_name(name: bytes) -> Attributes:
    """Read a Name; an attribute that stands twice is refused, so that nobody reads the other one."""
    attributes: list[tuple[str, str | None]] = []
    parts = DerReader(name).enter(SEQUENCE)
    while not parts.is_at_end():
        part = parts.enter(SET)
        while not part.is_at_end():
            attributes.append(_read_attribute(part.enter(SEQUENCE)))
    for oid in (COMMON_NAME, SERIAL_NUMBER):
        if sum(name == oid for name, _ in attributes) > 1:
            raise Malformed("a name has two common names or two serial numbers")
    return tuple(attributes)


def _read_attribute(attribute: DerReader) -> tuple[str, str | None]:
    oid, tag = read_oid(attribute.read(OID)), attribute.next_tag()
    content = attribute.read(tag)
    attribute.finish()
    if oid in (COMMON_NAME, SERIAL_NUMBER):
        return oid, read_text(tag, content)
    return oid, None
