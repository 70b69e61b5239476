"""Refusals about cards that banks assure."""

from core.errors import Kind, Refusal


class OutRequestNoReused(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "out_request_no_reused"
    title_en = "This out_request_no stands for another request already."
    title_zh = "该业务请求号已用于其他请求。"
    next_en = "Take a new number for a new act; to repeat a request, send it as it was the first time."
    next_zh = "新业务请使用新的请求号；重复请求时，内容须与首次完全一致。"


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
