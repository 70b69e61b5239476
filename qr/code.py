"""What a scanner typed, turned into one of the two codes of the card or into nothing."""

from qr import counter_code, signed_code
from qr.counter_code import UnverifiedCounterCode, read_counter_code
from qr.errors import CodeMalformed
from qr.signed_code import UnverifiedSignedCode, read_signed_code


def read_code(scanned: str) -> UnverifiedCounterCode | UnverifiedSignedCode:
    """Read what was scanned, whatever it is; raise CodeMalformed for anything but one canonical code.

    Nothing is forgiven: no blank, no line end, no second spelling. Nothing is verified either.
    """
    if scanned.startswith(counter_code.PREFIX):
        return read_counter_code(scanned)
    if scanned.startswith(signed_code.PREFIX):
        return read_signed_code(scanned)
    raise CodeMalformed("another prefix")
