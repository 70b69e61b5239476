"""A partner that comes back to a link, as its makers would write it."""

import secrets
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from json import loads
from typing import Any

import httpx

from tests.oauth.clients_of_tests import Key, OAuthClient
from tests.oauth.holder import Holder
from tests.service import ISSUER

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
TYPE = "essc-link+jwt"


@dataclass
class Link:
    """What a partner keeps of a holder who has linked the card: the pseudonym and the refresh token."""

    client: OAuthClient
    subject: str
    tokens: dict[str, Any]

    @property
    def grant(self) -> str:
        return claims_of(self.tokens["access_token"])["grant"]

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Give the claims of a good statement; a change of None leaves a claim out."""
        now = self.client.now()
        stated = {"iss": self.client.id, "sub": self.subject, "aud": ISSUER, "iat": now, "exp": now + 60}
        stated |= {"auth_time": now, "acr": "L2", "jti": secrets.token_urlsafe(16)}
        return {name: value for name, value in (stated | changes).items() if value is not None}

    def statement(self, *, key: Key | None = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
        signing = key or self.client.key
        assert signing is not None
        return signing.sign(self.claims(**changes), **{"typ": TYPE, **(header or {})})

    def exchange(self, statement: str | None = None, *, proven: bool = True, **changes: Any) -> httpx.Response:
        form = {"grant_type": GRANT, "subject_token_type": JWT, "subject_token": statement or self.statement()}
        sent = {name: value for name, value in (form | changes).items() if value is not None}
        return self.client.post("/oauth/token", sent, proven=proven)

    def token(self, **changes: Any) -> str:
        answer = self.exchange(**changes)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def introspect(self, token: str) -> dict[str, Any]:
        return self.client.post("/oauth/introspect", {"token": token}).json()


def make_link(holder: Holder, client: OAuthClient, changes: dict[str, Any] | None = None, **approval: Any) -> Link:
    """Let a holder link the card by a redirect."""
    tokens = holder.tokens_for(client, changes, **approval)
    return Link(client, claims_of(tokens["access_token"])["sub"], tokens)


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
