"""Refusals about chip cards, readers and what they prove."""

from core.errors import Kind, Refusal, Unavailable


class TerminalSessionOver(Refusal):
    kind = Kind.GONE
    code = "terminal_session_over"
    title_en = "The reader's code was used or has expired."
    title_zh = "读卡终端显示的二维码已使用或已过期。"
    next_en = "Ask the operator to show a new code and scan that."
    next_zh = "请让工作人员重新显示二维码后再扫。"


class ChipCardUnknown(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "chip_card_unknown"
    title_en = "This chip card is not in the issuer's register."
    title_zh = "该社保卡未在发卡机构登记。"
    next_en = "Go to an outlet of your card's bank, or call 12333."
    next_zh = "请到发卡银行网点咨询或致电 12333。"


class ChipCardLost(Refusal):
    kind = Kind.CONFLICT
    code = "chip_card_lost"
    title_en = "This chip card is reported lost."
    title_zh = "该社保卡已挂失。"
    next_en = "Lift the report at an outlet with your identity card, or ask for a replacement."
    next_zh = "请持身份证到网点解挂，或办理补卡。"


class ChipCardCancelled(Refusal):
    kind = Kind.CONFLICT
    code = "chip_card_cancelled"
    title_en = "This chip card has been cancelled or replaced."
    title_zh = "该社保卡已注销或已被新卡替换。"
    next_en = "Use your new card; call 12333 if you have none."
    next_zh = "请使用新卡；如无新卡请致电 12333。"


class ChipCardExpired(Refusal):
    kind = Kind.CONFLICT
    code = "chip_card_expired"
    title_en = "This chip card is past its date."
    title_zh = "该社保卡已过有效期。"
    next_en = "Ask for an exchange at an outlet of your card's bank."
    next_zh = "请到发卡银行网点办理换卡。"


class ChipCardNotYetValid(Refusal):
    kind = Kind.CONFLICT
    code = "chip_card_not_yet_valid"
    title_en = "This chip card's issue date lies ahead."
    title_zh = "该社保卡尚未到生效日期。"
    next_en = "Check the date, or call 12333."
    next_zh = "请核对日期或致电 12333。"


class ChipCardNotAuthentic(Refusal):
    kind = Kind.FORBIDDEN
    code = "chip_card_not_authentic"
    title_en = "The chip did not prove that it is the card it says it is."
    title_zh = "芯片未能通过真伪验证。"
    next_en = "Clean the chip and try once more; then go to an outlet of your card's bank."
    next_zh = "请擦拭芯片后重试；仍不成功请到发卡银行网点。"


class CardCertificateWrong(Refusal):
    kind = Kind.FORBIDDEN
    code = "card_certificate_wrong"
    title_en = "The certificate on the chip is not good for this card."
    title_zh = "芯片证书无效或与本卡不符。"
    next_en = "Go to an outlet of your card's bank."
    next_zh = "请到发卡银行网点处理。"


class CardSignatureWrong(Refusal):
    kind = Kind.FORBIDDEN
    code = "card_signature_wrong"
    title_en = "The chip's signature does not belong to this enrollment."
    title_zh = "芯片签名与本次绑定不符。"
    next_en = "Begin again at the reader."
    next_zh = "请在终端重新开始。"


class ChipDataWrong(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "chip_data_wrong"
    title_en = "What was read from the chip is not what a social security card holds."
    title_zh = "读取的芯片数据不符合社保卡规范。"
    next_en = "Put the card in again; if it happens twice, go to an outlet of your card's bank."
    next_zh = "请重新插卡；如再次出现请到发卡银行网点。"


class AlgorithmNotSupported(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "card_algorithm_not_supported"
    title_en = "This terminal or service cannot work with this card's algorithm."
    title_zh = "终端或服务不支持该卡的算法。"
    next_en = "Use another reader, or exchange the card for a third-generation one."
    next_zh = "请更换终端，或换发第三代社保卡。"


class PinNearlyLocked(Refusal):
    kind = Kind.CONFLICT
    code = "pin_nearly_locked"
    title_en = "Only one try is left for this card's PIN; it is not spent here."
    title_zh = "该卡密码仅剩最后一次尝试机会，为避免锁卡已停止。"
    next_en = "Have the PIN reset at an outlet of your card's bank with your identity card."
    next_zh = "请持身份证到发卡银行网点重置密码。"


class TooManyWrongPins(Refusal):
    kind = Kind.LIMITED
    code = "too_many_wrong_pins"
    title_en = "Too many wrong PINs with this card or at this terminal within a day."
    title_zh = "该卡或该终端一天内密码错误次数过多。"
    next_en = "Come back tomorrow or go to an outlet of your card's bank."
    next_zh = "请明天再试或到发卡银行网点处理。"


class ReaderTooSlow(Refusal):
    kind = Kind.FORBIDDEN
    code = "reader_too_slow"
    title_en = "The card answered so slowly that it may not be in this reader."
    title_zh = "卡片响应时间异常，可能不在本终端上。"
    next_en = "Put the card into this reader itself and begin again."
    next_zh = "请将卡片直接放入本终端后重新开始。"


class CardHsmUnavailable(Unavailable):
    code = "card_hsm_unavailable"
    title_en = "The card key service does not answer; the enrollment is still open."
    title_zh = "卡密钥服务暂时不可用，本次绑定仍有效。"


class RevocationListUnavailable(Unavailable):
    code = "revocation_list_unavailable"
    title_en = "It cannot be told now which card certificates are revoked; the enrollment is still open."
    title_zh = "暂时无法查询证书吊销情况，本次绑定仍有效。"
