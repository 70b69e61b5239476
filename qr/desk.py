"""What showing and taking codes needs; made once by ``web.runtime``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.ground import Ground
from qr.signing_keys import CodeKeys, MintingKey
from sm.sm4 import BlockCipher


@dataclass(frozen=True)
class IssuerKeys:
    """The issuer's keys at this moment; another object after each rotation."""

    minting: MintingKey
    verifying: CodeKeys
    ciphers: Mapping[int, BlockCipher]


@dataclass(frozen=True)
class CodeDesk:
    ground: Ground
    keys: Callable[[], IssuerKeys]
    key_list: Callable[[], bytes]
    pairwise_key: bytes = field(repr=False)
    visit_key: bytes = field(repr=False)
