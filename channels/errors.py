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
