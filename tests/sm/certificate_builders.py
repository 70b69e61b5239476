"""A ministry, a province and a city made for the tests, with the tools to bend their certificates."""

import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import x509

from sm.certificates import (
    CARD_PURPOSE,
    AuthorityKeys,
    Certificate,
    Hierarchy,
    Subject,
    development_subjects,
    issue,
    issue_hierarchy,
    leaf_profile,
    read_certificate,
)
from sm.certificates.issuing import sign_der
from sm.der import write_pem
from sm.sm2 import PrivateKey, Provider

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
END = datetime(2027, 1, 1, tzinfo=UTC)

CARD_CODE = "990100D15600000500000001A1B2C3D4"
DISTINGUISHING_ID = "distid:1234567812345678"

KEYS = AuthorityKeys(*(PrivateKey(bytes([number]) * 32) for number in (1, 2, 3)))
LEAF_KEY = PrivateKey(bytes([4]) * 32)


def make_hierarchy(provider: Provider, keys: AuthorityKeys = KEYS) -> Hierarchy:
    return issue_hierarchy(keys, provider, START, development_subjects("990100"))


def issue_leaf(provider: Provider, issuer: Certificate, issuer_key: PrivateKey, **changes) -> Certificate:
    """Issue a card's certificate, or with changes another one; `bent` removes the issuer's own limits."""
    fields = {
        "subject": Subject(CARD_CODE),
        "public_key": provider.public_key_of(LEAF_KEY),
        "profile": leaf_profile(CARD_PURPOSE),
        "serial": 7,
        "not_before": START,
        "not_after": END,
        "signer": provider.signer(issuer_key),
        "issuer": issuer,
    }
    return read_certificate(issue(**fields | changes))


def bent(certificate: Certificate, **extensions) -> Certificate:
    """The same certificate as its holder would like it to be: for issuing with it, not for showing it."""
    return replace(certificate, extensions=replace(certificate.extensions, **extensions))


def signed_anew(provider: Provider, certificate: Certificate, key: PrivateKey, change) -> Certificate:
    """Let `change` work on the TBSCertificate of asn1crypto, then sign the result."""
    tbs = x509.TbsCertificate.load(certificate.tbs)
    change(tbs)
    return read_certificate(sign_der(tbs.dump(force=True), provider.signer(key)))


@dataclass(frozen=True)
class OpensslVerdict:
    accepted: bool
    said: str


def openssl_verify(folder: Path, issued: Certificate, issuer: Certificate, at: datetime = NOW) -> OpensslVerdict:
    """Ask the openssl command about one link."""
    trusted, asked = folder / "issuer.pem", folder / "issued.pem"
    trusted.write_text(write_pem("CERTIFICATE", issuer.der))
    asked.write_text(write_pem("CERTIFICATE", issued.der))
    options = [
        "-partial_chain",
        "-trusted",
        str(trusted),
        "-vfyopt",
        DISTINGUISHING_ID,
        "-attime",
        str(int(at.timestamp())),
    ]
    command = ["openssl", "verify", *options, str(asked)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    return OpensslVerdict(done.returncode == 0, done.stdout + done.stderr)
