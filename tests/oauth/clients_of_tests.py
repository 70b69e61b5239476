"""Clients of the authorization server as their makers would write them, sharing no code with it."""

import hashlib
import json
import secrets
from base64 import b64encode, urlsafe_b64decode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from auth.oauth.client_register import Registration, add_client_key, add_client_secret, register_client
from auth.oauth.jws import SM2_USER_ID, Sm2Algorithm
from cli.phone import encode_base64url
from sm.sm2 import random_private_key
from tests.service import ISSUER, PROVIDER, Service

REDIRECT = "https://partner.example/cb"
LOOPBACK = "http://127.0.0.1/cb"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SIGNING = jwt.PyJWS()
_SIGNING.register_algorithm("SGD_SM3_SM2", Sm2Algorithm())
_SIGNING.register_algorithm("Ed25519", jwt.algorithms.OKPAlgorithm())


class Key:
    """A key pair of a client."""

    def __init__(self, algorithm: str = "ES256") -> None:
        self.algorithm = algorithm
        self.private, self.jwk = _MAKERS[algorithm]()

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        return _SIGNING.encode(json.dumps(claims).encode(), self.private, self.algorithm, headers=header)

    @property
    def thumbprint(self) -> str:
        members = {name: self.jwk[name] for name in ("crv", "kty", "x", "y")}
        canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
        return encode_base64url(hashlib.sha256(canonical).digest())


def _p256() -> tuple[Any, dict[str, str]]:
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    return key, {"kty": "EC", "crv": "P-256", "x": _number(numbers.x), "y": _number(numbers.y)}


def _rsa() -> tuple[Any, dict[str, str]]:
    return _RSA_KEY, {"kty": "RSA", "n": _number(_RSA_KEY.public_key().public_numbers().n, 256), "e": "AQAB"}


def _ed25519() -> tuple[Any, dict[str, str]]:
    key = ed25519.Ed25519PrivateKey.generate()
    return key, {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(key.public_key().public_bytes_raw())}


def _sm2() -> tuple[Any, dict[str, str]]:
    signer = PROVIDER.signer(random_private_key(), SM2_USER_ID)
    x, y = (encode_base64url(half) for half in (signer.public_key[:32], signer.public_key[32:]))
    return signer, {"kty": "EC", "crv": "SM2", "x": x, "y": y}


def _number(number: int, size: int = 32) -> str:
    return encode_base64url(number.to_bytes(size, "big"))


_RSA_KEY = rsa.generate_private_key(65537, 2048)
_MAKERS = {"ES256": _p256, "PS256": _rsa, "RS256": _rsa, "EdDSA": _ed25519, "Ed25519": _ed25519, "SGD_SM3_SM2": _sm2}


