"""The detached signature of a statement: SM2 over all bytes of the file, under a user id of its own.

The signature's file is canonical JSON; any SM2 tool can check ``signature`` (r ‖ s) over the statement as it stands::

    {"certificates": [hex of DER, leaf first, …], "format": "…", "signature": "…", "user_id": "ESSC-STATEMENT-1"}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from qr.verification_keys import MAX_CERTIFICATES, Authority
from sm.canonical import canonical_json, read_canonical_json, read_hex
from sm.digest import RunningDigest, start_sm3
from sm.errors import Malformed
from sm.sm2 import Signer, z_value

STATEMENT_USER_ID = b"ESSC-STATEMENT-1"
STATEMENT_PURPOSE = "2.25.330270700068479664757145747184371710072"
"""Extended key usage of the certificate whose key signs statements."""
MAX_SIGNATURE_FILE = 64 * 1024
_FORMAT = "ESSC-STATEMENT-SIGNATURE-1"
_MEMBERS: dict[str, type] = {"certificates": list, "format": str, "signature": str, "user_id": str}
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class UnverifiedSignature:
    """A signature's file as it arrived."""

    signature: bytes
    certificates: tuple[bytes, ...]


def write_signature(signer: Signer, digest: bytes, certificates: Sequence[bytes]) -> str:
    """Sign what ``start_message`` has digested and write the signature's file; certificates are DER, leaf first."""
    envelope = {
        "certificates": [der.hex() for der in certificates],
        "format": _FORMAT,
        "signature": signer.sign_digest(digest).hex(),
        "user_id": STATEMENT_USER_ID.decode("ascii"),
    }
    return canonical_json(envelope).decode("ascii")


def read_signature_file(given: bytes) -> UnverifiedSignature:
    """Read the signature's file; raise Malformed. Line ends after it are forgiven."""
    if len(given) > MAX_SIGNATURE_FILE:
        raise Malformed("the signature's file is too long")
    envelope = read_canonical_json(given.rstrip(b"\r\n"), _MEMBERS)
    certificates = envelope["certificates"]
    if (envelope["format"], envelope["user_id"]) != (_FORMAT, STATEMENT_USER_ID.decode("ascii")):
        raise Malformed("not a statement's signature")
    if len(certificates) > MAX_CERTIFICATES or any(type(item) is not str for item in certificates):
        raise Malformed("not a chain of certificates")
    return UnverifiedSignature(read_hex(envelope["signature"]), tuple(read_hex(item) for item in certificates))


def verify_signature(
    unverified: UnverifiedSignature, file: IO[bytes], authority: Authority, at: datetime
) -> str | None:
    """Prove who signed the file and tell the name in the certificate, None where a key was pinned.

    Raises InvalidSignature, InvalidCertificate, Malformed.
    """
    verifier, name = authority.get_verifier(unverified.certificates, at)
    verifier.verify_digest(digest_message(verifier.public_key, file), unverified.signature)
    return name


def start_message(public_key: bytes) -> RunningDigest:
    """Begin e = SM3(Z ‖ file), GM/T 0003.2, 6.1 A1 and A2; the file is what comes."""
    return start_sm3(z_value(STATEMENT_USER_ID, public_key))


def digest_message(public_key: bytes, file: IO[bytes]) -> bytes:
    """Compute e of a file from its beginning, piece by piece."""
    digest = start_message(public_key)
    file.seek(0)
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.digest()
