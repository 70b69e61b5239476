"""The card service's certificates: from the ministry's, which the bank has pinned, to the key that signs today.

X.509 with SM2 (GM/T 0015, RFC 5280), as much of it as this chain needs: what is not as it must be is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import pem, x509

from bank import sm2
from bank.port import NotProven

PLATFORM_PURPOSE = "2.25.216496411078038850163260663630861635375"  # of keys that sign answers, questions and news
_POINT = 65


@dataclass(frozen=True, slots=True)
class PlatformKey:
    """A key of the card service's, and when it may sign."""

    serial: str
    public_key: bytes
    not_before: datetime
    not_after: datetime


def read_platform_keys(published: Mapping[str, Any], pinned: bytes, now: datetime) -> dict[str, PlatformKey]:
    """Verify what ``/v1/platform-certificates`` says, down from the pinned certificate; raises ``NotProven``.

    Args:
        published: the answer; nothing of it is believed.
        pinned: the ministry's certificate, PEM.
        now: the moment at which all of them must be good.
    """
    try:
        root = _load(pinned)
        *below, given_root = [_load(one.encode("ascii")) for one in published["authorities"]]
        if given_root.dump() != root.dump():
            raise NotProven("the ministry's certificate is not the pinned one")
        issuer = _descend(root, list(reversed(below)), now)
        leaves = [_load(one["certificate"].encode("ascii")) for one in published["certificates"]]
        for leaf in leaves:
            _require_issued(leaf, issuer, None)
            _require_purpose(leaf)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotProven(f"the card service's certificates: {type(error).__name__}") from error
    return {key.serial: key for key in map(_key_of, leaves)}


def _descend(root: x509.Certificate, below: Sequence[x509.Certificate], now: datetime) -> x509.Certificate:
    """Go from the root to the authority that certifies signing keys; each was issued by the one above it."""
    issuer = root
    _require_issued(root, root, now)
    for left, authority in zip(range(len(below), 0, -1), below, strict=True):
        _require_authority(issuer, left)
        _require_issued(authority, issuer, now)
        issuer = authority
    _require_authority(issuer, 0)
    return issuer


def _require_authority(certificate: x509.Certificate, below: int) -> None:
    basic, usage = certificate.basic_constraints_value, certificate.key_usage_value
    if basic is None or not basic["ca"].native or usage is None or "key_cert_sign" not in usage.native:
        raise NotProven("a certificate may issue none")
    most = basic["path_len_constraint"].native
    if most is not None and most < below:
        raise NotProven("a certificate may have no authority so far below it")


def _require_issued(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime | None) -> None:
    """Verify a certificate by its issuer's key; where ``now`` is given, its dates too."""
    if certificate.issuer != issuer.subject:
        raise NotProven("a certificate names another issuer")
    if now is not None and not certificate.not_valid_before <= now < certificate.not_valid_after:
        raise NotProven("a certificate is not good now")
    sm2.verify(_point_of(issuer), certificate["tbs_certificate"].dump(), certificate["signature_value"].native)


def _require_purpose(certificate: x509.Certificate) -> None:
    """A card's or a partner's certificate comes from the same authority, and signs nothing of the service's."""
    purposes = certificate.extended_key_usage_value
    if purposes is None or purposes.native != [PLATFORM_PURPOSE]:
        raise NotProven("a certificate is for another purpose")


def _key_of(certificate: x509.Certificate) -> PlatformKey:
    not_before, not_after = certificate.not_valid_before, certificate.not_valid_after
    return PlatformKey(f"{certificate.serial_number:x}", _point_of(certificate), not_before, not_after)


def _point_of(certificate: x509.Certificate) -> bytes:
    point = certificate["tbs_certificate"]["subject_public_key_info"]["public_key"].native
    if not isinstance(point, bytes) or len(point) != _POINT or point[0] != 4:
        raise NotProven("a certificate holds no key of SM2")
    return point[1:]


def _load(given: bytes) -> x509.Certificate:
    _, _, der = pem.unarmor(given)
    return x509.Certificate.load(der, strict=True)
