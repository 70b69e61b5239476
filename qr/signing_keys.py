"""The keys around a signed code: the one that mints, and the ring of those that verify."""

from dataclasses import dataclass, field
from datetime import datetime

from qr.errors import BadSignature, CodeUnknown
from sm.errors import KeyNotFound, KeyNotUsable
from sm.keyring import KeyRing, Kid
from sm.sm2 import PrivateKey, Provider, Signer, Verifier
from sm.sm4 import BlockCipher

USER_ID = b"ESSC-QR-B1"  # qr-code.md, B: its own, so that a signature cannot be moved to another use


@dataclass(frozen=True, slots=True)
class MintingKey:
    """What mints during one key epoch of one issuer.

    Attributes:
        kid: 0 to 65535, issuer and epoch.
        signer: signs under USER_ID.
        handle_cipher: SM4 under the epoch's handle key.
    """

    kid: int
    signer: Signer = field(repr=False)
    handle_cipher: BlockCipher = field(repr=False)


def open_minting_key(provider: Provider, private_key: PrivateKey, *, kid: int, handle_key: bytes) -> MintingKey:
    """Prepare to mint; worth keeping for the whole epoch. ``handle_key`` has 16 bytes."""
    return MintingKey(kid, provider.signer(private_key, USER_ID), BlockCipher(handle_key))


class CodeKeys:
    """A key ring for codes with a verifier kept for each key; a changed ring needs a new object."""

    def __init__(self, ring: KeyRing, provider: Provider) -> None:
        self.ring = ring
        self._provider = provider
        self._verifiers: dict[Kid, Verifier] = {}

    def get_verifier(self, kid: int, at: datetime) -> Verifier:
        """Get what verifies under ``kid`` at this time.

        Raises CodeUnknown for a key that is not in the ring, BadSignature for one withdrawn or out of its dates.
        """
        try:
            key = self.ring.get_for_verifying(kid, at)
        except KeyNotFound:
            raise CodeUnknown("the key is not on the list") from None
        except KeyNotUsable as refused:
            raise BadSignature(str(refused)) from None
        verifier = self._verifiers.get(key.kid)
        if verifier is None:
            verifier = self._verifiers[key.kid] = self._provider.verifier(key.public_key, USER_ID)
        return verifier
