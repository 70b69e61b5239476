"""The published test key: its private half is in the repository (docs/samples/published-test-key.pem).

With it the developer of a channel in the sandbox signs the first request without a ceremony. Who knows it is everybody,
so it proves nothing: it counts in development environments, for channels in the sandbox, and is registered for nobody.
"""

from core.errors import Kind, Refusal
from core.settings import Environment, Settings

PUBLISHED_SERIAL = "7e57"
"""What stands for a certificate's serial number; those of certificates are drawn, and longer."""
PUBLISHED_KEY = bytes.fromhex(
    "9736c06eb60c03c8697ada6d852877dc11841dae5a31faede0f69a7ab614423c"
    "b897eda3e0cf05732dc276fe06dc04d4b8bcf3ac03525e5b1e3674d0c7420066"
)


class PublishedKeyRefused(Refusal):
    kind = Kind.FORBIDDEN
    code = "published_key_refused"
    title_en = "This is the published test key: it counts for channels in a development environment's sandbox alone."
    title_zh = "这是公开的测试密钥，仅对开发环境的沙箱渠道有效。"
    next_en = "Make a key of your own: `ecard keys new`, and hand over its public half."
    next_zh = "请使用 `ecard keys new` 生成自己的密钥，并提交其公钥。"


def require_unpublished(public_key: bytes) -> None:
    """Raise ``PublishedKeyRefused`` where somebody would be believed by a key that everybody has."""
    if public_key == PUBLISHED_KEY:
        raise PublishedKeyRefused


def published_key_counts(settings: Settings) -> bool:
    """Tell whether the published key counts here for anybody at all."""
    return settings.environment is Environment.DEVELOPMENT
