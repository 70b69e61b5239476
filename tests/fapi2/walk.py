"""The conformance suite's way through the server: two clients in each of its variants, and what it looks at on the way.

Like the suite these clients share no code with the server. They are partners: private_key_jwt or a certificate, DPoP,
and with OpenID Connect or without it.
"""

import hashlib
import math
import secrets
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
import pytest

from cli.phone import encode_base64url
from tests.oauth.clients_of_tests import OAuthClient, answer_of, make_client
from tests.oauth.holder import Holder
from tests.oauth.test_flow import certificate_header
from tests.service import ISSUER, Service

PROXY = "10.0.0.7"
USERINFO = "/oauth/userinfo"
READING = "/v1/suite/reading"
REDIRECT = "https://suite.example/test/a/card/callback"
SUFFIX = "?dummy1=lorem&dummy2=ipsum"
"""The second client's redirect address has a query of its own."""
SCOPES = ["openid", "offline_access", "card.read"]
ID_TOKEN_CLAIMS = {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash"}
LEAST_ENTROPY = 96
"""Bits the suite asks of a text by Shannon's measure: the profile's 128 with some slack, as it cannot be measured."""


@dataclass(frozen=True)
class Variant:
    """How the suite's clients prove themselves, and whether they ask for an ID token; tokens are bound by DPoP."""

    authentication: str
    openid: bool

    def __str__(self) -> str:
        return f"{self.authentication}-{'openid_connect' if self.openid else 'plain_oauth'}"


VARIANTS = [Variant(way, openid) for way in ("private_key_jwt", "mtls") for openid in (True, False)]


def _parametrised(variants: list[Variant]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("variant", variants, ids=str)


in_every_variant = _parametrised(VARIANTS)
with_openid_connect = _parametrised([variant for variant in VARIANTS if variant.openid])
with_private_key_jwt = _parametrised([variant for variant in VARIANTS if variant.authentication == "private_key_jwt"])


@dataclass
class Party(OAuthClient):
    """A client of the suite; ``skew`` moves times of its proofs by seconds, ``extra`` is stated in them besides."""

    certificate: str | None = None
    proxy: httpx.Client | None = None
    skew: dict[str, int] = field(default_factory=dict)

    @property
    def openid(self) -> bool:
        return "openid" in self.scope.split()

    @property
    def resource(self) -> str:
        return USERINFO if self.openid else READING

    @property
    def http(self) -> httpx.Client:
        return self.proxy or self.service.http

    def identity(self) -> dict[str, str]:
        return {"client_id": self.id} if self.certificate else super().identity()

    def headers(self) -> dict[str, str]:
        return {"ClientCert": self.certificate} if self.certificate else {}

    def proof(self, path: str, method: str = "POST", key: Any = None, **claims: Any) -> str:
        moved = {name: self.now() + seconds for name, seconds in self.skew.items()}
        return super().proof(path, method, key, **(moved | claims))

    def proof_for(self, token: str, key: Any = None, **claims: Any) -> str:
        """Prove possession of a token's key at the resource."""
        ath = encode_base64url(hashlib.sha256(token.encode()).digest())
        return self.proof(self.resource, "GET", key, **({"ath": ath} | claims))

    def ask(self, token: str, *, scheme: str = "DPoP", **headers: str) -> httpx.Response:
        """Call the resource with a token and, unless the headers name another or none, a good proof."""
        shown = {"Authorization": f"{scheme} {token}"} | ({"DPoP": self.proof_for(token)} | headers)
        return self.http.get(self.resource, headers={name: value for name, value in shown.items() if value})

    def request(self, **changes: Any) -> dict[str, Any]:
        """Write an authorization request as the suite does, with a state and, for OpenID Connect, a nonce."""
        drawn = {"state": secrets.token_urlsafe(8), "nonce": secrets.token_urlsafe(8) if self.openid else None}
        return self.parameters(**{**drawn, **changes})


def make_pair(service: Service, proxy: httpx.Client, variant: Variant, **more: Any) -> tuple[Party, Party]:
    """Register the suite's two clients."""
    first, second = (
        _make_party(service, proxy, variant, name, redirect, **more)
        for name, redirect in (("One", REDIRECT), ("Two", REDIRECT + SUFFIX))
    )
    return first, second


def _make_party(
    service: Service, proxy: httpx.Client, variant: Variant, name: str, redirect: str, **more: Any
) -> Party:
    scopes = SCOPES if variant.openid else SCOPES[1:]
    given = {"redirect_uris": [redirect], "scopes": scopes, **more}
    if variant.authentication == "private_key_jwt":
        return _party_of(make_client(service, "partner", "private_key_jwt", **given))
    subject = f"CN=Client {name},O=Suite,C=CN"
    made = make_client(service, "partner", "tls_client_auth", tls_subject=subject, **given)
    return _party_of(made, certificate=certificate_header(subject), proxy=proxy)


def _party_of(client: OAuthClient, **more: Any) -> Party:
    return Party(**{kept.name: getattr(client, kept.name) for kept in fields(OAuthClient)}, **more)


# ── The way ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Walked:
    """What came of a whole way."""

    sent: dict[str, Any]
    said: dict[str, str]
    tokens: dict[str, Any]


def walk(party: Party, holder: Holder, *, proven: bool = False, **changes: Any) -> Walked:
    """Go from a pushed request to the resource and look at everything; ``proven`` pushes with a DPoP proof."""
    sent = party.request(**changes)
    said = authorize(party, holder, sent, proven=proven)
    tokens = check_tokens(party, party.redeem(said["code"]), sent)
    check_resource(party, tokens)
    return Walked(sent, said, tokens)


def authorize(party: Party, holder: Holder, sent: dict[str, Any], *, proven: bool = False) -> dict[str, str]:
    """Go as far as the authorization response."""
    pushed = check_pushed(party.post("/oauth/par", sent, proven=proven))
    return check_said(sent, holder.approve(begun(bring(party, pushed, sent))))


def code_of(party: Party, holder: Holder, **changes: Any) -> str:
    """Go as far as a code."""
    return authorize(party, holder, party.request(**changes))["code"]


def bring(party: Party, request_uri: str, sent: dict[str, Any], **changes: Any) -> httpx.Response:
    """Bring a pushed request to the authorization endpoint, its parameters beside it as OpenID Connect allows."""
    beside = {name: sent[name] for name in ("response_type", "scope", "redirect_uri", "state", "nonce") if name in sent}
    return party.authorize(**{"client_id": party.id, "request_uri": request_uri, **beside, **changes})


def begun(answer: httpx.Response) -> str:
    """Read the login request to which a browser was sent; 303, never 307."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"].startswith("/")
    return answer.headers["Location"].rpartition("/")[2]


# ── What the suite looks at ──────────────────────────────────────────────────────────────────────────────────────


def check_pushed(answer: httpx.Response) -> str:
    assert answer.status_code == 201, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert 5 <= answer.json()["expires_in"] < 600
    reference: str = answer.json()["request_uri"]
    assert entropy(reference.rpartition(":")[2]) > LEAST_ENTROPY
    return reference


def check_said(sent: dict[str, Any], location: str) -> dict[str, str]:
    """Look at a successful authorization response."""
    assert location.startswith(sent["redirect_uri"])
    assert urlsplit(location).fragment == ""
    said = answer_of(location)
    own = dict(parse_qsl(urlsplit(sent["redirect_uri"]).query))
    assert set(said) == {"code", "iss", *own} | ({"state"} if "state" in sent else set())
    assert {name: said[name] for name in own} == own
    assert (said.get("state"), said["iss"]) == (sent.get("state"), ISSUER)
    assert entropy(said["code"]) > LEAST_ENTROPY
    return said


def check_tokens(party: Party, answer: httpx.Response, sent: dict[str, Any]) -> dict[str, Any]:
    """Look at a successful token response."""
    assert answer.status_code == 200, answer.text
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Type"] == "application/json"
    tokens: dict[str, Any] = answer.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("DPoP", 300)
    assert entropy(tokens["access_token"]) > LEAST_ENTROPY
    assert entropy(tokens["refresh_token"]) > LEAST_ENTROPY
    assert ("id_token" in tokens) == party.openid
    if party.openid:
        check_id_token(party, tokens, sent)
    return tokens


def check_id_token(party: Party, tokens: dict[str, Any], sent: dict[str, Any]) -> None:
    claims, now = verified(party.service, tokens["id_token"]), party.now()
    assert set(claims) == ID_TOKEN_CLAIMS - (set() if "nonce" in sent else {"nonce"})
    assert (claims["iss"], claims["aud"], claims.get("nonce")) == (ISSUER, party.id, sent.get("nonce"))
    assert claims["iat"] == now < claims["exp"]
    assert claims["auth_time"] <= now
    assert claims["acr"] in {"L1", "L2", "L3"}
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == encode_base64url(half)


def check_resource(party: Party, tokens: dict[str, Any], **headers: str) -> None:
    answer = party.ask(tokens["access_token"], **headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    if party.openid:
        assert answer.json()["sub"] == verified(party.service, tokens["id_token"])["sub"]


def verified(service: Service, token: str) -> dict[str, Any]:
    """Verify a token of the server under its published keys, as ES256 and under the kid that it names."""
    keys = {key["kid"]: key for key in service.http.get("/oauth/jwks").json()["keys"]}
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "ES256"
    unchecked = {"verify_exp": False, "verify_aud": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(token, jwt.PyJWK(keys[header["kid"]]).key, ["ES256"], options=unchecked)
    return claims


def refused(answer: httpx.Response, error: str, status: int = 400) -> None:
    """Look at an error of an endpoint that answers the client itself (RFC 6749 section 5.2)."""
    assert (answer.status_code, answer.json().get("error")) == (status, error), answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]
    description = answer.json().get("error_description", "")
    assert all(" " <= letter <= "~" and letter not in '"\\' for letter in description)


def shown_as_error(party: Party, answer: httpx.Response) -> None:
    """Look at an error that stays with the browser, as a page: nothing goes to any address."""
    refused(answer, "invalid_request")
    page = party.http.get(answer.request.url, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "invalid_request" in page.text
    assert "refresh" not in page.text.lower()
    assert party.redirect_uri not in page.text
    assert {"Location", "Refresh"} & {*answer.headers, *page.headers} == set()


def entropy(text: str) -> float:
    """Measure a text as the suite does: Shannon's bits a letter, times its letters."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares) * len(text)
