"""The signed statement of an electronic card: a JWT under SM2 that anybody can check with the issuer's key.

Algorithm name ``SGD_SM3_SM2`` (GM/T 0006: SGD_SM3_SM2 = 0x00020201); signature r ‖ s, 64 bytes, user id
``ESSC-CARD-1`` so that it can never pass for another signature of the same key.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.ground import Ground
from sm.digest import sm3
from sm.errors import Malformed
from sm.sm2 import Provider, Signer

ALGORITHM = "SGD_SM3_SM2"
USER_ID = b"ESSC-CARD-1"
TYPE = "essc-card+jwt"
_LIFE = timedelta(days=365)
_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class CredentialSigner:
    """The issuer's key for credentials, under ``USER_ID``."""

    signer: Signer
    kid: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What a credential says of a card; no name, no number.

    ``thumbprint`` is that of the phone's key, None for a card that no phone has been bound to yet.
    """

    card: str
    chip_card: str
    level: str
    region: str
    card_class: str
    thumbprint: str | None


def draft_credential(ground: Ground, credentials: CredentialSigner, said: Statement, at: datetime) -> str:
    """Write header and claims, ready to be signed."""
    header = {"alg": ALGORITHM, "typ": TYPE, "kid": credentials.kid}
    issued = int(at.timestamp())
    claims: dict[str, Any] = {
        "iss": ground.settings.issuer,
        "sub": said.card,
        "iat": issued,
        "exp": issued + int(_LIFE.total_seconds()),
        "acr": said.level,
        "region": said.region,
        "card_class": said.card_class,
        "chip": sm3(b"ESSC-CHIP-1", said.chip_card.encode()).hex(),
    }
    if said.thumbprint is not None:
        claims["cnf"] = {"jkt": said.thumbprint}
    return f"{_encode(_json(header))}.{_encode(_json(claims))}"


def sign_credential(credentials: CredentialSigner, draft: str) -> str:
    """Sign a draft and return the compact JWT."""
    return f"{draft}.{_encode(credentials.signer.sign(draft.encode()))}"


def verify_credential(provider: Provider, public_key: bytes, given: str, at: datetime) -> dict[str, Any]:
    """Check a credential as a third party does and return its claims.

    Raises ``Malformed`` or ``InvalidSignature`` of ``sm.errors``; an expired one is ``Malformed("expired")``.
    """
    if len(given) > _LIMIT or given.count(".") != 2:
        raise Malformed("not a compact JWT")
    draft, _, signature = given.rpartition(".")
    header, claims = (_object(part) for part in draft.split("."))
    if header.get("alg") != ALGORITHM or header.get("typ") != TYPE:
        raise Malformed("another algorithm or type")
    provider.verifier(public_key, user_id=USER_ID).verify(draft.encode(), _decode(signature))
    if not isinstance(claims.get("exp"), int) or at.timestamp() >= claims["exp"]:
        raise Malformed("expired")
    return claims


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError) as error:
        raise Malformed("base64url") from error
    if _encode(data) != text:
        raise Malformed("a second spelling of the same bytes")
    return data


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode(part))
    except (ValueError, RecursionError) as error:
        raise Malformed("JSON") from error
    if not isinstance(value, dict):
        raise Malformed("an object was expected")
    return value
