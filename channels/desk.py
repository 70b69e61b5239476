"""What the channels' flows are handed by ``web.runtime``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from core.ground import Ground
from sm.certificates import Certificate
from sm.sm2 import Provider

IssueCertificate = Callable[[str, bytes, datetime, datetime], Certificate]
"""Let the city certify a partner's key: common name, public key (64 bytes), from when, until when."""
VerifyCertificate = Callable[[Certificate, datetime], Certificate]
"""Give back a partner's certificate that may be believed now; raises ``InvalidCertificate``."""


@dataclass(frozen=True)
class ChannelDesk:
    """What the register needs beside the ground.

    ``operators`` are the names and keys of those who may propose and approve, as the key store registers them.
    """

    ground: Ground
    provider: Provider
    operators: Callable[[], Mapping[str, bytes]]
    issue_certificate: IssueCertificate
    verify_certificate: VerifyCertificate
