"""ID tokens and userinfo: who the holder is to this one client, and nothing more (OpenID Connect Core)."""

import hashlib
import json
from typing import Any

from auth.compact import encode_base64url
from auth.oauth.clients import Client
from auth.oauth.desk import OAuthDesk
from auth.oauth.grants import Grant
from auth.oauth.pseudonyms import subject_of
from sm.digest import sm3
from sm.token_keys import SM2


def issue_id_token(desk: OAuthDesk, client: Client, grant: Grant, *, nonce: str | None, access_token: str) -> str:
    """Sign an ID token for a client; it lives as long as the access token beside it."""
    at = desk.ground.clock()
    key = desk.token_keys().key_for_signing(at)
    now = int(at.timestamp())
    claims: dict[str, Any] = {
        "iss": desk.issuer,
        "aud": client.id,
        "iat": now,
        "exp": now + desk.ground.settings.token_seconds,
        "at_hash": _half_hash(key.algorithm, access_token),
        **holder_claims(desk, client, grant),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return key.sign(json.dumps(claims).encode(), "JWT")


def holder_claims(desk: OAuthDesk, client: Client, grant: Grant) -> dict[str, Any]:
    """Say who the holder is to this client and how surely: the least there is."""
    return {
        "sub": subject_of(desk, client, grant),
        "acr": grant.acr,
        "amr": list(grant.amr),
        "auth_time": int(grant.authenticated_at.timestamp()),
    }


def _half_hash(algorithm: str, token: str) -> str:
    """Make ``at_hash`` (section 3.1.3.6) with the hash of the signature: SM3 for SM2, otherwise SHA-256."""
    digest = sm3(token.encode()) if algorithm == SM2.algorithm else hashlib.sha256(token.encode()).digest()
    return encode_base64url(digest[:16])
