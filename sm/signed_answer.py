r"""Answers signed with SM2, in the shape of signed requests: one header, five lines.

ESSC-Signature: serial_no="…",timestamp="…",nonce="…",signature="…" over STATUS\npath?query\ntimestamp\nnonce\nbody\n.
Path, query and nonce are the request's: an answer proves itself for one request alone. A request's first line is
letters, an answer's three digits, so neither passes for the other.
"""

import base64

from sm.der import signature_to_der
from sm.sm2 import Signer

HEADER = "ESSC-Signature"


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
