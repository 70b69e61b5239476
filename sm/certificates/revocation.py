"""Lists of revoked certificates (RFC 5280, 5): issue, and read from bytes that anybody may have written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from asn1crypto import crl, x509

from sm.certificates.der_reader import (
    INTEGER,
    SEQUENCE,
    DerReader,
    context,
    open_only,
    read_number,
    read_only,
)
from sm.certificates.extensions import (
    RawExtension,
    read_authority_key_id,
    read_extension,
    read_raw_extensions,
    unknown_critical,
)
from sm.certificates.issuing import authority_key_id, require_same_key, sign_der, write_time
from sm.certificates.names import AUTHORITY_KEY_ID, CRL_NUMBER, CRL_REASON, SM2_WITH_SM3
from sm.certificates.reading import MAX_SERIAL_SIZE, Certificate, read_moment, read_name, read_signed
from sm.digest import sm3
from sm.errors import InvalidCertificate, Malformed
from sm.sm2 import Signer

MAX_CRL_SIZE = 8 * 1024 * 1024  # bytes of DER; about 200,000 revoked certificates

_VERSION_2 = 1  # RFC 5280, 5.1.2.1
_MAX_NUMBER_SIZE = 21  # bytes, with a leading zero: RFC 5280, 5.2.3
_KNOWN = {CRL_NUMBER, AUTHORITY_KEY_ID}
_KNOWN_OF_ENTRIES = {CRL_REASON}


@dataclass(frozen=True)
class Revocation:
    """One certificate that must not be believed any more."""

    serial: int
    revoked_at: datetime


@dataclass(frozen=True, repr=False)
class RevocationList:
    """A well-formed list; `Trust` proves it. `revoked` leads from serial numbers to the time of revocation."""

    tbs: bytes
    signature: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime
    number: int
    revoked: Mapping[int, datetime]
    authority_key_id: bytes | None
    unknown_critical: frozenset[str]
    fingerprint: bytes = field(compare=False)

    def __repr__(self) -> str:
        return f"RevocationList(number={self.number}, {len(self.revoked)} revoked)"


def issue_crl(
    *,
    issuer: Certificate,
    signer: Signer,
    revoked: Iterable[Revocation],
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> bytes:
    """Issue the whole list of an authority, good until strictly before `next_update`; give its DER.

    `number` grows with each list. Raises InvalidKey for a signer that is not the issuer's, InvalidCertificate for an
    issuer that may not sign lists.
    """
    require_same_key(signer.public_key, issuer.public_key)
    if "crl_sign" not in issuer.key_usage:
        raise InvalidCertificate("crl_issuer", "the issuer may not sign revocation lists")
    fields = {
        "version": "v2",
        "signature": {"algorithm": SM2_WITH_SM3},
        "issuer": x509.Name.load(issuer.subject),
        "this_update": write_time(this_update),
        "next_update": write_time(next_update),
        "crl_extensions": [
            authority_key_id(issuer.public_key),
            {"extn_id": "crl_number", "critical": False, "extn_value": number},
        ],
    }
    entries = [{"user_certificate": entry.serial, "revocation_date": write_time(entry.revoked_at)} for entry in revoked]
    if entries:  # an empty list is left out: RFC 5280, 5.1.2.6
        fields["revoked_certificates"] = entries
    return sign_der(crl.TbsCertList(fields).dump(), signer)


def read_crl(given: bytes) -> RevocationList:
    """Read a list from DER; raise Malformed for everything that is not a whole SM2 list of version 2 with an end."""
    if len(given) > MAX_CRL_SIZE:
        raise Malformed(f"a revocation list has at most {MAX_CRL_SIZE} bytes")
    tbs, algorithm, signature = read_signed(bytes(given))
    fields = open_only(tbs, SEQUENCE)
    if read_number(fields.read(INTEGER), 1) != _VERSION_2 or fields.read_whole(SEQUENCE) != algorithm:
        raise Malformed("not a list of version 2, or the two algorithms differ")
    issuer = fields.read_whole(SEQUENCE)
    read_name(issuer)
    this_update, next_update = read_moment(fields), read_moment(fields)
    revoked, unknown_of_entries = _read_entries(fields)
    found = read_raw_extensions(fields.read(context(0)))
    fields.finish()
    return RevocationList(
        tbs=tbs,
        signature=signature,
        issuer=issuer,
        this_update=this_update,
        next_update=next_update,
        number=read_extension(found, CRL_NUMBER, _read_crl_number) or 0,
        revoked=revoked,
        authority_key_id=read_extension(found, AUTHORITY_KEY_ID, read_authority_key_id),
        unknown_critical=unknown_critical(found, _KNOWN) | unknown_of_entries,
        fingerprint=sm3(given),
    )


def _read_entries(fields: DerReader) -> tuple[dict[int, datetime], frozenset[str]]:
    revoked: dict[int, datetime] = {}
    unknown: frozenset[str] = frozenset()
    entries = fields.enter(SEQUENCE) if fields.is_next(SEQUENCE) else DerReader(b"")
    while not entries.is_at_end():
        entry = entries.enter(SEQUENCE)
        serial = read_number(entry.read(INTEGER), MAX_SERIAL_SIZE + 1)
        if serial in revoked:
            raise Malformed("a serial number stands twice")
        revoked[serial] = read_moment(entry)
        unknown |= unknown_critical(_read_entry_extensions(entry), _KNOWN_OF_ENTRIES)
    return revoked, unknown


def _read_entry_extensions(entry: DerReader) -> list[RawExtension]:
    found = [] if entry.is_at_end() else read_raw_extensions(entry.read_whole(SEQUENCE))
    entry.finish()
    return found


def _read_crl_number(content: bytes) -> int:
    return read_number(read_only(content, INTEGER), _MAX_NUMBER_SIZE)
