"""Refusals about H5 entries."""

from core.errors import Kind, Malformed, Refusal


class EntryTakesNoMore(Malformed):
    code = "entry_takes_no_more"
    title_en = "An entry takes nothing about the holder, and no other members than those described."
    title_zh = "入口请求不接受任何持卡人信息，也不接受未列明的参数。"
    next_en = "Leave out name, number, phone, picture and the like: the holder proves who they are on our own page."
    next_zh = "请去掉姓名、证件号码、手机号、照片等参数：持卡人将在本平台页面上自行完成身份认证。"


class EntryNotSetUp(Refusal):
    kind = Kind.CONFLICT
    code = "entry_not_set_up"
    title_en = "This channel has no OAuth client to which a holder could be sent back."
    title_zh = "该渠道尚未登记可供持卡人返回的 OAuth 客户端。"
    next_en = "Have the card centre register a client of the profile partner, with its redirect address, for it."
    next_zh = "请联系社保卡中心为该渠道登记 partner 类客户端及其回调地址。"


class EntryNotAllowed(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "entry_not_allowed"
    title_en = "The channel's OAuth client may not ask its customers for this."
    title_zh = "该渠道的 OAuth 客户端不能向用户申请此项授权。"
    next_en = "Correct what the detail names, or have the card centre register it for the client."
    next_zh = "请按详细说明更正，或联系社保卡中心为客户端登记。"
