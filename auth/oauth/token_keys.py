"""The keys that sign access tokens and ID tokens, opened from their rings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from auth.oauth.jws import SM2_USER_ID, SigningKey, VerifyingKey, write_public_jwk
from sm.errors import KeyStoreError
from sm.keyring import KeyRing, KeyState
from sm.keystore import KeyStore
from sm.sm2 import Provider
from sm.token_keys import ES256, TOKEN_RINGS, TokenRing, open_p256, open_p256_private, token_ring


@dataclass(frozen=True)
class TokenKeys:
    """What signs now and what may still be believed."""

    algorithm: str
    rings: Mapping[str, KeyRing]
    signing: Mapping[str, SigningKey] = field(repr=False)
    verifying: Mapping[str, VerifyingKey] = field(repr=False)

    def key_for_signing(self, at: datetime) -> SigningKey:
        """Give the key that signs; raises ``KeyStoreError`` where none may."""
        return self.signing[str(self.rings[self.algorithm].get_for_signing(at).kid)]

    def find_for_verifying(self, algorithm: object, kid: object, at: datetime) -> VerifyingKey | None:
        """Find the key that a token names, if tokens of it are still believed."""
        ring = self.rings.get(algorithm) if isinstance(algorithm, str) else None
        if ring is None or not isinstance(kid, str):
            return None
        try:
            ring.get_for_verifying(kid, at)
        except KeyStoreError:
            return None
        return self.verifying[kid]

    def published(self, at: datetime) -> list[dict[str, str]]:
        """Write what others verify with: next, current and retired keys of the algorithm in use."""
        keys = self.rings[self.algorithm].keys
        shown = [key for key in keys if key.state is not KeyState.WITHDRAWN and at < key.not_after]
        return [write_public_jwk(key.public_key, str(key.kid), self.algorithm) for key in shown]


def load_token_keys(store: KeyStore, provider: Provider, algorithm: str) -> TokenKeys:
    """Open all keys of both rings; ``algorithm`` is the deployment's."""
    signing: dict[str, SigningKey] = {}
    verifying: dict[str, VerifyingKey] = {}
    rings = {ring.algorithm: token_ring(store, ring) for ring in TOKEN_RINGS}
    for ring in TOKEN_RINGS:
        for key in rings[ring.algorithm].keys:
            kid = str(key.kid)
            verifying[kid] = VerifyingKey(
                kid, frozenset({ring.algorithm}), _open_public(provider, ring, key.public_key)
            )
            if key.state in (KeyState.NEXT, KeyState.CURRENT):
                signing[kid] = SigningKey(kid, ring.algorithm, _open_private(store, provider, ring, kid))
    return TokenKeys(algorithm, rings, signing, verifying)


def _open_public(provider: Provider, ring: TokenRing, public_key: bytes) -> Any:
    return open_p256(public_key) if ring is ES256 else provider.verifier(public_key, SM2_USER_ID)


def _open_private(store: KeyStore, provider: Provider, ring: TokenRing, kid: str) -> Any:
    name = ring.key_name(kid)
    if ring is ES256:
        return open_p256_private(store.p256_scalar(name))
    return provider.signer(store.private_key(name), SM2_USER_ID)
