"""A citizen's phone, as far as the service can see it: a P-256 key, proofs, requests. Used by the story and the tests.

Written from the API's description alone; it shares no code with the service.
"""

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Phone:
    """A phone with a key of its own.

    Args:
        http: a client whose base URL is the service's.
        issuer: the service's address as it calls itself; proofs and assertions name it.
        now: the phone's clock.
    """

    def __init__(self, http: httpx.Client, issuer: str, now: Callable[[], datetime]) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.http = http
        self.issuer = issuer
        self.now = now
        self.token = ""
        self.card = ""
        self.device = ""

    @property
    def jwk(self) -> dict[str, str]:
        numbers = self.key.public_key().public_numbers()
        x, y = (encode_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    def begin(self, display: str, channel: str = "app") -> httpx.Response:
        """Begin an enrollment with the text of the code that the reader shows."""
        _, _, session, nonce = display.split(":")
        return self.send("POST", "/v1/enrollments", {"session": session, "terminal_nonce": nonce, "channel": channel})

    def look(self, enrollment: str) -> httpx.Response:
        """See how far an enrollment is."""
        return self.send("GET", f"/v1/enrollments/{enrollment}")

    def confirm(self, enrollment: str, chip_card: str, *, confirmed: bool = True) -> httpx.Response:
        """Say yes (or no) and keep what was issued."""
        body = {"chip_card": chip_card, "confirmed": confirmed}
        answer = self.send("POST", f"/v1/enrollments/{enrollment}/confirm", body)
        if answer.is_success:
            self.card, self.device = answer.json()["id"], answer.json()["device"]
        return answer

    def sign_in(self) -> httpx.Response:
        """Get a token for the card."""
        form = {"grant_type": GRANT, "assertion": self.assertion()}
        proof = self.proof("POST", "/oauth/token")
        answer = self.http.post("/oauth/token", data=form, headers={"DPoP": proof})
        if answer.is_success:
            self.token = answer.json()["access_token"]
        return answer

    def code(self, use: str, kind: str = "signed", audience: int = 0) -> httpx.Response:
        """Ask for a code to show."""
        return self.call("POST", f"/v1/cards/{self.card}/codes", {"class": use, "kind": kind, "audience": audience})

    def scan_login(self, code: str) -> httpx.Response:
        """See what a login is for, by the code of its page or the address in its QR code."""
        return self.call("POST", "/v1/login-requests", {"code": code.rpartition("/")[2]})

    def approve_login(self, login: str) -> httpx.Response:
        """Say yes to a login; the answer holds the number for the browser."""
        return self.call("POST", f"/v1/login-requests/{login}/approve")

    def deny_login(self, login: str) -> httpx.Response:
        """Say no to a login."""
        return self.call("POST", f"/v1/login-requests/{login}/deny")

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Send a request that is proven by the key alone; the proof covers the body."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"DPoP": self.proof(method, path, digest=encode_base64url(sha256(content).digest()))}
        return self._request(method, path, content, headers)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Send a request with the token."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"DPoP {self.token}"}
        headers["DPoP"] = self.proof(method, path, ath=encode_base64url(sha256(self.token.encode()).digest()))
        return self._request(method, path, content, headers)

    def proof(self, method: str, path: str, **claims: Any) -> str:
        """Make a DPoP proof (RFC 9449) for one request."""
        address = self.issuer + path.partition("?")[0]
        stated = {"htm": method, "htu": address, "iat": int(self.now().timestamp()), "jti": secrets.token_urlsafe(16)}
        header = {"typ": "dpop+jwt", "jwk": self.jwk}
        return jwt.encode({**stated, **claims}, self.key, algorithm="ES256", headers=header)

    def assertion(self, **claims: Any) -> str:
        """Sign who this device is, for the token endpoint (RFC 7523)."""
        now = int(self.now().timestamp())
        stated = {"iss": self.device, "sub": self.device, "aud": self.issuer, "iat": now, "exp": now + 60}
        return jwt.encode({**stated, "jti": secrets.token_urlsafe(16), **claims}, self.key, algorithm="ES256")

    def _request(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        if content:
            headers["Content-Type"] = "application/json"
        return self.http.request(method, path, content=content, headers=headers)


def encode_base64url(data: bytes) -> str:
    """Write bytes as JOSE does (RFC 7515, section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
