"""What can go wrong with a card, one class for each meaning.

Every class carries data only: a stable `code`, a `title` in both languages and the `next_step` that tells the
holder (or the operator) what to do. Who shows the text decides how.
"""

from enum import StrEnum
from typing import ClassVar, NamedTuple


class Wording(NamedTuple):
    """The same sentence in Chinese and in English."""

    zh: str
    en: str


class NextStep(StrEnum):
    """What the holder does next; the key of `ADVICE`."""

    ENTER_PIN_AGAIN = "enter_pin_again"
    CORRECT_PIN = "correct_pin"
    UNBLOCK_AT_OUTLET = "unblock_at_outlet"
    EXCHANGE_AT_OUTLET = "exchange_at_outlet"
    PRESENT_CARD_AGAIN = "present_card_again"
    START_AGAIN = "start_again"
    ASK_OPERATOR = "ask_operator"


ADVICE: dict[NextStep, Wording] = {
    NextStep.ENTER_PIN_AGAIN: Wording("请核对密码后重新输入。", "Check your PIN and enter it again."),
    NextStep.CORRECT_PIN: Wording("密码只能由数字组成，请重新输入。", "A PIN has digits only; enter it again."),
    NextStep.UNBLOCK_AT_OUTLET: Wording(
        "请携带本人身份证和社保卡，到社保卡服务网点或发卡银行网点重置密码。",
        "Take your identity card and this card to a service outlet, or to one of the card's bank, to reset the PIN.",
    ),
    NextStep.EXCHANGE_AT_OUTLET: Wording(
        "请携带本人身份证，到发卡银行网点更换社保卡。",
        "Take your identity card to an outlet of the card's bank to have the card exchanged.",
    ),
    NextStep.PRESENT_CARD_AGAIN: Wording(
        "请重新放置社保卡，完成前不要取走。", "Present the card again and leave it in place until the end."
    ),
    NextStep.START_AGAIN: Wording("请重新开始办理。", "Start again from the beginning."),
    NextStep.ASK_OPERATOR: Wording("请联系现场工作人员。", "Ask the staff of this outlet."),
}


class ChipError(Exception):
    """The root of all errors of this package."""

    code: ClassVar[str] = "chip_error"
    title: ClassVar[Wording] = Wording("读卡失败", "The card could not be used")
    next_step: ClassVar[NextStep] = NextStep.ASK_OPERATOR

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.title.en)

    @property
    def advice(self) -> Wording:
        """Give the sentence that tells the holder what to do."""
        return ADVICE[self.next_step]


# --- the reader and the way to the card ---------------------------------------------------------------------------


class ReaderUnavailable(ChipError):
    code = "reader_unavailable"
    title = Wording("读卡器不可用", "The card reader is not available")


class CardRemoved(ChipError):
    code = "card_removed"
    title = Wording("社保卡已被取走", "The card was removed")
    next_step = NextStep.PRESENT_CARD_AGAIN


class CardMute(ChipError):
    code = "card_mute"
    title = Wording("社保卡没有响应", "The card does not answer")
    next_step = NextStep.PRESENT_CARD_AGAIN


class MalformedAnswer(ChipError):
    """Bytes of the card (answer, ATR, record) do not read as what they should be."""

    code = "malformed_answer"
    title = Wording("社保卡返回的数据无法识别", "The card gave an answer that cannot be read")
    next_step = NextStep.PRESENT_CARD_AGAIN


# --- rules that hold before anything is sent ----------------------------------------------------------------------


class PinUnusable(ChipError):
    code = "pin_unusable"
    title = Wording("密码格式不正确", "This cannot be a PIN")
    next_step = NextStep.CORRECT_PIN


class ApplicationNotOffered(ChipError):
    code = "application_not_offered"
    title = Wording("该社保卡没有此项功能", "This generation of the card has no such application")
    next_step = NextStep.START_AGAIN


class UnknownGeneration(ChipError):
    code = "unknown_generation"
    title = Wording("不支持该版本的社保卡", "No profile fits this card")
    next_step = NextStep.EXCHANGE_AT_OUTLET


class MalformedCommand(ChipError):
    """A command APDU whose header and lengths do not fit; only the card's side meets it."""

    code = "malformed_command"
    title = Wording("指令格式错误", "These bytes are no command")


class CardFileUnusable(ChipError):
    """The file of a virtual card cannot be used: damaged, or not marked as development."""

    code = "card_file_unusable"
    title = Wording("虚拟卡文件不可用", "The file of the virtual card cannot be used")


