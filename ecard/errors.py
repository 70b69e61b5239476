"""Refusals about enrolling, issuing and the standing of electronic cards."""

from datetime import datetime
from math import ceil

from core.clock import to_text
from core.errors import Kind, Refusal


class EnrollmentOver(Refusal):
    kind = Kind.GONE
    code = "enrollment_over"
    title_en = "This enrollment has ended."
    title_zh = "本次绑定已结束。"
    next_en = "Begin again at the reader."
    next_zh = "请在读卡终端重新开始。"


class EnrollmentOutOfStep(Refusal):
    kind = Kind.CONFLICT
    code = "enrollment_out_of_step"
    title_en = "This step does not follow the one before it."
    title_zh = "绑定步骤顺序不正确。"
    next_en = "Begin again at the reader."
    next_zh = "请在读卡终端重新开始。"


class EnrollmentOpen(Refusal):
    kind = Kind.CONFLICT
    code = "enrollment_open"
    title_en = "Another enrollment with this phone or this card is still open."
    title_zh = "该手机或该卡有另一个尚未完成的绑定。"
    next_en = "Finish that one, or wait two minutes."
    next_zh = "请先完成该绑定，或两分钟后再试。"


class EnrollmentLimit(Refusal):
    kind = Kind.LIMITED
    code = "enrollment_limit"
    title_en = "Too many enrollments with this card or at this terminal today."
    title_zh = "该卡或该终端今日绑定次数已达上限。"
    next_en = "Come back tomorrow, or ask the card centre."
    next_zh = "请明天再试或联系社保卡中心。"


class PinNotProven(Refusal):
    kind = Kind.FORBIDDEN
    code = "pin_not_proven"
    title_en = "The holder did not prove the card's PIN."
    title_zh = "未完成卡密码验证。"
    next_en = "Enter the PIN at the reader."
    next_zh = "请在终端输入卡密码。"


class HolderMismatch(Refusal):
    kind = Kind.FORBIDDEN
    code = "holder_mismatch"
    title_en = "The holder on the chip is not the one in the issuer's register."
    title_zh = "芯片上的持卡人信息与登记不符。"
    next_en = "Go to an outlet of your card's bank with your identity card."
    next_zh = "请持身份证到发卡银行网点核实。"


class NotConfirmed(Refusal):
    kind = Kind.CONFLICT
    code = "not_confirmed"
    title_en = "The holder did not confirm this card."
    title_zh = "持卡人未确认本卡。"
    next_en = "Begin again at the reader if it is your card."
    next_zh = "如确为本人卡片，请在终端重新开始。"


class CardEnded(Refusal):
    kind = Kind.GONE
    code = "electronic_card_ended"
    title_en = "This electronic card has been revoked."
    title_zh = "该电子社保卡已注销。"
    next_en = "Enroll again with a valid chip card."
    next_zh = "请使用有效的实体卡重新签发。"


class ElectronicCardSuspended(Refusal):
    kind = Kind.CONFLICT
    code = "electronic_card_suspended"
    title_en = "This electronic card is suspended because its chip card is reported lost."
    title_zh = "因实体卡已挂失，该电子社保卡已暂停使用。"
    next_en = "Lift the loss report, or ask for a replacement."
    next_zh = "请解挂或办理补卡。"


class LevelTooLow(Refusal):
    kind = Kind.FORBIDDEN
    code = "level_too_low"
    title_en = "This card's assurance level does not allow that use."
    title_zh = "该电子社保卡的认证等级不足以办理此项。"
    next_en = "Enroll again with your chip card at a reader."
    next_zh = "请持实体卡到读卡终端重新认证。"


class StandingConflict(Refusal):
    kind = Kind.CONFLICT
    code = "standing_conflict"
    title_en = "The card does not stand where this change begins."
    title_zh = "卡片当前状态不允许此操作。"
    next_en = "Look at the card's standing first."
    next_zh = "请先查询卡片状态。"


class PasswordWeak(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "password_weak"
    title_en = "This password is too easy to guess."
    title_zh = "该密码过于简单，容易被他人猜到。"
    next_en = "Choose six digits: no runs, no repeats, nothing that stands in your social security number."
    next_zh = "请设置六位数字，避免连续、重复等有规律的数字，也不要使用社会保障号码中的数字。"

    def __init__(self, rule: str) -> None:
        """``rule``: six_digits, run, repeat or number. Kept with it: that a try was made, which is limited."""
        super().__init__(f"rule {rule}", recorded=True, extra={"rule": rule})


class PasswordNotSet(Refusal):
    kind = Kind.CONFLICT
    code = "password_not_set"
    title_en = "The holder has not set a password for the electronic card."
    title_zh = "持卡人尚未设置电子社保卡密码。"
    next_en = "Hold the chip card to a reader with the card app, then set a password in it."
    next_zh = "请在读卡终端用手机验证实体卡后，在应用中设置密码。"


class PasswordWrong(Refusal):
    kind = Kind.FORBIDDEN
    code = "password_wrong"
    title_en = "This is not the password of the electronic card."
    title_zh = "电子社保卡密码不正确。"
    next_en = "Try again; after five wrong tries the password is locked for 24 hours."
    next_zh = "请重新输入；连续输错五次，密码将锁定 24 小时。"

    def __init__(self, tries_left: int) -> None:
        """``tries_left``: until the next lock. The try is counted although it is refused."""
        super().__init__(recorded=True, extra={"tries_left": tries_left})
        self.tries_left = tries_left


class PasswordLocked(Refusal):
    kind = Kind.FORBIDDEN
    code = "password_locked"
    title_en = "The password of the electronic card is locked after too many wrong tries."
    title_zh = "电子社保卡密码输错次数过多，已被锁定。"
    next_en = "Wait until the time given, or hold the chip card to a reader with the card app and set a new password."
    next_zh = "请在所示时间之后重试，或在读卡终端用手机验证实体卡后重新设置密码。"

    def __init__(self, until: datetime | None, *, now: datetime) -> None:
        """``until`` None: until the password is set anew, however long that takes."""
        seconds = ceil((until - now).total_seconds()) if until else None
        super().__init__(retry_after=seconds, extra={"locked_until": to_text(until) if until else None})
        self.until = until


class ChipNotPresent(Refusal):
    kind = Kind.FORBIDDEN
    code = "chip_not_present"
    title_en = "For this the chip card has to be shown to a reader first."
    title_zh = "办理此项须先在读卡终端验证实体卡。"
    next_en = "Hold the chip card to a registered reader with this phone, then repeat this within ten minutes."
    next_zh = "请用本手机在登记的读卡终端验证实体卡，并在十分钟内重新操作。"


class NotEligible(Refusal):
    kind = Kind.CONFLICT
    code = "not_eligible"
    title_en = "No electronic card can be issued this way for this person."
    title_zh = "无法通过此方式为该人员签发电子社保卡。"
    next_en = "Hold the chip card to a reader at an outlet, or ask the card centre (12333)."
    next_zh = "请持实体卡到服务网点的读卡终端办理，或咨询 12333。"
