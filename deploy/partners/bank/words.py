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
ERRORS: Mapping[str, Words] = {
    "access_denied": Words("您未同意授权。", "You did not agree."),
    "other_journey": Words(
        "这不是您在本应用发起的操作，请重新开始。", "This was not begun in this app; please begin again."
    ),
    "id_token_wrong": Words("社保卡服务的答复未通过验证。", "The card service's answer did not prove itself."),
    "unmet_authentication_requirements": Words(
        "该操作需要更高认证等级，请在社保卡服务中用密码或实体卡验证。",
        "This needs a higher level: prove the card by its password or its chip.",
    ),
    "invalid_grant": Words("关联已失效，请重新关联。", "The link has ended; please link the card again."),
    "card_not_usable": Words("卡已挂失或暂停使用。", "The card is stopped: reported lost, or paused."),
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
