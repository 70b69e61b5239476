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
