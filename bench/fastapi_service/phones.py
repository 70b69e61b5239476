"""A phone proves itself: access token and DPoP proof (RFC 9449), by PyJWT."""

import hashlib
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import Depends, HTTPException, Request
from jwt.algorithms import ECAlgorithm

from auth.proofs import encode_base64url, thumbprint
from bench.fastapi_service.stores import spend_and_count

_PROOF_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Phone:
    device: str
    card: str


class Tokens:
    """Reads access tokens; a token that was read is remembered until it expires."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey, issuer: str) -> None:
        self._public_key = public_key
        self._issuer = issuer
        self._remembered: dict[bytes, dict[str, Any]] = {}

    def read(self, given: str) -> dict[str, Any]:
        """Give the claims of a valid token."""
        name = hashlib.sha256(given.encode()).digest()
        claims = self._remembered.get(name)
        if claims is None:
            claims = self._decode(given)
            if len(self._remembered) > 50_000:
                self._remembered.clear()
            self._remembered[name] = claims
        if claims["exp"] <= time.time():
            raise HTTPException(401, "expired")
        return claims

    def _decode(self, given: str) -> dict[str, Any]:
        try:
            return jwt.decode(given, self._public_key, algorithms=["ES256"], audience=self._issuer, issuer=self._issuer)
        except jwt.InvalidTokenError as error:
            raise HTTPException(401, "token") from error


async def proven_phone(request: Request) -> Phone:
    """Check token and proof, spend the proof, count the call."""
    state = request.app.state
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "dpop":
        raise HTTPException(401, "scheme")
    claims = state.tokens.read(given)
    name, jti = _verify_proof(request.headers.get("dpop", ""), given, state.issuer + request.url.path)
    if name != claims["cnf"]["jkt"] or "card" not in claims["scope"].split():
        raise HTTPException(401, "proof")
    once = f"dpop:{hashlib.sha256(f'{name}.{jti}'.encode()).hexdigest()}"
    first, count = await spend_and_count(state.redis, once, 2 * _PROOF_SECONDS, f"codes:{claims['sub']}")
    if not first or count > state.codes_per_minute:
        raise HTTPException(429 if first else 401)
    return Phone(claims["sub"], claims["card"])


def _verify_proof(proof: str, token: str, address: str) -> tuple[str, str]:
    try:
        header = jwt.get_unverified_header(proof)
        jwk = header["jwk"]
        claims = jwt.decode(
            proof, _key(jwk["kty"], jwk["crv"], jwk["x"], jwk["y"]), algorithms=["ES256"], options={"verify_iat": False}
        )
    except (jwt.PyJWTError, KeyError, ValueError) as error:
        raise HTTPException(401, "proof") from error
    hashed = encode_base64url(hashlib.sha256(token.encode()).digest())
    now = time.time()
    fits = claims.get("htm") == "POST" and claims.get("htu") == address and claims.get("ath") == hashed
    if not fits or header.get("typ") != "dpop+jwt" or not now - _PROOF_SECONDS < claims.get("iat", 0) <= now + 5:
        raise HTTPException(401, "proof")
    return thumbprint(jwk), claims["jti"]


@lru_cache(maxsize=20_000)
def _key(kty: str, crv: str, x: str, y: str) -> Any:
    return ECAlgorithm.from_jwk({"kty": kty, "crv": crv, "x": x, "y": y})


ProvenPhone = Annotated[Phone, Depends(proven_phone)]
