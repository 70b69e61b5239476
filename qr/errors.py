"""Everything that is said at the counter about a code, one class for each verdict (qr-code.md, Redemption)."""

from typing import Literal

from core.errors import Kind, Refusal


class CodeExpired(Refusal):
    kind = Kind.GONE
    code = "expired"
    title_en = "This code has expired."
    title_zh = "该二维码已过期。"
    next_en = "Ask the holder to refresh the code and scan the new one."
    next_zh = "请持卡人刷新二维码后重新扫描。"


class CodeSpent(Refusal):
    """The code was redeemed before: ``here``, at this very terminal, or ``elsewhere``; told in ``extra["where"]``."""

    kind = Kind.CONFLICT
    code = "already_used"
    title_en = "This code has been used already."
    title_zh = "该二维码已被使用。"
    next_en = "Look for the earlier use in the list; for a new visit ask the holder for a new code."
    next_zh = "请先核对此前的使用记录；如需再次办理，请持卡人出示新的二维码。"

    def __init__(self, where: Literal["here", "elsewhere"] = "elsewhere") -> None:
        super().__init__(f"the code was used {where}", extra={"where": where})


class CodeUnknown(Refusal):
    kind = Kind.MISSING
    code = "unknown"
    title_en = "This code is not known."
    title_zh = "无法识别该二维码。"
    next_en = "Ask the holder for a new code; if that is not known either, refresh the terminal's verification keys."
    next_zh = "请持卡人出示新的二维码；如仍无法识别，请更新终端的验证密钥。"


class CodeOfSandbox(Refusal):
    kind = Kind.FORBIDDEN
    code = "sandbox_code"
    title_en = "This is a made-up card from a developer's sandbox; there is nobody whose card it is."
    title_zh = "这是开发沙箱中的虚拟卡，不对应任何真实持卡人。"
    next_en = "Do not go on; real cards are shown in the electronic card or in an app that is live."
    next_zh = "请停止办理；真实卡片应在电子社保卡或已上线的应用中出示。"


class WrongClass(Refusal):
    kind = Kind.FORBIDDEN
    code = "wrong_class"
    title_en = "This code was made for another kind of use."
    title_zh = "该二维码的用途与本终端不符。"
    next_en = "Ask the holder to choose the use that this counter offers and to show that code."
    next_zh = "请持卡人选择与本窗口相符的用途后重新出示。"


class WrongAudience(Refusal):
    kind = Kind.FORBIDDEN
    code = "wrong_audience"
    title_en = "This code is meant for another region, trade or group of merchants."
    title_zh = "该二维码仅限其他地区、行业或商户使用。"
    next_en = "Ask the holder for a code that is valid here."
    next_zh = "请持卡人出示适用于本处的二维码。"


class CardSuspended(Refusal):
    kind = Kind.FORBIDDEN
    code = "card_suspended"
    title_en = "This card is suspended."
    title_zh = "该卡已挂失或被暂停使用。"
    next_en = "Do not go on; the holder can lift the report in the app or at an outlet."
    next_zh = "请停止办理；持卡人可在应用内或到服务网点解除挂失。"


class CardCancelled(Refusal):
    kind = Kind.GONE
    code = "card_cancelled"
    title_en = "This card has been cancelled."
    title_zh = "该卡已注销。"
    next_en = "Do not go on; the holder can have a card issued again."
    next_zh = "请停止办理；持卡人可重新申领签发。"


class CodeNotYetValid(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "not_yet_valid"
    title_en = "This code is not valid yet."
    title_zh = "该二维码尚未生效。"
    next_en = "Check the terminal's clock, then scan again."
    next_zh = "请检查终端时间后重新扫描。"


class CodeMalformed(Refusal):
    kind = Kind.MALFORMED
    code = "malformed"
    title_en = "This is not a code of the social security card."
    title_zh = "这不是有效的社保卡二维码。"
    next_en = "Ask the holder to open the electronic card and show its code; scan it again."
    next_zh = "请持卡人打开电子社保卡出示二维码后重新扫描。"


class BadSignature(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "bad_signature"
    title_en = "This code was not signed by the issuer."
    title_zh = "该二维码签名无效。"
    next_en = "Do not accept it; ask the holder for a code from the electronic card itself."
    next_zh = "请勿受理；请持卡人在电子社保卡内重新出示。"


class CannotTell(Refusal):
    """No verdict on the code: something that is needed to judge it does not answer."""

    kind = Kind.UNAVAILABLE
    code = "cannot_tell"
    title_en = "Whether this code is valid cannot be told at the moment."
    title_zh = "暂时无法判断该二维码是否有效。"
    next_en = "Try again in a moment; if it stays so, go by the outage rules of this counter."
    next_zh = "请稍后重试；如仍无法判断，请按本窗口的应急办法处理。"


class PictureUnfit(Refusal):
    """The picture asked for cannot be drawn: too large, or a code that this symbology does not carry."""

    kind = Kind.UNPROCESSABLE
    code = "picture_unfit"
    title_en = "This picture cannot be drawn."
    title_zh = "无法生成所请求的图片。"
    next_en = "Ask for a smaller scale, or for a QR code instead of Code 128."
    next_zh = "请减小尺寸，或改用二维码。"
