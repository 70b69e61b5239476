"""In which form a request is signed: exactly one, or it is not signed at all."""

from dataclasses import dataclass

from auth.errors import SignatureMissing
from auth.signed_forms.envelope import EnvelopeSecret, is_envelope, read_envelope
from auth.signed_forms.gateway import is_gateway_form, read_gateway_form
from auth.signed_forms.h5_entry import is_h5_entry, read_h5_entry
from auth.signed_forms.header import read_header_form
from auth.signed_forms.message_signatures import is_message_signature, read_message_signature
from auth.signed_forms.received import ENVELOPE, GATEWAY, H5, HEADER, MESSAGE, Received, UnverifiedRequest


@dataclass(frozen=True, slots=True)
class SignedContent:
    """A request whose signature was read; ``content`` is the JSON for the view where the body is a wrapping of it."""

    unverified: UnverifiedRequest
    content: bytes | None = None


def read_signed(received: Received, secret_of: EnvelopeSecret) -> SignedContent:
    """Read a request in the form in which it is signed; raises ``SignatureMissing`` for none, and for two at once.

    ``secret_of`` gives the secret under which an app encrypts data.
    """
    form = _require_one_form(received)
    if form == HEADER:
        given = received.header("Authorization")
        return SignedContent(read_header_form(given, received.method, received.target, received.body))
    if form == MESSAGE:
        return SignedContent(read_message_signature(received))
    if form == GATEWAY:
        return SignedContent(*read_gateway_form(received))
    if form == H5:
        return SignedContent(*read_h5_entry(received, secret_of))
    return SignedContent(*read_envelope(received, secret_of))


def _require_one_form(received: Received) -> str:
    signs = {
        HEADER: bool(received.headers("Authorization")),
        MESSAGE: is_message_signature(received),
        GATEWAY: is_gateway_form(received),
        ENVELOPE: is_envelope(received),
        H5: is_h5_entry(received),
    }
    found = [form for form, is_there in signs.items() if is_there]
    if len(found) != 1:
        raise SignatureMissing("a request is signed in one form" if found else None)
    return found[0]
