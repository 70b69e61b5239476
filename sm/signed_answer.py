r"""Answers signed with SM2, in the shape of signed requests: one header, five lines.

ESSC-Signature: serial_no="…",timestamp="…",nonce="…",signature="…" over STATUS\npath?query\ntimestamp\nnonce\nbody\n.
Path, query and nonce are the request's: an answer proves itself for one request alone. A request's first line is
letters, an answer's three digits, so neither passes for the other.
"""

import base64
from dataclasses import dataclass

from sm.der import signature_to_der
from sm.errors import Malformed
from sm.signed_request import MAX_HEADER_SIZE, read_fields, read_signature
from sm.sm2 import Signer, Verifier

HEADER = "ESSC-Signature"
_NAMES = ("serial_no", "timestamp", "nonce", "signature")


@dataclass(frozen=True, slots=True)
class AnswerHeader:
    """A well-formed header of an answer. Nothing is proved yet; `signature` is 64 bytes r ‖ s in range."""

    serial_no: str
    timestamp: int
    nonce: str
    signature: bytes


def answer_base_string(status: int, target: str, timestamp: int, nonce: str, body: bytes) -> bytes:
    """Build what is signed; `target` and `nonce` are those of a request that was verified, so without line ends."""
    head = (f"{status:03d}", target, str(timestamp), nonce)
    return b"".join(line.encode() + b"\n" for line in head) + body + b"\n"


def sign_answer(
    signer: Signer, *, serial_no: str, status: int, target: str, timestamp: int, nonce: str, body: bytes
) -> str:
    """Sign an answer; give back the value of its header."""
    signature = signer.sign(answer_base_string(status, target, timestamp, nonce, body))
    fields = {
        "serial_no": serial_no,
        "timestamp": str(timestamp),
        "nonce": nonce,
        "signature": base64.b64encode(signature_to_der(signature)).decode("ascii"),
    }
    return ",".join(f'{name}="{value}"' for name, value in fields.items())


def read_answer_header(given: str) -> AnswerHeader:
    """Read the header of an answer: the four fields once each in any order; raises Malformed for everything else."""
    if len(given) > MAX_HEADER_SIZE:
        raise Malformed("the header is too long")
    fields = read_fields(given, _NAMES)
    return AnswerHeader(
        serial_no=fields["serial_no"],
        timestamp=int(fields["timestamp"]),
        nonce=fields["nonce"],
        signature=read_signature(fields["signature"]),
    )


def verify_answer(verifier: Verifier, header: AnswerHeader, *, status: int, target: str, body: bytes) -> None:
    """Verify an answer to the request that went to `target` with the header's nonce; raise InvalidSignature.

    That the nonce is the one that was sent, and the time near, is the caller's to check.
    """
    verifier.verify(answer_base_string(status, target, header.timestamp, header.nonce, body), header.signature)
