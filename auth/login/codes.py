"""A login's code and its number: both follow from the login and a key of the city, and neither is kept.

So a page that is loaded again shows the same code, and a phone whose answer was lost gets the same number.
"""

import unicodedata
from hmac import compare_digest

from auth.login.records import Login
from auth.oauth.stored_secrets import StoredSecrets
from auth.typed_codes import write_code

NUMBER_LENGTH = 4
_CODE = "login-code"
_NUMBER = "login-number"


def make_code(stored: StoredSecrets, login_id: str) -> str:
    """Make the eight letters of a login."""
    return write_code(stored.derive(_CODE, login_id)).replace("-", "")


def code_handle(stored: StoredSecrets, given: str) -> str:
    """Name a code as people write it: small letters, spaces and dashes are let pass, what is no code names nothing."""
    return stored.handle(_CODE, given.upper().replace("-", "").replace(" ", ""))


def make_number(stored: StoredSecrets, login: Login) -> str:
    """Make the four digits that the phone of a login shows."""
    drawn = int.from_bytes(stored.derive(_NUMBER, f"{login.id}\x00{login.device}"), "big")
    return f"{drawn % 10**NUMBER_LENGTH:0{NUMBER_LENGTH}d}"


def is_number_of(stored: StoredSecrets, login: Login, given: str) -> bool:
    """Tell whether somebody has typed the number of a login."""
    number = read_number(given)
    return number is not None and compare_digest(number, make_number(stored, login))


def read_number(given: str) -> str | None:
    """Read four digits as people type them: with spaces, or in the full width of a Chinese keyboard."""
    digits = unicodedata.normalize("NFKC", given[:20]).replace(" ", "")
    return digits if len(digits) == NUMBER_LENGTH and digits.isascii() and digits.isdecimal() else None
