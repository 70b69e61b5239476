"""Refusals about cards that banks assure."""

from core.errors import Kind, Refusal


class IssuanceNotSetUp(Refusal):
    kind = Kind.CONFLICT
    code = "issuance_not_set_up"
    title_en = "This bank cannot have cards issued yet: its port or its OAuth client is missing."
    title_zh = "该银行尚未登记银行端口或 OAuth 客户端，暂不能签发。"
    next_en = "Have the card centre register the bank port and a client with offline_access."
    next_zh = "请联系社保卡中心登记银行端口，并为客户端登记 offline_access 权限。"


class TooManyIssuanceTries(Refusal):
    kind = Kind.LIMITED
    code = "too_many_issuance_tries"
    title_en = "This was tried in vain too often for this person, in this channel or others."
    title_zh = "该人员的签发请求失败次数过多（含其他渠道）。"
    next_en = "Try again a day later, or let the holder use the chip card at a reader."
    next_zh = "请一天后再试，或请持卡人持实体卡到读卡终端办理。"
