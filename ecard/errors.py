"""Refusals about enrolling, issuing and the standing of electronic cards."""

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
