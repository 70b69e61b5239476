"""What an OAuth client signs: its assertions, proofs of its DPoP key, statements about its customers; PKCE."""

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from ecard_client.errors import NotProven

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
_LIFE_SECONDS = 60


@dataclass(frozen=True)
class Es256Key:
    """A key on P-256; ``kid`` as `ecard clients add-key` printed it."""

    private: ec.EllipticCurvePrivateKey
    kid: str = ""

    @property
    def public_jwk(self) -> dict[str, str]:
        """The public key as it is registered."""
        numbers = self.private.public_key().public_numbers()
        x, y = (_text(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    @property
    def thumbprint(self) -> str:
        """The key's name where tokens are bound to it (RFC 7638)."""
        return _text(
            hashlib.sha256(json.dumps(self.public_jwk, separators=(",", ":"), sort_keys=True).encode()).digest()
        )

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Sign claims as a JWT."""
        named = {"kid": self.kid} if self.kid and "jwk" not in header else {}
        return jwt.encode(claims, self.private, "ES256", headers={**named, **header})


def draw_es256_key() -> Es256Key:
    """Draw a fresh key."""
    return Es256Key(ec.generate_private_key(ec.SECP256R1()))


def client_assertion(key: Es256Key, client: str, issuer: str) -> str:
    """Prove the client to the token server (private_key_jwt); one for each request."""
    return key.sign(_claims(client, issuer) | {"sub": client})


def customer_statement(
    key: Es256Key, client: str, issuer: str, *, subject: str, authenticated_at: int, acr: str
) -> str:
    """State that this is your customer, whom you have just authenticated (RFC 8693); spent with its first use.

    ``subject`` is the pseudonym under which you know the holder; ``acr`` how sure you are, L1 to L3; ten minutes after
    ``authenticated_at`` it is taken no more.
    """
    claims = _claims(client, issuer) | {"sub": subject, "auth_time": authenticated_at, "acr": acr}
    return key.sign(claims, typ="essc-link+jwt")


def dpop_proof(key: Es256Key, method: str, address: str, *, token: str = "", nonce: str = "") -> str:
    """Prove the key for one request (RFC 9449); ``address`` without its query."""
    claims: dict[str, Any] = {"htm": method, "htu": address, "iat": int(time.time()), "jti": secrets.token_urlsafe(16)}
    if token:
        claims["ath"] = _text(hashlib.sha256(token.encode()).digest())
    if nonce:
        claims["nonce"] = nonce
    return key.sign(claims, typ="dpop+jwt", jwk=key.public_jwk)


def draw_verifier() -> tuple[str, str]:
    """Draw a PKCE verifier, and give it with its challenge (RFC 7636)."""
    verifier = secrets.token_urlsafe(48)
    return verifier, _text(hashlib.sha256(verifier.encode()).digest())


def read_id_token(given: str, keys: dict[str, Any], *, client: str, issuer: str, nonce: str) -> dict[str, Any]:
    """Verify an ID token with the keys of /oauth/jwks and give its claims; raises ``NotProven``."""
    try:
        kid = jwt.get_unverified_header(given)["kid"]
        (row,) = [one for one in keys["keys"] if one["kid"] == kid and one["alg"] == "ES256"]
        public = jwt.PyJWK(row).key
        claims: dict[str, Any] = jwt.decode(given, public, ["ES256"], audience=client, issuer=issuer, leeway=30)
    except (jwt.PyJWTError, KeyError, ValueError) as fault:
        raise NotProven("the ID token does not prove who the holder is") from fault
    if claims.get("nonce") != nonce:
        raise NotProven("the ID token belongs to another login")
    return claims


def _claims(client: str, issuer: str) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": client, "aud": issuer, "iat": now, "exp": now + _LIFE_SECONDS, "jti": secrets.token_urlsafe(16)}


def _text(given: bytes) -> str:
    return base64.urlsafe_b64encode(given).rstrip(b"=").decode()
