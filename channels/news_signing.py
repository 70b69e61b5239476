"""Signatures of news (Standard Webhooks 1.0.0): no shared secret, a signature by each of our keys side by side.

What is signed is ``id.timestamp.body``. A receiver takes one of them: ``v1a`` is Ed25519, ``v1sm2`` is SM2 with SM3
under the user id 1234567812345678, DER. After a rotation the retired key signs too until its end, so that a partner
who has not fetched the new one yet goes on believing us.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auth.compact import encode_base64url
from auth.oauth.jws import SM2_CURVE
from core.errors import Unavailable
from sm.der import signature_to_der
from sm.errors import KeyStoreError
from sm.keyring import KeyRing, KeyState, RingKey
from sm.keystore import KeyStore
from sm.news_keys import NEWS_RINGS, V1A
from sm.sm2 import Provider
from sm.token_keys import TokenRing, as_of, token_ring

Sign = Callable[[bytes], bytes]

_REMEMBERED = 256
"""So many signatures of each key are kept: the same news to another address in the same second is signed once."""
_SIGNING_STATES = (KeyState.CURRENT, KeyState.RETIRED)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # no full stop: it divides what is signed


@dataclass(frozen=True)
class NewsKeys:
    """What signs news now, and what partners verify it with."""

    rings: Mapping[str, KeyRing]
    signing: Mapping[str, Sign] = field(repr=False)

    def sign(self, message: str, at: datetime, body: bytes) -> dict[str, str]:
        """Sign a message and give back its three headers; ``at`` is the moment of this try.

        Raises ``Unavailable`` where one algorithm has no key that may sign: nothing goes out half signed.
        """
        if not _ID.fullmatch(message):
            raise ValueError("an id of news has letters, digits, - and _")
        timestamp = str(int(at.timestamp()))
        content = f"{message}.{timestamp}.".encode("ascii") + body
        given = [
            f"{version},{base64.b64encode(self.signing[str(key.kid)](content)).decode('ascii')}"
            for version, ring in self.rings.items()
            for key in _signers(as_of(ring, at), at)
        ]
        return {"webhook-id": message, "webhook-timestamp": timestamp, "webhook-signature": " ".join(given)}

    def require_signing(self, at: datetime) -> None:
        """Raise ``Unavailable`` where an algorithm has no key that may sign."""
        for ring in self.rings.values():
            _signers(as_of(ring, at), at)

    def published(self, at: datetime) -> list[dict[str, str]]:
        """Write what partners verify with: next, current and retired keys; those of Ed25519 also in the form whpk_."""
        return [
            _published(version, key)
            for version, ring in self.rings.items()
            for key in as_of(ring, at).keys
            if key.state is not KeyState.WITHDRAWN and at < key.not_after
        ]


def load_news_keys(store: KeyStore, provider: Provider) -> NewsKeys:
    """Open the keys of both rings; raises ``KeyStoreError``."""
    rings = {ring.algorithm: token_ring(store, ring) for ring in NEWS_RINGS}
    signing = {
        str(key.kid): lru_cache(maxsize=_REMEMBERED)(_open(store, provider, ring, str(key.kid)))
        for ring in NEWS_RINGS
        for key in rings[ring.algorithm].keys
        if key.state is not KeyState.WITHDRAWN
    }
    return NewsKeys(rings, signing)


def _signers(ring: KeyRing, at: datetime) -> list[RingKey]:
    try:
        ring.get_for_signing(at)
    except KeyStoreError as error:
        raise Unavailable("no key may sign news now") from error
    may = [key for key in ring.keys if key.state in _SIGNING_STATES and key.not_before <= at < key.not_after]
    return sorted(may, key=lambda key: key.state is KeyState.RETIRED)


def _open(store: KeyStore, provider: Provider, ring: TokenRing, kid: str) -> Sign:
    name = ring.key_name(kid)
    if ring is V1A:
        return Ed25519PrivateKey.from_private_bytes(store.ed25519_seed(name)).sign
    signer = provider.signer(store.private_key(name))
    return lambda content: signature_to_der(signer.sign(content))


def _published(version: str, key: RingKey) -> dict[str, Any]:
    known = {"kid": str(key.kid), "use": "sig", "state": str(key.state), "version": version}
    if version == V1A.algorithm:
        shown = {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(key.public_key)}
        return known | shown | {"whpk": f"whpk_{base64.b64encode(key.public_key).decode('ascii')}"}
    x, y = (encode_base64url(half) for half in (key.public_key[:32], key.public_key[32:]))
    return known | {"kty": "EC", "crv": SM2_CURVE, "x": x, "y": y}