@dataclass
class OAuthClient:
    """A client with its keys, and a browser beside it."""

    service: Service
    id: str
    redirect_uri: str
    scope: str
    key: Key | None = None
    secret: str | None = None
    dpop: Key | None = None
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    nonce: str | None = None
    state: str = "st-1"

    @property
    def http(self) -> httpx.Client:
        return self.service.http

    def now(self) -> int:
        return int(self.service.clock().timestamp())

    # ── who it is ────────────────────────────────────────────────────────────────────────────────────────────────

    def assertion(self, **changes: Any) -> str:
        assert self.key is not None
        claims = {"iss": self.id, "sub": self.id, "aud": ISSUER, "iat": self.now(), "exp": self.now() + 60}
        claims |= {"jti": secrets.token_urlsafe(16)} | changes
        return self.key.sign({name: value for name, value in claims.items() if value is not None})

    def identity(self) -> dict[str, str]:
        if self.key is not None:
            return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}
        return {"client_id": self.id}

    def headers(self) -> dict[str, str]:
        if self.secret is None:
            return {}
        return {"Authorization": "Basic " + b64encode(f"{self.id}:{self.secret}".encode()).decode()}

    def proof(self, path: str, method: str = "POST", key: Key | None = None, **claims: Any) -> str:
        signing = key or self.dpop
        assert signing is not None
        stated = {"htm": method, "htu": ISSUER + path, "iat": self.now(), "jti": secrets.token_urlsafe(16)}
        if self.nonce is not None:
            stated["nonce"] = self.nonce
        return signing.sign(stated | claims, typ="dpop+jwt", jwk=signing.jwk)

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────

    def parameters(self, **changes: Any) -> dict[str, Any]:
        challenge = encode_base64url(hashlib.sha256(self.verifier.encode()).digest())
        stated = {
            "client_id": self.id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (stated | changes).items() if value is not None}

    def post(self, path: str, form: dict[str, Any], *, proven: bool = False, **headers: str) -> httpx.Response:
        """Send a form with the client's own proof of identity, and repeat it where a nonce is asked for."""
        sent = {**self.identity(), **form} if self.secret is None else form
        shown = {"DPoP": self.proof(path)} if proven and self.dpop else {}
        answer = self.http.post(path, data=sent, headers={**self.headers(), **shown, **headers})
        if answer.status_code == 400 and answer.json()["error"] == "use_dpop_nonce" and self.nonce is None:
            self.nonce = answer.headers["DPoP-Nonce"]
            return self.post(path, form, proven=proven, **headers)
        return answer

    def push(self, **changes: Any) -> httpx.Response:
        return self.post("/oauth/par", self.parameters(**changes))

    def authorize(self, browser: httpx.Client | None = None, **parameters: Any) -> httpx.Response:
        return (browser or self.http).get("/oauth/authorize?" + urlencode(parameters, doseq=True))

    def begin(self, **changes: Any) -> str:
        """Bring the browser to the login page and return the interaction's id."""
        pushed = self.push(**changes)
        assert pushed.status_code == 201, pushed.text
        answer = self.authorize(client_id=self.id, request_uri=pushed.json()["request_uri"])
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"].rpartition("/")[2]

    def redeem(self, code: str, **changes: Any) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        form |= {"code_verifier": self.verifier} | changes
        return self.post("/oauth/token", {k: v for k, v in form.items() if v is not None}, proven=True)

    def refresh(self, token: str, **changes: Any) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token, **changes}
        return self.post("/oauth/token", form, proven=True)

    def call(self, token: str, path: str = "/oauth/userinfo", method: str = "GET") -> httpx.Response:
        return self.http.request(method, path, headers=self.call_headers(token, path, method))

    def call_headers(self, token: str, path: str, method: str) -> dict[str, str]:
        """Show a token, with a proof for this request if it is bound to a key."""
        if self.dpop is None:
            return {"Authorization": f"Bearer {token}"}
        ath = encode_base64url(hashlib.sha256(token.encode()).digest())
        return {"Authorization": f"DPoP {token}", "DPoP": self.proof(path, method, ath=ath)}


def make_client(service: Service, profile: str, authentication: str, **more: Any) -> OAuthClient:
    """Register a client of a profile, with one key or secret of its own."""
    algorithm, dpop = more.pop("algorithm", "ES256"), more.get("dpop", profile != "relying_party")
    default = {
        "name_zh": "示范银行",
        "name_en": "Example Bank",
        "redirect_uris": [LOOPBACK if profile == "native" else REDIRECT],
        "scopes": ["openid", "offline_access", "card.read", "card.present", "card.pay"],
    }
    given = Registration(profile=profile, authentication=authentication, **{**default, **more})
    key = Key(algorithm) if authentication == "private_key_jwt" else None
    secret = None
    with service.database.transaction() as connection:
        now, oauth = service.clock(), service.runtime.oauth.desk
        made = register_client(connection, given, default_audience=oauth.api, at=now)
        if key is not None:
            add_client_key(connection, PROVIDER, made, key.jwk, at=now)
        if authentication.startswith("client_secret"):
            _, secret = add_client_secret(connection, oauth.stored, made, at=now)
    scope = " ".join(given.scopes)
    return OAuthClient(
        service,
        made,
        given.redirect_uris[0] if given.redirect_uris else "",
        scope,
        key,
        secret,
        Key() if dpop else None,
    )


def make_partner(service: Service, algorithm: str = "ES256", **more: Any) -> OAuthClient:
    return make_client(service, "partner", "private_key_jwt", algorithm=algorithm, **more)


def make_native(service: Service, **more: Any) -> OAuthClient:
    return make_client(service, "native", "none", **more)


def make_relying_party(service: Service, authentication: str = "client_secret_basic", **more: Any) -> OAuthClient:
    return make_client(service, "relying_party", authentication, **{"scopes": ["openid"], **more})


def answer_of(location: str) -> dict[str, str]:
    """Read the parameters of an authorization response."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def reheaded(signed: str, **changes: Any) -> str:
    """Change the header of a JWS and leave the rest as it is; a member that is None is left out."""
    header, _, rest = signed.partition(".")
    stated = json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4))) | changes
    kept = {name: value for name, value in stated.items() if value is not None}
    return encode_base64url(json.dumps(kept).encode()) + "." + rest
