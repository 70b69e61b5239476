"""Refusals about who is calling."""

from core.errors import Kind, Refusal


class Unauthenticated(Refusal):
    kind = Kind.UNAUTHENTICATED
    code = "unauthenticated"
    title_en = "The caller did not prove who it is."
    title_zh = "未能确认调用方身份。"
    next_en = "Sign the request with a registered key, or send a valid token with its proof."
    next_zh = "请使用已登记的密钥签名，或提供有效令牌及其持有证明。"


class SignatureMissing(Unauthenticated):
    code = "signature_missing"
    title_en = "The request carries no signature, or one in no form that is known here."
    title_zh = "请求缺少签名，或签名方式无法识别。"


class SignatureWrong(Unauthenticated):
    code = "signature_wrong"
    title_en = "The request's signature does not belong to this request and this key."
    title_zh = "请求签名验证失败。"
    next_en = "Sign the very bytes that you send with your registered key; `ecard sign explain` shows what differs."
    next_zh = "请使用已登记的密钥对所发送的字节签名；`ecard sign explain` 可指出差异。"


class SignatureStale(Unauthenticated):
    code = "signature_stale"
    title_en = "The request was signed more than 300 seconds before or after now."
    title_zh = "请求签名时间与服务器时间相差超过 300 秒。"
    next_en = "Set the clock and sign again."
    next_zh = "请校准时钟后重新签名。"


class NonceSpent(Refusal):
    kind = Kind.CONFLICT
    code = "nonce_spent"
    title_en = "This signed request was sent before."
    title_zh = "该签名请求已被使用。"
    next_en = "Sign again with a new nonce; keep the Idempotency-Key."
    next_zh = "请更换随机数重新签名，幂等键保持不变。"


class TerminalNotAllowed(Refusal):
    kind = Kind.FORBIDDEN
    code = "terminal_not_allowed"
    title_en = "This terminal may not do that."
    title_zh = "该终端无权执行此操作。"
    next_en = "Ask the card centre to check the terminal's registration."
    next_zh = "请联系社保卡中心核对终端登记信息。"


class TokenWrong(Unauthenticated):
    code = "token_wrong"
    title_en = "The access token is not valid."
    title_zh = "访问令牌无效。"
    next_en = "Get a new token and try again."
    next_zh = "请重新获取令牌后再试。"


class ProofWrong(Unauthenticated):
    code = "proof_wrong"
    title_en = "The DPoP proof does not belong to this request and this key."
    title_zh = "DPoP 持有证明与请求或密钥不符。"
    next_en = "Make a new proof for this very request; check the phone's clock."
    next_zh = "请为本次请求重新生成持有证明，并检查手机时间。"


class StepUpNeeded(Unauthenticated):
    """RFC 9470: the token is good, but the holder has to prove more than when it was granted."""

    code = "insufficient_user_authentication"
    title_en = "This needs a login at a higher assurance level."
    title_zh = "此操作需要更高等级的身份认证。"
    next_en = "Begin an authorization with the acr_values named in the detail."
    next_zh = "请按所示认证等级重新发起授权。"

    def __init__(self, level: str) -> None:
        super().__init__(f"acr_values {level}", extra={"acr_values": level})


class DeviceEnded(Refusal):
    kind = Kind.FORBIDDEN
    code = "device_ended"
    title_en = "This phone no longer carries the card: it was moved to another phone or ended by the holder."
    title_zh = "该手机已不再绑定电子社保卡（已换绑或已解除）。"
    next_en = "If that was not you, call 12333 now; otherwise enroll this phone again at a reader."
    next_zh = "如非本人操作，请立即致电 12333；否则请到读卡终端重新绑定。"


class ScopeMissing(Refusal):
    kind = Kind.FORBIDDEN
    code = "scope_missing"
    title_en = "The caller is known but this is not among what it may do."
    title_zh = "调用方无此操作权限。"
    next_en = "Ask the card centre for the scope named in the detail."
    next_zh = "请向社保卡中心申请相应权限。"


class ChannelNotLive(Refusal):
    kind = Kind.FORBIDDEN
    code = "channel_not_live"
    title_en = "This channel is not live: it may not yet do anything that is about holders."
    title_zh = "该渠道尚未上线，不能办理涉及持卡人的业务。"
    next_en = "Finish the tests in the sandbox and ask the card centre to go live."
    next_zh = "请完成沙箱测试后向社保卡中心申请上线。"


class FormNotAgreed(Refusal):
    kind = Kind.FORBIDDEN
    code = "signature_form_not_agreed"
    title_en = "The signature is right, but the channel is not registered to sign in this form."
    title_zh = "签名正确，但该渠道未登记使用此种签名方式。"
    next_en = "Sign in a form that GET /v1/channel names, or ask the card centre for another one."
    next_zh = "请使用 GET /v1/channel 所列的签名方式，或向社保卡中心申请变更。"


class IdempotencyKeyMalformed(Refusal):
    kind = Kind.MALFORMED
    code = "idempotency_key_malformed"
    title_en = "The Idempotency-Key is not of 1 to 128 visible ASCII characters."
    title_zh = "Idempotency-Key 须为 1 至 128 个可见 ASCII 字符。"
    next_en = "Send a random key, for example a UUID, and keep it for retries."
    next_zh = "请发送随机键（例如 UUID），重试时使用同一个键。"


class RequestInProgress(Refusal):
    kind = Kind.CONFLICT
    code = "request_in_progress"
    title_en = "This request was sent before and is still being worked on."
    title_zh = "该请求正在处理中。"
    next_en = "Send it again with the same Idempotency-Key after the time given in Retry-After."
    next_zh = "请按 Retry-After 给出的时间稍候，使用同一个 Idempotency-Key 重试。"

    def __init__(self) -> None:
        super().__init__(retry_after=1)
