"""Refusals about channels: the register, its certificates, changes that take two people, and news."""

from core.errors import Kind, Refusal


class ChannelNameTaken(Refusal):
    kind = Kind.CONFLICT
    code = "channel_name_taken"
    title_en = "Another channel has this name."
    title_zh = "该渠道名称已被使用。"
    next_en = "Choose a name that holders cannot confuse with another channel's."
    next_zh = "请选择不会与其他渠道混淆的名称。"


class TransitionNotAllowed(Refusal):
    kind = Kind.CONFLICT
    code = "transition_not_allowed"
    title_en = "A channel that stands like this does not move there."
    title_zh = "渠道当前状态不允许变更为该状态。"
    next_en = "Look at the channel's standing; the order is applied, sandbox, reviewed, live, suspended, closed."
    next_zh = "请核对渠道状态，顺序为：申请、沙箱、已审核、上线、暂停、关闭。"


class AboveStandsLower(Refusal):
    kind = Kind.CONFLICT
    code = "above_stands_lower"
    title_en = "A second-tier channel stands no better than the first-tier channel it entered through."
    title_zh = "二级渠道的状态不得高于其所属的一级渠道。"
    next_en = "Move the first-tier channel first."
    next_zh = "请先变更一级渠道的状态。"


class ChannelWithoutCertificate(Refusal):
    kind = Kind.CONFLICT
    code = "channel_without_certificate"
    title_en = "This channel has no live certificate."
    title_zh = "该渠道没有有效证书。"
    next_en = "Add a certificate first."
    next_zh = "请先登记证书。"


class TooManyCertificates(Refusal):
    kind = Kind.CONFLICT
    code = "too_many_certificates"
    title_en = "A channel has at most two live certificates."
    title_zh = "每个渠道最多同时拥有两张有效证书。"
    next_en = "Withdraw the one that is no longer used first."
    next_zh = "请先停用不再使用的证书。"


class KeyInUse(Refusal):
    kind = Kind.CONFLICT
    code = "key_in_use"
    title_en = "This key was registered before, for this channel or another; a key is never registered twice."
    title_zh = "该公钥已登记过（本渠道或其他渠道），不得重复登记。"
    next_en = "Make a new key pair and hand over its public key."
    next_zh = "请重新生成密钥对并提交新的公钥。"


class CertificateNotAccepted(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "certificate_not_accepted"
    title_en = "This certificate cannot be registered for this channel."
    title_zh = "该证书不能登记给此渠道。"
    next_en = "Hand over the public key alone and let the card centre issue the certificate."
    next_zh = "请仅提交公钥，由社保卡中心签发证书。"


class ChangeWaits(Refusal):
    kind = Kind.CONFLICT
    code = "change_waits"
    title_en = "A change of this kind waits for its approval already."
    title_zh = "该渠道已有同类变更等待批准。"
    next_en = "Approve or reject the one that waits first."
    next_zh = "请先批准或驳回待处理的变更。"


class ChangeOver(Refusal):
    kind = Kind.GONE
    code = "change_over"
    title_en = "This change was decided before, or its seven days are over."
    title_zh = "该变更已处理或已超过七天有效期。"
    next_en = "Propose it again if it is still wanted."
    next_zh = "如仍需变更，请重新提出。"


class ChangeOutdated(Refusal):
    kind = Kind.CONFLICT
    code = "change_outdated"
    title_en = "The channel has changed since this was proposed."
    title_zh = "提出变更后渠道信息已发生变化。"
    next_en = "Reject the change and propose it again."
    next_zh = "请驳回该变更并重新提出。"


class SameOperator(Refusal):
    kind = Kind.FORBIDDEN
    code = "same_operator"
    title_en = "Who proposed a change does not approve it: it takes two people."
    title_zh = "提出变更的人不能批准该变更，须由两人完成。"
    next_en = "Let another operator approve it."
    next_zh = "请由另一名操作员批准。"


class OperatorNotProven(Refusal):
    kind = Kind.FORBIDDEN
    code = "operator_not_proven"
    title_en = "This operator is not registered, or did not sign this change."
    title_zh = "该操作员未登记，或未对此变更签名。"
    next_en = "Sign with the key that is registered in the key store under the operator's name."
    next_zh = "请使用密钥库中以该操作员姓名登记的密钥签名。"


class DestinationNotAllowed(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "destination_not_allowed"
    title_en = "News cannot be sent to this address."
    title_zh = "通知不能发送到该地址。"
    next_en = "Name an https address on a host of the public internet, in plain ASCII."
    next_zh = "请提供公网主机的 https 地址，并使用普通 ASCII 字符。"


class OutRequestNoReused(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "out_request_no_reused"
    title_en = "This out_request_no stands for another request already."
    title_zh = "该业务请求号已用于其他请求。"
    next_en = "Take a new number for a new act; to repeat a request, send it as it was the first time."
    next_zh = "新业务请使用新的请求号；重复请求时，内容须与首次完全一致。"


class LinkNeeded(Refusal):
    kind = Kind.FORBIDDEN
    code = "link_needed"
    title_en = "The holder has not allowed lasting access, without which no app carries the card."
    title_zh = "持卡人尚未授予持续访问权限，无法在该应用中签发。"
    next_en = "Begin an authorization with the scopes offline_access and card.present."
    next_zh = "请以 offline_access 与 card.present 权限重新发起授权。"


class CarriageNotSigned(Refusal):
    kind = Kind.CONFLICT
    code = "carriage_not_signed"
    title_en = "The card is not signed in this app, or the link it was signed on has ended."
    title_zh = "该应用中尚未签发此电子社保卡，或原关联已结束。"
    next_en = "Sign it by POST /v1/carriages."
    next_zh = "请先调用 POST /v1/carriages 签发。"


class CarriagePaused(Refusal):
    kind = Kind.CONFLICT
    code = "carriage_paused"
    title_en = "The app itself has paused this card."
    title_zh = "该应用已暂停使用此电子社保卡。"
    next_en = "Let the app resume it: POST /v1/carriages/{id}/resume."
    next_zh = "请由该应用恢复：POST /v1/carriages/{id}/resume。"


class CarriageOutOfStep(Refusal):
    kind = Kind.CONFLICT
    code = "carriage_out_of_step"
    title_en = "The carriage does not stand where this begins, or somebody else was faster."
    title_zh = "该关联当前状态不允许此操作，或已被其他请求变更。"
    next_en = "Look at its state first: GET /v1/carriages/{id}."
    next_zh = "请先查询其状态：GET /v1/carriages/{id}。"
