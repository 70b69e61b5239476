"""Refusals about the sandbox."""

from core.errors import Kind, Refusal


class SandboxOnly(Refusal):
    kind = Kind.FORBIDDEN
    code = "sandbox_only"
    title_en = "This is for channels that are not live yet: a live one has holders, who are not played with."
    title_zh = "此功能仅供尚未上线的渠道使用，已上线渠道涉及真实持卡人。"
    next_en = "Try it with the channel that you have in the sandbox."
    next_zh = "请使用沙箱渠道进行测试。"


class SandboxFull(Refusal):
    kind = Kind.LIMITED
    code = "sandbox_full"
    title_en = "This channel has used up what the sandbox keeps for it."
    title_zh = "该渠道在沙箱中的额度已用完。"
    next_en = "Ask the card centre for a new sandbox channel."
    next_zh = "请向社保卡中心申请新的沙箱渠道。"


class ClockOnlyForward(Refusal):
    kind = Kind.CONFLICT
    code = "clock_only_forward"
    title_en = "The sandbox's time goes forward only."
    title_zh = "沙箱时间只能向前调整。"
    next_en = "Begin anew with DELETE /v1/sandbox: that puts it back."
    next_zh = "如需恢复，请调用 DELETE /v1/sandbox 重置沙箱。"


class DevelopmentOnly(Refusal):
    kind = Kind.FORBIDDEN
    code = "development_only"
    title_en = "This is for development environments alone."
    title_zh = "此功能仅限开发环境使用。"
    next_en = "Try it with a city of your own (`make run`)."
    next_zh = "请在本地开发环境（`make run`）中测试。"


class SandboxFault(Refusal):
    kind = Kind.UNAVAILABLE
    code = "sandbox_fault"
    title_en = "You have switched this failure on. The request itself was carried out, only its answer is lost."
    title_zh = "这是您在沙箱中设置的故障。请求已正常处理，仅应答被替换。"
    next_en = "Repeat the request as after every lost answer; DELETE /v1/sandbox/switches ends the failures."
    next_zh = "请按应答丢失的情形重发请求；如需取消故障，请调用 DELETE /v1/sandbox/switches。"
