"""A public service that lets citizens log in with their card, as far as this service can see it (OpenID Connect).

Written from the published metadata and the standards alone; it shares no code with the service.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt

from cli.phone import encode_base64url


class LoginRefused(Exception):
    """The login did not come to what the standards demand; the text says where."""


@dataclass(frozen=True)
class BegunLogin:
    """What has to agree when the browser comes back."""

    address: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class PublicService:
    """A relying party with a secret.

    Args:
        http: a client whose base URL is the card service's.
        client: the id under which it is registered (``ecard clients register``).
        secret: what ``ecard clients add-secret`` printed.
        redirect_uri: where browsers come back to.
    """

    def __init__(self, http: httpx.Client, client: str, secret: str, redirect_uri: str) -> None:
        self.http = http
        self.client = client
        self.redirect_uri = redirect_uri
        self._secret = secret
        self._metadata = _good(http.get("/.well-known/openid-configuration"))

    def begin(self) -> BegunLogin:
        """Make the address to which a browser is sent."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        asked = {
            "client_id": self.client,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": state,
            "nonce": nonce,
            "code_challenge": encode_base64url(sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        return BegunLogin(f"{self._metadata['authorization_endpoint']}?{urlencode(asked)}", state, nonce, verifier)

    def finish(self, begun: BegunLogin, came_back_to: str) -> Mapping[str, Any]:
        """Take the browser back and return the claims of the ID token; raises ``LoginRefused``."""
        given = {name: values[0] for name, values in parse_qs(urlsplit(came_back_to).query).items()}
        if given.get("state") != begun.state or given.get("iss") != self._metadata["issuer"]:
            raise LoginRefused("state or iss of the answer is not what was sent")
        if "code" not in given:
            raise LoginRefused(given.get("error", "no code"))
        tokens = self._redeem(given["code"], begun.verifier)
        claims = self._read_id_token(tokens["id_token"])
        if claims.get("nonce") != begun.nonce:
            raise LoginRefused("the ID token is for another login")
        return claims

    def _redeem(self, code: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        path = urlsplit(self._metadata["token_endpoint"]).path
        return _good(self.http.post(path, data=form, auth=(self.client, self._secret)))

    def _read_id_token(self, given: str) -> dict[str, Any]:
        published = _good(self.http.get(urlsplit(self._metadata["jwks_uri"]).path))
        keys = jwt.PyJWKSet.from_json(json.dumps(published))
        try:
            key = keys[jwt.get_unverified_header(given)["kid"]]
            options: Any = {"require": ["iss", "aud", "sub", "exp", "iat", "nonce"], "verify_iat": False}
            claims: dict[str, Any] = jwt.decode(
                given,
                key,
                algorithms=["ES256"],
                audience=self.client,
                issuer=self._metadata["issuer"],
                options=options,
            )
        except (jwt.PyJWTError, KeyError) as error:
            raise LoginRefused(f"the ID token: {type(error).__name__}") from error
        return claims


def _good(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise LoginRefused(f"{answer.request.url.path}: {answer.status_code} {answer.text[:200]}")
    given: dict[str, Any] = answer.json()
    return given
