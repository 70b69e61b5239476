"""In which form a request is signed: exactly one, or it is not signed at all."""

from dataclasses import dataclass

from auth.errors import SignatureMissing
from auth.signed_forms.header import read_header_form
from auth.signed_forms.received import Received, UnverifiedRequest


@dataclass(frozen=True, slots=True)
class SignedContent:
    """A request whose signature was read; ``content`` is the JSON for the view where the body is a wrapping of it."""

    unverified: UnverifiedRequest
    content: bytes | None = None


def read_signed(received: Received) -> SignedContent:
    """Read a request in the form in which it is signed; raises ``SignatureMissing`` for none, and for two at once."""
    given = received.header("Authorization")
    if given is None:
        raise SignatureMissing
    return SignedContent(read_header_form(given, received.method, received.target, received.body))
