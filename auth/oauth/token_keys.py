"""The keys that sign tokens, opened from their rings: one set for those of clients, one for those of phones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from auth.oauth.jws import SM2_USER_ID, SigningKey, VerifyingKey, write_public_jwk
from sm.errors import KeyStoreError
from sm.keyring import KeyRing, KeyState
from sm.keystore import KeyStore
from sm.sm2 import Provider
from sm.token_keys import TokenRing, as_of, open_p256, open_p256_private, token_ring

_PUBLISHED = (KeyState.CURRENT, KeyState.NEXT, KeyState.RETIRED)


@dataclass(frozen=True)
class TokenKeys:
    """What signs now and what may still be believed."""

    algorithm: str
    rings: Mapping[str, KeyRing]
    signing: Mapping[str, SigningKey] = field(repr=False)
    verifying: Mapping[str, VerifyingKey] = field(repr=False)

    def key_for_signing(self, at: datetime) -> SigningKey:
        """Give the key that signs; raises ``KeyStoreError`` where none may."""
        return self.signing[str(self._ring(self.algorithm, at).get_for_signing(at).kid)]

    def find_for_verifying(self, algorithm: object, kid: object, at: datetime) -> VerifyingKey | None:
        """Find the key that a token names, if tokens of it are still believed."""
        if not isinstance(algorithm, str) or algorithm not in self.rings or not isinstance(kid, str):
            return None
        try:
            self._ring(algorithm, at).get_for_verifying(kid, at)
        except KeyStoreError:
            return None
        return self.verifying[kid]

    def published(self, at: datetime) -> list[dict[str, str]]:
        """Write what others verify with, in the algorithm in use: the key that signs, the next one, retired ones."""
        keys = self._ring(self.algorithm, at).keys
        shown = [key for state in _PUBLISHED for key in keys if key.state is state and at < key.not_after]
        return [write_public_jwk(key.public_key, str(key.kid), self.algorithm) for key in shown]

    def _ring(self, algorithm: str, at: datetime) -> KeyRing:
        return as_of(self.rings[algorithm], at)


def load_token_keys(store: KeyStore, provider: Provider, algorithm: str, token_rings: Sequence[TokenRing]) -> TokenKeys:
    """Open all keys of some rings, one for each algorithm; ``algorithm`` is the deployment's."""
    signing: dict[str, SigningKey] = {}
    verifying: dict[str, VerifyingKey] = {}
    rings = {ring.algorithm: token_ring(store, ring) for ring in token_rings}
    for ring in token_rings:
        for key in rings[ring.algorithm].keys:
            kid = str(key.kid)
            verifying[kid] = VerifyingKey(
                kid, frozenset({ring.algorithm}), _open_public(provider, ring, key.public_key)
            )
            if key.state in (KeyState.NEXT, KeyState.CURRENT):
                signing[kid] = SigningKey(kid, ring.algorithm, _open_private(store, provider, ring, kid))
    return TokenKeys(algorithm, rings, signing, verifying)


def _open_public(provider: Provider, ring: TokenRing, public_key: bytes) -> Any:
    return open_p256(public_key) if ring.kind == "p256" else provider.verifier(public_key, SM2_USER_ID)


def _open_private(store: KeyStore, provider: Provider, ring: TokenRing, kid: str) -> Any:
    name = ring.key_name(kid)
    if ring.kind == "p256":
        return open_p256_private(store.p256_scalar(name))
    return provider.signer(store.private_key(name), SM2_USER_ID)
