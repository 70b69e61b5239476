"""A partner of the authorization server, with what a holder has allowed it: codes, refresh tokens, access tokens."""

import hashlib
import json
import secrets
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from auth.compact import encode_base64url
from auth.oauth.access_tokens import issue_access_token
from auth.oauth.authorization_requests import AuthorizationRequest
from auth.oauth.client_register import Registration, add_client_key, register_client
from auth.oauth.clients import Client
from auth.oauth.codes import issue_code
from auth.oauth.desk import OAuthDesk
from auth.oauth.grants import Grant, start_grant
from auth.oauth.refresh_tokens import issue_refresh_token
from auth.proofs import thumbprint
from bench.seed import Seeded, public_jwk_of
from bench.stand import Service

REDIRECT = "https://partner.example/cb"
SCOPES = ("openid", "offline_access", "card.read")
VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = encode_base64url(hashlib.sha256(VERIFIER.encode()).digest())


@dataclass(frozen=True)
class SeededPartner:
    """A bank that is registered here as well as with the service beside which ours is measured."""

    desk: OAuthDesk
    client: Client
    grant: Grant
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    dpop_key: ec.EllipticCurvePrivateKey = field(repr=False)
    dpop_jwk: Mapping[str, str]

    @property
    def thumbprint(self) -> str:
        """The name of the key to which its tokens are bound."""
        return thumbprint(self.dpop_jwk)

    def settings(self) -> dict[str, Any]:
        """Tell the other service who the partner is."""
        return {
            "issuer": self.desk.issuer,
            "client": self.client.id,
            "redirect_uri": REDIRECT,
            "public_jwk": {**public_jwk_of(self.key), "kid": "bench", "use": "sig"},
            "thumbprint": self.thumbprint,
            "resource": self.desk.api,
            "code_challenge": CHALLENGE,
        }


def sow_partner(seeded: Seeded, scopes: Sequence[str] = SCOPES) -> SeededPartner:
    """Register the partner and let the first phone's holder allow it everything."""
    runtime, phone = seeded.runtime, seeded.phones[0]
    desk, now = runtime.oauth.desk, runtime.ground.clock()
    key, dpop_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    given = Registration(
        profile="partner",
        name_zh="示范银行",
        name_en="Example Bank",
        authentication="private_key_jwt",
        redirect_uris=[REDIRECT],
        scopes=scopes,
    )
    with runtime.ground.database.transaction() as connection:
        name = register_client(connection, given, default_audience=desk.api, at=now)
        add_client_key(connection, runtime.provider, name, public_jwk_of(key), at=now)
    client = desk.clients.find(name)
    assert client is not None
    with runtime.ground.database.transaction() as connection:
        grant = start_grant(
            connection,
            client=client,
            card=phone.card,
            device=phone.device,
            scopes=tuple(scopes),
            resources=(desk.api,),
            acr="L2",
            amr=("hwk",),
            authenticated_at=now,
            at=now,
            expires_at=now + timedelta(days=1),
        )
    return SeededPartner(desk, client, grant, key, dpop_key, public_jwk_of(dpop_key))


def make_codes(partner: SeededPartner, count: int) -> list[str]:
    """Issue codes as if the holder had allowed it that many times."""
    request = AuthorizationRequest(
        redirect_uri=REDIRECT,
        scopes=SCOPES,
        resources=(partner.desk.api,),
        code_challenge=CHALLENGE,
        state=None,
        nonce=None,
        thumbprint=None,
        least_acr=None,
        max_age=None,
        prompts=(),
    )
    with partner.desk.ground.database.transaction() as connection:
        return [issue_code(partner.desk, connection, partner.grant, request) for _ in range(count)]


def make_refresh_tokens(partner: SeededPartner, count: int) -> list[str]:
    """Issue refresh tokens."""
    with partner.desk.ground.database.transaction() as connection:
        return [
            issue_refresh_token(partner.desk, connection, partner.client, partner.grant, None) for _ in range(count)
        ]


def make_access_tokens(partner: SeededPartner, count: int) -> list[str]:
    """Issue bound access tokens."""
    given: dict[str, Any] = {"scopes": SCOPES, "resources": (partner.desk.api,), "thumbprint": partner.thumbprint}
    return [issue_access_token(partner.desk, partner.client, partner.grant, **given)[0] for _ in range(count)]


def sow_beside(service: Service, what: str, count: int) -> Sequence[str]:
    """Let the other service issue codes (``codes``), refresh tokens (``refresh``) or access tokens (``opaque``)."""
    address = f"http://127.0.0.1:{service.port}/sow?what={what}&count={count}"
    with urllib.request.urlopen(urllib.request.Request(address, method="POST"), timeout=30) as answer:
        made: list[str] = json.load(answer)
    return made


def sign_assertion(partner: SeededPartner) -> str:
    """Prove who the client is (RFC 7523)."""
    now, name = int(time.time()), partner.client.id
    claims = {"iss": name, "sub": name, "aud": partner.desk.issuer, "iat": now, "exp": now + 240}
    return jwt.encode({**claims, "jti": secrets.token_urlsafe(16)}, partner.key, "ES256")


def sign_proof(partner: SeededPartner, method: str, path: str, access_token: str | None = None) -> str:
    """Make a DPoP proof (RFC 9449)."""
    claims = {"htm": method, "htu": partner.desk.issuer + path, "iat": int(time.time())}
    if access_token is not None:
        claims["ath"] = encode_base64url(hashlib.sha256(access_token.encode()).digest())
    header = {"typ": "dpop+jwt", "jwk": dict(partner.dpop_jwk)}
    return jwt.encode({**claims, "jti": secrets.token_urlsafe(16)}, partner.dpop_key, "ES256", headers=header)
