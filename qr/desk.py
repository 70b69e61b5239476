"""What showing and taking codes needs; made once by ``web.runtime``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.errors import Unavailable
from core.ground import Ground
from qr.signing_keys import CodeKeys, MintingKey
from sm.errors import SmError
from sm.sm4 import BlockCipher


@dataclass(frozen=True)
class IssuerKeys:
    """The issuer's keys at this moment; another object after each rotation.

    ``minting`` is None while no key may sign: codes that were signed before are taken all the same.
    """

    minting: MintingKey | None
    verifying: CodeKeys
    ciphers: Mapping[int, BlockCipher]


@dataclass(frozen=True)
class CodeDesk:
    ground: Ground
    keys: Callable[[], IssuerKeys]
    key_list: Callable[[], bytes]
    pairwise_key: bytes = field(repr=False)
    visit_key: bytes = field(repr=False)


def issuer_keys(desk: CodeDesk) -> IssuerKeys:
    """Get the keys as they stand now; raises ``Unavailable`` where the key store does not open them."""
    try:
        return desk.keys()
    except SmError as away:
        raise Unavailable(away.code, retry_after=2) from away


def minting_key(desk: CodeDesk) -> MintingKey:
    """Get the key that signs now; raises ``Unavailable`` where there is none."""
    key = issuer_keys(desk).minting
    if key is None:
        raise Unavailable("no code key may sign now", retry_after=60)
    return key


def signed_key_list(desk: CodeDesk) -> bytes:
    """Get the list for terminals; raises ``Unavailable`` where the key store does not open its signing key."""
    try:
        return desk.key_list()
    except SmError as away:
        raise Unavailable(away.code, retry_after=2) from away
