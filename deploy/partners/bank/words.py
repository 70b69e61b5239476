"""What the app says: results and errors, in Chinese and in English."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """One sentence in both languages."""

    zh: str
    en: str


RESULTS: Mapping[str, Words] = {
    "001": Words("签发成功。", "Your electronic card is signed in this app."),
    "002": Words(
        "签发成功。您的卡曾在其他渠道签发，或密码已重置。",
        "Signed. The card was signed elsewhere before, or its password was reset.",
    ),
    "003": Words("已解除关联。", "The card is no longer in this app."),
    "004": Words("密码验证成功，卡已在本应用中。", "Password checked; the card was in this app already."),
    "005": Words("支付功能已开通。", "Payment is opened."),
    "006": Words("卡状态已在其他渠道变更，已同步。", "The card's state was changed elsewhere; this app is up to date."),
    "loss": Words(
        "已挂失。实体卡和电子社保卡均已暂停使用。", "Reported lost: the chip card and the electronic card are stopped."
    ),
}
STATES: Mapping[str, Words] = {
    "pending": Words("处理中", "pending"),
    "active": Words("正常", "active"),
    "suspended": Words("已暂停", "suspended"),
    "revoked": Words("已解除", "ended"),
}
STANDINGS: Mapping[str, Words] = {
    "active": Words("正常", "in use"),
    "suspended": Words("已挂失", "reported lost"),
    "revoked": Words("已注销", "cancelled"),
    "cancelled": Words("已注销", "cancelled"),
}
PURPOSES: Mapping[str, Words] = {
    "identity": Words("身份凭证", "identity"),
    "medical": Words("就医购药", "medical"),
    "merchant": Words("商户", "merchant"),
    "gate": Words("通行", "gate"),
    "test": Words("测试", "test"),
}
_NEEDS_L3 = Words(
    "开通支付需要 L3 等级：请持实体卡在自助终端或服务窗口完成读卡认证。",
    "Payment needs level L3: have your chip card read at a terminal or a counter.",
)
_STOPPED = Words("卡已挂失或暂停使用。", "The card is stopped: reported lost, or paused.")
ERRORS: Mapping[str, Words] = {
    "unconfirmed": Words(
        "您上次的申请未得到社保卡服务确认，请重新办理；急需挂失请拨打 12333。",
        "What you asked for last was not confirmed: please do it again. If the card is lost, call 12333.",
    ),
    "unanswered": Words(
        "您的申请尚未得到答复，正在自动确认。急需挂失请同时拨打 12333。",
        "What you asked for was not answered yet and is being asked again. If the card is lost, call 12333 as well.",
    ),
    "away": Words(
        "社保卡服务暂时没有答复，以下为上次同步的状态。",
        "The card service does not answer now; this is how your card stood when it last did.",
    ),
    "link_ended": Words(
        "您的卡与本应用的关联已失效，正在前往社保卡服务重新关联。您的卡不受影响，也不会产生第二张卡。",
        "The link between your card and this app has ended: you are being taken to the card service to link it again."
        " It stays one card.",
    ),
    "recovered": Words(
        "本应用的数据已恢复。请重新关联一次，以确认哪张卡是您的；不会产生第二张卡。",
        "This app's records were restored. Link your card once more, so that it is known which one is yours;"
        " it stays one card.",
    ),
    "other_holder": Words(
        "登录的不是本应用中这张卡的持卡人。", "Another holder has logged in than the one whose card is in this app."
    ),
    "needs_l3": _NEEDS_L3,
    "level_too_low": _NEEDS_L3,
    "invalid_scope": _NEEDS_L3,
    "access_denied": Words("您未同意授权。", "You did not agree."),
    "other_journey": Words(
        "这不是您在本应用发起的操作，请重新开始。", "This was not begun in this app; please begin again."
    ),
    "id_token_wrong": Words("社保卡服务的答复未通过验证。", "The card service's answer did not prove itself."),
    "unmet_authentication_requirements": _NEEDS_L3,
    "invalid_grant": Words("关联已失效，请重新关联。", "The link has ended; please link the card again."),
    "card_not_usable": _STOPPED,
    "electronic_card_suspended": _STOPPED,
    "carriage_paused": _STOPPED,
    "not_eligible": Words(
        "不符合银行核验签发条件：卡的金融功能须在本行开通，且预留手机号一致。",
        "Not possible this way: the card's financial function must be active here, and the phone number must agree.",
    ),
    "bank_silent": Words("核验超时，请改用关联方式。", "The check timed out; please link the card instead."),
    "silent": Words(
        "社保卡服务暂时没有答复。您的操作已记录，稍后会自动确认。",
        "The card service does not answer now. What you asked for is written down and will be confirmed.",
    ),
    "sign_in_again": Words("为保护您的卡，请重新登录。", "To protect your card, please sign in again."),
    "form_old": Words("页面已过期，请重试。", "This page is too old; please try again."),
    "not_linked": Words("您还没有关联电子社保卡。", "No card is linked yet."),
    "rate_limited": Words("操作过于频繁，请稍后再试。", "Too many requests; please wait a little."),
}
_OTHERWISE = Words("操作未成功。", "This did not succeed.")


def say_error(code: str, title_zh: str = "") -> Words:
    """Say what went wrong; a code that this bank has no words for is said as the card service says it."""
    known = ERRORS.get(code)
    if known is not None:
        return known
    return Words(f"{title_zh or _OTHERWISE.zh}（{code}）", f"{_OTHERWISE.en} ({code})")


def say(words: Mapping[str, Words], name: str | None) -> Words:
    """Say a state or a purpose; one that is not known is shown as it is."""
    return words.get(name or "", Words(name or "—", name or "-"))
