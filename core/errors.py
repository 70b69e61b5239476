"""The one way this service says no.

A ``Refusal`` names the rule that was broken; only ``web.problems`` knows what it looks like over HTTP.
Anything that is not a ``Refusal`` is a fault of ours and shows nothing.
"""

from enum import Enum
from typing import Any, ClassVar


class Kind(Enum):
    """What sort of no it is: the caller's next step depends on this alone."""

    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    CONFLICT = "conflict"
    GONE = "gone"
    TOO_LARGE = "too_large"
    UNPROCESSABLE = "unprocessable"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"


class Refusal(Exception):
    """Say no to a caller.

    Subclass it once for each rule. Class attributes:
        kind: what sort of no.
        code: stable machine code, unique in the service, listed in docs/problems.md.
        title_en, title_zh: one sentence for the person at the counter.
        next_en, next_zh: what to do now.

    Args:
        detail: more for the developer; never personal data.
        retry_after: seconds after which trying again may help.
        recorded: what the transaction has written so far belongs to the refusal and must be kept.
        extra: members added to the problem document (numbers and ids only).
    """

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "refused"
    title_en: ClassVar[str] = "The request was refused."
    title_zh: ClassVar[str] = "请求被拒绝。"
    next_en: ClassVar[str] = "Correct the request and try again."
    next_zh: ClassVar[str] = "请更正后重试。"

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after: int | None = None,
        recorded: bool = False,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or self.title_en)
        self.detail = detail
        self.retry_after = retry_after
        self.recorded = recorded
        self.extra = extra or {}


class Malformed(Refusal):
    kind = Kind.MALFORMED
    code = "malformed_request"
    title_en = "The request cannot be read."
    title_zh = "请求格式不正确。"
    next_en = "Compare the request with the API documentation."
    next_zh = "请对照接口文档检查请求。"


class Missing(Refusal):
    kind = Kind.MISSING
    code = "not_found"
    title_en = "There is no such thing, or it is not yours to see."
    title_zh = "所请求的内容不存在或无权查看。"
    next_en = "Check the id."
    next_zh = "请核对编号。"


class TooLarge(Refusal):
    kind = Kind.TOO_LARGE
    code = "too_large"
    title_en = "The request is larger than allowed."
    title_zh = "请求内容超过允许的大小。"
    next_en = "Send less at once."
    next_zh = "请减少单次发送的内容。"


class Limited(Refusal):
    kind = Kind.LIMITED
    code = "too_many_requests"
    title_en = "Too many requests in a short time."
    title_zh = "请求过于频繁。"
    next_en = "Wait for the time given in Retry-After."
    next_zh = "请按 Retry-After 给出的时间稍候再试。"


class Unavailable(Refusal):
    kind = Kind.UNAVAILABLE
    code = "unavailable"
    title_en = "A part of the service that is needed for this does not answer."
    title_zh = "所需的服务暂时不可用。"
    next_en = "Try again in a few seconds; nothing was changed."
    next_zh = "请稍后重试，未作任何更改。"


class IdempotencyKeyMissing(Refusal):
    kind = Kind.MALFORMED
    code = "idempotency_key_missing"
    title_en = "This request needs an Idempotency-Key header."
    title_zh = "该请求必须携带 Idempotency-Key。"
    next_en = "Send a random key of 8 to 64 letters, digits, '-' or '_', and keep it for retries."
    next_zh = "请发送 8 至 64 位随机键，重试时使用同一个键。"


class IdempotencyKeyReused(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "idempotency_key_reused"
    title_en = "This Idempotency-Key was used with another request."
    title_zh = "该 Idempotency-Key 已用于另一请求。"
    next_en = "Use a new key for a new request."
    next_zh = "新的请求请使用新的键。"


class UnsafeSettings(Exception):
    """Settings with which this service will not start."""
