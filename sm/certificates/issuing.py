"""Issue certificates: asn1crypto writes the DER, an SM2 signer signs it."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import core, keys, x509

from sm.certificates.names import EC_PUBLIC_KEY, KEY_USAGE_BITS, SM2_CURVE, SM2_WITH_SM3
from sm.certificates.reading import Certificate
from sm.der import signature_to_der
from sm.digest import sm3
from sm.errors import InvalidCertificate, InvalidKey
from sm.sm2 import UNCOMPRESSED, USER_ID_DEFAULT, Signer, message_digest, read_public_key

KEY_ID_SIZE = 20  # RFC 5280, 4.2.1.2 (1), with SM3 in place of SHA-1
SERIAL_SIZE = 16  # random bytes; RFC 5280, 4.1.2.2 allows 20


@dataclass(frozen=True)
class Subject:
    """Whom a certificate names; empty fields are left out. A card's common name is its card identification code."""

    common_name: str
    organization: str = ""
    province: str = ""
    city: str = ""
    serial_number: str = ""
    country: str = "CN"


@dataclass(frozen=True)
class CertificateProfile:
    """What the key may do: an authority with a path length, or a leaf with a purpose."""

    key_usage: tuple[str, ...]
    path_length: int | None = None
    purpose: str | None = None

    @property
    def is_ca(self) -> bool:
        """Whether it may issue certificates."""
        return "key_cert_sign" in self.key_usage


def authority_profile(path_length: int) -> CertificateProfile:
    """Let a key sign certificates and revocation lists, with at most `path_length` authorities below it."""
    return CertificateProfile(("key_cert_sign", "crl_sign"), path_length=path_length)


def leaf_profile(purpose: str) -> CertificateProfile:
    """Let a key sign for one purpose: CARD_PURPOSE, TERMINAL_PURPOSE or PARTNER_PURPOSE."""
    return CertificateProfile(("digital_signature",), purpose=purpose)


def new_serial() -> int:
    """Draw a serial number that nobody can foresee and that never comes twice."""
    return int.from_bytes(secrets.token_bytes(SERIAL_SIZE), "big") | 1  # never 0


def issue(
    *,
    subject: Subject,
    public_key: bytes,
    profile: CertificateProfile,
    serial: int,
    not_before: datetime,
    not_after: datetime,
    signer: Signer,
    issuer: Certificate | None,
) -> bytes:
    """Issue a certificate to `public_key` (64 bytes), valid until strictly before `not_after`; give its DER.

    `signer` holds the issuer's key (its own user id plays no part). Without an issuer the certificate is a root.
    Raises InvalidKey for a key off the curve or a signer that is not the issuer's; InvalidCertificate for what the
    issuer may not issue, or would not outlive.
    """
    name = x509.Name.build(_name_fields(subject))
    if issuer is None:
        require_same_key(signer.public_key, public_key)
    else:
        require_may_issue(issuer, signer, profile, not_after)
    tbs = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": serial,
            "signature": {"algorithm": SM2_WITH_SM3},
            "issuer": name if issuer is None else x509.Name.load(issuer.subject),
            "validity": {"not_before": write_time(not_before), "not_after": write_time(not_after)},
            "subject": name,
            "subject_public_key_info": _spki(public_key),
            "extensions": _extensions(profile, public_key, signer.public_key),
        }
    )
    return sign_der(tbs.dump(), signer)


def sign_der(tbs: bytes, signer: Signer) -> bytes:
    """Put a signature beside what an authority signs; the user id is that of certificates, not the signer's own."""
    digest = message_digest(USER_ID_DEFAULT, signer.public_key, tbs)
    signature = signature_to_der(signer.sign_digest(digest))
    signed = _Signed({"tbs": core.Any.load(tbs), "algorithm": {"algorithm": SM2_WITH_SM3}, "signature": signature})
    return bytes(signed.dump())


def require_may_issue(issuer: Certificate, signer: Signer, profile: CertificateProfile, not_after: datetime) -> None:
    """Refuse to issue what `Trust` would not believe."""
    require_same_key(signer.public_key, issuer.public_key)
    if not issuer.is_ca or "key_cert_sign" not in issuer.key_usage:
        raise InvalidCertificate("certificate_not_ca", "the issuer is no authority")
    if profile.is_ca and issuer.path_length is not None and (profile.path_length or 0) >= issuer.path_length:
        raise InvalidCertificate("certificate_path_length", "the issuer may not have such an authority below it")
    if not_after > issuer.not_after:
        raise InvalidCertificate("certificate_outlives_issuer", "the certificate would outlive its issuer")


def write_time(moment: datetime) -> x509.Time:
    """Write a time to the second: two digits for the year until 2049, four from then on (RFC 5280, 4.1.2.5)."""
    whole = moment.replace(microsecond=0)
    return x509.Time({"utc_time": whole}) if whole.year < 2050 else x509.Time({"general_time": whole})


def key_id(public_key: bytes) -> bytes:
    """Name a key: the first 20 bytes of SM3 over its point."""
    return sm3(UNCOMPRESSED, public_key)[:KEY_ID_SIZE]


class _Signed(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012 - the form that asn1crypto asks for
        ("tbs", core.Any),
        ("algorithm", x509.SignedDigestAlgorithm),
        ("signature", core.OctetBitString),
    ]


def require_same_key(signing: bytes, named: bytes) -> None:
    if signing != named:
        raise InvalidKey("the signer does not hold the issuer's key")


def _name_fields(subject: Subject) -> dict[str, str]:
    fields = {
        "country_name": subject.country,
        "state_or_province_name": subject.province,
        "locality_name": subject.city,
        "organization_name": subject.organization,
        "serial_number": subject.serial_number,
        "common_name": subject.common_name,
    }
    return {name: text for name, text in fields.items() if text}


def _spki(public_key: bytes) -> keys.PublicKeyInfo:
    curve = keys.ECDomainParameters(name="named", value=SM2_CURVE)
    point = keys.ECPointBitString(UNCOMPRESSED + read_public_key(public_key))
    return keys.PublicKeyInfo({"algorithm": {"algorithm": EC_PUBLIC_KEY, "parameters": curve}, "public_key": point})


def _extensions(profile: CertificateProfile, public_key: bytes, issuer_key: bytes) -> list[dict[str, object]]:
    bits = tuple(int(name in profile.key_usage) for name in KEY_USAGE_BITS)
    found: list[dict[str, object]] = [
        {"extn_id": "key_identifier", "critical": False, "extn_value": key_id(public_key)},
        authority_key_id(issuer_key),
        {"extn_id": "basic_constraints", "critical": True, "extn_value": _basic_constraints(profile)},
        {"extn_id": "key_usage", "critical": True, "extn_value": x509.KeyUsage(bits)},
    ]
    if profile.purpose is not None:
        purposes = x509.ExtKeyUsageSyntax([profile.purpose])
        found.append({"extn_id": "extended_key_usage", "critical": False, "extn_value": purposes})
    return found


def authority_key_id(issuer_key: bytes) -> dict[str, object]:
    """Name the issuer's key, as certificates and revocation lists do."""
    value = x509.AuthorityKeyIdentifier({"key_identifier": key_id(issuer_key)})
    return {"extn_id": "authority_key_identifier", "critical": False, "extn_value": value}


def _basic_constraints(profile: CertificateProfile) -> x509.BasicConstraints:
    if not profile.is_ca:
        return x509.BasicConstraints({"ca": False})
    return x509.BasicConstraints({"ca": True, "path_len_constraint": profile.path_length})
