from qr.errors import CodeMalformed


def require_digits(scanned: str, length: int) -> None:
    """Require exactly ``length`` ASCII digits; anything else, a blank or another script's digits, is CodeMalformed."""
    if len(scanned) != length or not (scanned.isascii() and scanned.isdigit()):
        raise CodeMalformed(f"not {length} digits")
