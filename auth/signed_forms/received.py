"""A request as it arrived, and what is read of its signature: the record that every form ends in."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HEADER = "ESSC-SM2-SM3"
GATEWAY = "GATEWAY-SM2-SM3"
ENVELOPE = "ENVELOPE-SM2-SM3"
MESSAGE = "RFC9421-SM2-SM3"
H5 = "H5-SM2-SM3"
ALGORITHMS = (HEADER, GATEWAY, ENVELOPE, MESSAGE, H5)
"""What the evidence calls the way in which a base string was made and signed."""

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived. ``path`` is in the one spelling in which it was routed, ``query`` as it was sent.

    ``headers`` gives all values of a header by its name; ``origin`` is our own address as callers see it.
    """

    method: str
    path: str
    query: str
    headers: Callable[[str], Sequence[str]]
    body: bytes
    origin: str

    @property
    def target(self) -> str:
        """Path and query, as a request line has them."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: str) -> str | None:
        """Give a header that stands once; None also for one that stands twice."""
        values = self.headers(name)
        return values[0] if len(values) == 1 else None


@dataclass(frozen=True, slots=True)
class UnverifiedRequest:
    """A well-formed signature and what it is said to cover; nothing is proved.

    ``timestamp`` is in seconds, ``signature`` is 64 bytes r ‖ s in range, ``base`` the bytes that were signed.
    """

    algorithm: str
    app: str
    serial: str
    timestamp: int
    nonce: str
    signature: bytes
    base: bytes
