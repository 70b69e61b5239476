from enum import IntEnum

from qr.errors import CodeMalformed


class CodeClass(IntEnum):
    """What a code may be used for; the number stands in the code (qr-code.md, A)."""

    IDENTITY = 0
    MEDICAL = 1
    MERCHANT = 2
    GATE = 3
    TEST = 9

    @property
    def label(self) -> str:
        """The word by which the API and the command line know the class."""
        return self.name.lower()


def read_code_class(given: int) -> CodeClass:
    """Turn the number in a code into its class; raise CodeMalformed for a number that means nothing."""
    try:
        return CodeClass(given)
    except ValueError:
        raise CodeMalformed("no such class") from None
