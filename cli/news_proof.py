"""Signatures of news as a partner verifies them: with the published keys alone."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from auth.compact import decode_base64url
from sm.der import read_der_signature
from sm.errors import SmError
from sm.sm2 import Provider

VERSIONS = ("v1a", "v1sm2")
TOLERANCE_SECONDS = 300


@dataclass(frozen=True)
class ProvenNews:
    """Which signatures of a message hold, by version, and how old it is."""

    held: frozenset[str]
    age: int

    @property
    def is_fresh(self) -> bool:
        return abs(self.age) <= TOLERANCE_SECONDS


def prove_news(
    provider: Provider, keys: Sequence[Mapping[str, Any]], headers: Mapping[str, str], body: bytes, now: int
) -> ProvenNews:
    """Verify every signature against every published key of its version; whatever is malformed does not hold."""
    timestamp = headers.get("webhook-timestamp", "")
    content = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    given = [part.partition(",") for part in headers.get("webhook-signature", "").split(" ")]
    held = {
        version
        for version, _, text in given
        for key in keys
        if key["version"] == version and _holds(provider, key, content, text)
    }
    age = now - int(timestamp) if timestamp.isascii() and timestamp.isdigit() else now
    return ProvenNews(frozenset(held), age)


def _holds(provider: Provider, key: Mapping[str, Any], content: bytes, text: str) -> bool:
    try:
        signature = base64.b64decode(text, validate=True)
        if key["kty"] == "OKP":
            Ed25519PublicKey.from_public_bytes(decode_base64url(key["x"])).verify(signature, content)
        else:
            point = decode_base64url(key["x"]) + decode_base64url(key["y"])
            provider.verifier(point).verify(content, read_der_signature(signature))
    except (SmError, InvalidSignature, binascii.Error, ValueError):
        return False
    return True
