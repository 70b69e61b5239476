"""The form of our own: everything about the signature in the Authorization header (``sm.signed_request``)."""

from auth.errors import SignatureMissing, SignatureWrong
from auth.signed_forms.received import HEADER, UnverifiedRequest
from sm.errors import SmError
from sm.signed_request import SignedHeader, base_string, read_header


def read_header_form(given: str | None, method: str, target: str, body: bytes) -> UnverifiedRequest:
    """Read an Authorization header; raises ``SignatureMissing``, or ``SignatureWrong`` for what nobody can sign."""
    header = _read(given)
    return UnverifiedRequest(
        algorithm=HEADER,
        app=header.app_id,
        serial=header.serial_no,
        timestamp=header.timestamp,
        nonce=header.nonce,
        signature=header.signature,
        base=_base(header, method, target, body),
    )


def _base(header: SignedHeader, method: str, target: str, body: bytes) -> bytes:
    try:
        return base_string(method, target, header.timestamp, header.nonce, body)
    except SmError as error:  # an address that no request line may carry
        raise SignatureWrong(str(error)) from error


def _read(given: str | None) -> SignedHeader:
    if not given:
        raise SignatureMissing
    try:
        return read_header(given)
    except SmError as error:
        raise SignatureMissing(str(error)) from error