# --- the card said no (ISO 7816-4 table 5, and the social security application's own) -----------------------------


class CardRefusal(ChipError):
    """The card answered with a status word other than 9000; `status_word` keeps it for the operator."""

    code = "card_refusal"

    def __init__(self, status_word: int) -> None:
        super().__init__(f"{self.title.en} (status word {status_word:04X})")
        self.status_word = status_word


class UnknownStatus(CardRefusal):
    code = "unknown_status"
    title = Wording("社保卡返回未知状态", "The card answered with an unknown status")


class WrongPin(CardRefusal):
    """The PIN is wrong; `tries_left` more tries before it locks."""

    code = "wrong_pin"
    title = Wording("密码错误", "The PIN is wrong")
    next_step = NextStep.ENTER_PIN_AGAIN

    def __init__(self, status_word: int, tries_left: int) -> None:
        super().__init__(status_word)
        self.tries_left = tries_left


class PinLocked(CardRefusal):
    code = "pin_locked"
    title = Wording("密码已锁定", "The PIN is locked")
    next_step = NextStep.UNBLOCK_AT_OUTLET


class WrongAuthentication(CardRefusal):
    """The outside world did not prove its key to the card; `tries_left` more tries before the key locks."""

    code = "wrong_authentication"
    title = Wording("社保卡认证失败", "The card did not accept the service's proof")

    def __init__(self, status_word: int, tries_left: int) -> None:
        super().__init__(status_word)
        self.tries_left = tries_left


class KeyLocked(CardRefusal):
    code = "key_locked"
    title = Wording("社保卡密钥已锁定", "A key of the card is locked")
    next_step = NextStep.EXCHANGE_AT_OUTLET


class SecurityNotSatisfied(CardRefusal):
    code = "security_not_satisfied"
    title = Wording("不满足安全条件", "The card asks for a proof first")
    next_step = NextStep.START_AGAIN


class ChallengeMissing(CardRefusal):
    code = "challenge_missing"
    title = Wording("随机数已失效", "The card has no fresh challenge")
    next_step = NextStep.START_AGAIN


class ConditionsNotSatisfied(CardRefusal):
    code = "conditions_not_satisfied"
    title = Wording("使用条件不满足", "The card cannot do this now")
    next_step = NextStep.START_AGAIN


class NoFileSelected(CardRefusal):
    code = "no_file_selected"
    title = Wording("未选择文件", "No file of the card is selected")
    next_step = NextStep.START_AGAIN


class SecureMessagingWrong(CardRefusal):
    code = "secure_messaging_wrong"
    title = Wording("安全报文不正确", "The protected command was not accepted")


class FunctionNotSupported(CardRefusal):
    code = "function_not_supported"
    title = Wording("社保卡不支持该功能", "The card does not support this")


class FileNotFound(CardRefusal):
    code = "file_not_found"
    title = Wording("社保卡上没有该文件或应用", "The card has no such file or application")
    next_step = NextStep.EXCHANGE_AT_OUTLET


class RecordNotFound(CardRefusal):
    code = "record_not_found"
    title = Wording("社保卡上没有该记录", "The card has no such record")
    next_step = NextStep.EXCHANGE_AT_OUTLET


class KeyNotFound(CardRefusal):
    code = "key_not_found"
    title = Wording("社保卡上没有该密钥", "The card has no such key")
    next_step = NextStep.EXCHANGE_AT_OUTLET


class ApplicationBlocked(CardRefusal):
    code = "application_blocked"
    title = Wording("社保应用已锁定", "The application of the card is blocked")
    next_step = NextStep.UNBLOCK_AT_OUTLET


class WrongLength(CardRefusal):
    code = "wrong_length"
    title = Wording("指令长度错误", "The card refused the length of a command")


class WrongOffset(CardRefusal):
    code = "wrong_offset"
    title = Wording("读取位置超出范围", "The card refused the place to read from")


class WrongParameters(CardRefusal):
    code = "wrong_parameters"
    title = Wording("指令参数错误", "The card refused a parameter")


class InstructionUnknown(CardRefusal):
    code = "instruction_unknown"
    title = Wording("社保卡不支持该指令", "The card does not know this command")


class ClassUnknown(CardRefusal):
    code = "class_unknown"
    title = Wording("社保卡不支持该指令类别", "The card does not know this class of commands")
