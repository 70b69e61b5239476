"""SM2 certificates (GM/T 0015, RFC 5280): read, issue, revoke, and verify link by link.

Ministry (root) → province → city → card, terminal or partner. The user id of every signature in a certificate or a
list is 1234567812345678 (GM/T 0009, clause 10).
"""

from sm.certificates.hierarchy import (
    AuthorityKeys,
    AuthoritySubjects,
    Hierarchy,
    development_subjects,
    issue_authority,
    issue_hierarchy,
)
from sm.certificates.issuing import CertificateProfile, Subject, authority_profile, issue, leaf_profile, new_serial
from sm.certificates.names import CARD_PURPOSE, PARTNER_PURPOSE, PLATFORM_PURPOSE, TERMINAL_PURPOSE
from sm.certificates.reading import MAX_CERTIFICATE_SIZE, Certificate, read_certificate
from sm.certificates.revocation import Revocation, RevocationList, issue_crl, read_crl
from sm.certificates.trust import Trust

__all__ = [
    "CARD_PURPOSE",
    "MAX_CERTIFICATE_SIZE",
    "PARTNER_PURPOSE",
    "PLATFORM_PURPOSE",
    "TERMINAL_PURPOSE",
    "AuthorityKeys",
    "AuthoritySubjects",
    "Certificate",
    "CertificateProfile",
    "Hierarchy",
    "Revocation",
    "RevocationList",
    "Subject",
    "Trust",
    "authority_profile",
    "development_subjects",
    "issue",
    "issue_authority",
    "issue_crl",
    "issue_hierarchy",
    "leaf_profile",
    "new_serial",
    "read_certificate",
    "read_crl",
]
