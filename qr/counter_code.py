"""The counter code: 20 digits that mean nothing but to the service (qr-code.md, A)."""

from dataclasses import dataclass, field

from core.ids import Randomness
from qr.code_class import CodeClass, read_code_class
from qr.digits import require_digits
from qr.errors import CodeMalformed

PREFIX = "81"
LENGTH = 20  # 2 prefix, 1 class, 16 token, 1 check
TOKEN_LENGTH = 16
_RANDOM_BYTES = 16  # 2^128 against 10^16: no token is more likely than another by more than 2^-74


@dataclass(frozen=True, slots=True)
class UnverifiedCounterCode:
    """A counter code as scanned: well formed, and no more; only the service knows whether its token lives.

    Attributes:
        code_class: the use that the code names.
        token: 16 digits, hidden in repr.
    """

    code_class: CodeClass
    token: str = field(repr=False)


def mint_counter_code(code_class: CodeClass, randomness: Randomness) -> str:
    """Make a counter code: 20 digits with a uniformly random token."""
    token = int.from_bytes(randomness(_RANDOM_BYTES), "big") % 10**TOKEN_LENGTH
    body = f"{PREFIX}{code_class:d}{token:0{TOKEN_LENGTH}d}"
    return body + check_digit(body)


def read_counter_code(scanned: str) -> UnverifiedCounterCode:
    """Read 20 digits; raise CodeMalformed for another prefix, an unknown class or a wrong check digit."""
    require_digits(scanned, LENGTH)
    if not scanned.startswith(PREFIX):
        raise CodeMalformed("another prefix")
    if check_digit(scanned[:-1]) != scanned[-1]:
        raise CodeMalformed("wrong check digit")
    return UnverifiedCounterCode(read_code_class(int(scanned[2])), scanned[3:-1])


def check_digit(body: str) -> str:
    """Compute the ISO/IEC 7064 MOD 11,10 check digit of a string of digits.

    A hybrid system of two moduli: it finds every single wrong digit. The prefix and the class are covered too.
    """
    product = 10
    for digit in body:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)
