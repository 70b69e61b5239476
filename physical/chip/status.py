"""Status words (ISO 7816-4 clause 5.6 and chip-card.md 1.7) and the error each one means."""

from enum import IntEnum

from physical.chip import errors

SW1_MORE_DATA = 0x61
SW1_WRONG_LE = 0x6C
_WRONG_WITH_COUNTER = 0x63C0


class SW(IntEnum):
    """The status words that the social security and the certificate application use."""

    OK = 0x9000
    WRONG_LENGTH = 0x6700
    SECURITY_NOT_SATISFIED = 0x6982
    LOCKED = 0x6983
    CHALLENGE_MISSING = 0x6984
    CONDITIONS_NOT_SATISFIED = 0x6985
    NO_FILE_SELECTED = 0x6986
    SECURE_MESSAGING_WRONG = 0x6988
    WRONG_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    FILE_NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    WRONG_P1_P2 = 0x6A86
    KEY_NOT_FOUND = 0x6A88
    WRONG_OFFSET = 0x6B00
    INSTRUCTION_UNKNOWN = 0x6D00
    CLASS_UNKNOWN = 0x6E00
    APPLICATION_BLOCKED = 0x9303


_ERROR_OF: dict[int, type[errors.CardRefusal]] = {
    SW.WRONG_LENGTH: errors.WrongLength,
    SW.SECURITY_NOT_SATISFIED: errors.SecurityNotSatisfied,
    SW.LOCKED: errors.KeyLocked,
    SW.CHALLENGE_MISSING: errors.ChallengeMissing,
    SW.CONDITIONS_NOT_SATISFIED: errors.ConditionsNotSatisfied,
    SW.NO_FILE_SELECTED: errors.NoFileSelected,
    SW.SECURE_MESSAGING_WRONG: errors.SecureMessagingWrong,
    SW.WRONG_DATA: errors.WrongParameters,
    SW.FUNCTION_NOT_SUPPORTED: errors.FunctionNotSupported,
    SW.FILE_NOT_FOUND: errors.FileNotFound,
    SW.RECORD_NOT_FOUND: errors.RecordNotFound,
    SW.WRONG_P1_P2: errors.WrongParameters,
    SW.KEY_NOT_FOUND: errors.KeyNotFound,
    SW.WRONG_OFFSET: errors.WrongOffset,
    SW.INSTRUCTION_UNKNOWN: errors.InstructionUnknown,
    SW.CLASS_UNKNOWN: errors.ClassUnknown,
    SW.APPLICATION_BLOCKED: errors.ApplicationBlocked,
}


def require_success(status_word: int) -> None:
    """Return when the card said 9000, else raise the `CardRefusal` that the status word means."""
    if status_word == SW.OK:
        return
    raise _ERROR_OF.get(status_word, errors.UnknownStatus)(status_word)


def require_pin_accepted(status_word: int) -> None:
    """Like `require_success`, after a command that carries a PIN: 63Cx and 6983 speak of the PIN."""
    tries = counter_of(status_word)
    if tries:
        raise errors.WrongPin(status_word, tries)
    if tries == 0 or status_word == SW.LOCKED:  # 63C0: this very try has locked it
        raise errors.PinLocked(status_word)
    require_success(status_word)


def require_key_accepted(status_word: int) -> None:
    """Like `require_success`, after EXTERNAL AUTHENTICATE: 63Cx and 6983 speak of the key."""
    tries = counter_of(status_word)
    if tries:
        raise errors.WrongAuthentication(status_word, tries)
    if tries == 0:
        raise errors.KeyLocked(status_word)
    require_success(status_word)


def counter_of(status_word: int) -> int | None:
    """Give x of 63Cx, None for every other status word."""
    if status_word & 0xFFF0 == _WRONG_WITH_COUNTER:
        return status_word & 0x0F
    return None


def wrong_with(tries_left: int) -> int:
    """Build 63Cx for 0 to 15 tries left."""
    return _WRONG_WITH_COUNTER | min(max(tries_left, 0), 0x0F)


def is_well_formed(status_word: int) -> bool:
    """Tell whether these two bytes can be a status word at all: 61xx to 6Fxx, 9xxx (ISO 7816-3 clause 10.3.3)."""
    return 0x6100 <= status_word <= 0x6FFF or 0x9000 <= status_word <= 0x9FFF
