"""A bound phone gets a short token: an assertion signed by its key, and a DPoP proof of the same key.

Grant type ``urn:ietf:params:oauth:grant-type:jwt-bearer`` (RFC 7523 section 2.1).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from sqlalchemy.engine import Connection

from auth.compact import read_compact
from auth.devices import Device, find_device
from auth.errors import DeviceEnded, ProofWrong
from auth.guard import Gate
from auth.proofs import PROOF_SECONDS, DeviceProof, ProvenRequest, spent_key, verify_proof
from core.errors import Kind, Limited, Refusal
from core.ids import is_id

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "card"
ASSERTION_SECONDS = 60
LEEWAY_SECONDS = 5
"""How far a phone's clock may run ahead of ours."""
_LIMIT = 2048

CardLevel = Callable[[Connection, str], str]
"""At which assurance level does this card stand? Asked of ``ecard``, handed in by ``web.runtime``."""


class AssertionWrong(Refusal):
    kind = Kind.MALFORMED
    code = "assertion_wrong"
    title_en = "The assertion was not signed by an active phone's key for this service."
    title_zh = "断言未由有效绑定手机的密钥签署。"
    next_en = "Sign a new assertion with iss = sub = the device id and aud = the issuer."
    next_zh = "请用设备密钥重新签署断言。"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token request as it came in; nothing of it is believed."""

    assertion: str
    proof: str | None
    address: str


def grant_token(gate: Gate, card_level: CardLevel, given: TokenRequest) -> str:
    """Check assertion and proof and issue a token for the phone's card.

    Raises ``AssertionWrong``, ``ProofWrong``, ``DeviceEnded``, or ``Limited`` for a phone that asks too often.
    """
    proof = verify_proof(gate.ground, given.proof, ProvenRequest("POST", given.address))
    claims = _verify_assertion(gate, given.assertion, proof)
    with gate.ground.database.transaction() as connection:
        device = _find_proven_device(connection, claims, proof)
        _count(gate, device)
        _spend(gate, proof, claims)
        if device.standing != "active":
            raise DeviceEnded
        level = card_level(connection, device.card)
    return gate.tokens.issue_token(
        device=device.id,
        card=device.card,
        channel=device.channel,
        thumbprint=proof.thumbprint,
        level=level,
        scope=SCOPE,
    )


def _verify_assertion(gate: Gate, assertion: str, proof: DeviceProof) -> dict[str, Any]:
    """Prove the assertion by the key of the proof, before anybody is asked which phones there are."""
    if len(assertion) > _LIMIT:
        raise AssertionWrong(f"longer than {_LIMIT} characters")
    options: Any = {
        "require": ["iss", "sub", "aud", "iat", "exp", "jti"],
        "verify_exp": False,
        "verify_iat": False,
        "verify_nbf": False,
        "strict_aud": True,
    }
    try:
        read_compact(assertion)
        key = jwt.PyJWK({**proof.public_jwk}, algorithm="ES256").key
        claims: dict[str, Any] = jwt.decode(
            assertion, key, algorithms=["ES256"], audience=gate.ground.settings.issuer, options=options
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise AssertionWrong(type(error).__name__) from error
    _require_time(gate, claims)
    if not isinstance(claims["jti"], str) or not 8 <= len(claims["jti"]) <= 128:
        raise AssertionWrong("jti must be 8 to 128 characters")
    return claims


def _require_time(gate: Gate, claims: dict[str, Any]) -> None:
    now = gate.ground.clock().timestamp()
    expires, issued, begins = claims["exp"], claims["iat"], claims.get("nbf", 0)
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in (expires, issued, begins)):
        raise AssertionWrong("exp, iat and nbf must be whole seconds")
    if not now < expires <= now + ASSERTION_SECONDS + LEEWAY_SECONDS:
        raise AssertionWrong(f"exp must lie within the next {ASSERTION_SECONDS} seconds")
    if max(issued, begins) > now + LEEWAY_SECONDS:
        raise AssertionWrong("iat and nbf must not lie ahead")


def _find_proven_device(connection: Connection, claims: dict[str, Any], proof: DeviceProof) -> Device:
    """Find the phone of this key; one that does not exist looks like one of another key."""
    name = claims["sub"]
    if claims["iss"] != name:
        raise AssertionWrong("iss and sub must be the device id")
    device = find_device(connection, name) if isinstance(name, str) and is_id(name, "dev") else None
    if device is None or device.thumbprint != proof.thumbprint:
        raise AssertionWrong
    return device


def _count(gate: Gate, device: Device) -> None:
    """Count a token as one of the phone's requests; raises ``Limited``."""
    most = gate.ground.settings.phone_requests_per_minute
    if gate.ground.ephemeral.count(f"phone_requests_per_minute:{device.id}", 60) > most:
        raise Limited(f"phone_requests_per_minute: {most}", retry_after=60)


def _spend(gate: Gate, proof: DeviceProof, claims: dict[str, Any]) -> None:
    name = hashlib.sha256(f"{proof.thumbprint}.{claims['jti']}".encode()).hexdigest()
    once = gate.ground.ephemeral.add_once
    if not once(spent_key(proof), PROOF_SECONDS * 2):
        raise ProofWrong("this proof was used before")
    if not once(f"assertion:{name}", ASSERTION_SECONDS * 2):
        raise AssertionWrong("this assertion was used before")
