"""A terminal's software as it enrols itself (RFC 8628), as far as the service can see it.

Written from the API's description alone; it shares no code with the service.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from cli.phone import encode_base64url
from sm.sm2 import Signer

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "terminals.enrol"
_STATED = "ESSC-TERMINAL-KEY-1"
_WAITING = ("authorization_pending", "slow_down")
_SLOWER_SECONDS = 5  # RFC 8628 section 3.5
_ANSWER_TRIES = 3


class NotEnrolled(Exception):
    """The service, or the operator, said no; ``code`` is the error's name."""

    def __init__(self, code: str, said: str) -> None:
        super().__init__(f"{code}: {said}" if said else code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator needs, and how long and how often to wait for him (seconds)."""

    device_code: str
    user_code: str
    address: str
    complete_address: str
    expires_in: int
    interval: int


@dataclass(frozen=True, slots=True)
class Granted:
    """A token for one registration."""

    token: str
    grant: str


class TerminalSoftware:
    """Software on a counter, with a key of this one enrolment for its proofs.

    Args:
        http: a client whose base URL is the service's.
        issuer: the service's address as it calls itself.
        client: id of the software's registered client, which proves nothing.
        now: the counter's clock.
        pause: waits for some seconds.
    """

    def __init__(
        self,
        http: httpx.Client,
        issuer: str,
        client: str,
        *,
        now: Callable[[], datetime],
        pause: Callable[[float], None],
    ) -> None:
        self._http = http
        self._issuer = issuer
        self._client = client
        self._now = now
        self._pause = pause
        self._key = ec.generate_private_key(ec.SECP256R1())

    def ask(self) -> Asked:
        """Ask for the codes; raises ``NotEnrolled``."""
        said = self._send_form("/oauth/device_authorization", {"scope": SCOPE})
        addresses = said["verification_uri"], said.get("verification_uri_complete", said["verification_uri"])
        return Asked(said["device_code"], said["user_code"], *addresses, said["expires_in"], said.get("interval", 5))

    def wait(self, asked: Asked) -> Granted:
        """Ask again and again until the operator has answered or the codes are over; raises ``NotEnrolled``."""
        interval = asked.interval
        form = {"grant_type": GRANT, "device_code": asked.device_code}
        while True:
            self._pause(interval)
            try:
                said = self._send_form("/oauth/token", form)
                return Granted(said["access_token"], said["grant_id"])
            except NotEnrolled as error:
                if error.code not in _WAITING:
                    raise
                interval += _SLOWER_SECONDS if error.code == "slow_down" else 0
            except httpx.TransportError:
                interval *= 2  # RFC 8628 section 3.5: back off

    def register(self, granted: Granted, signer: Signer) -> dict[str, Any]:
        """Register the terminal with its first key; sent again where the answer was lost. Raises ``NotEnrolled``."""
        key = signer.public_key.hex()
        lines = [_STATED, self._issuer, self._client, granted.grant, self._thumbprint(), key]
        stated = "\n".join(lines)
        body = {"public_key": key, "proof": signer.sign(stated.encode()).hex()}
        for _ in range(_ANSWER_TRIES - 1):
            try:
                return self._call(granted, body)
            except httpx.TransportError:
                self._pause(1)
        return self._call(granted, body)

    def _call(self, granted: Granted, body: dict[str, str]) -> dict[str, Any]:
        path = "/v1/terminals"
        ath = encode_base64url(sha256(granted.token.encode()).digest())
        headers = {"Authorization": f"DPoP {granted.token}", "DPoP": self._proof(path, ath=ath)}
        return _read(self._http.post(path, json=body, headers=headers))

    def _send_form(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        sent = {"client_id": self._client, **form}
        return _read(self._http.post(path, data=sent, headers={"DPoP": self._proof(path)}))

    def _proof(self, path: str, **claims: str) -> str:
        now = int(self._now().timestamp())
        stated = {"htm": "POST", "htu": self._issuer + path, "iat": now, "jti": secrets.token_urlsafe(16), **claims}
        return jwt.encode(stated, self._key, "ES256", headers={"typ": "dpop+jwt", "jwk": self._jwk()})

    def _jwk(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        x, y = (encode_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    def _thumbprint(self) -> str:
        canonical = json.dumps(self._jwk(), separators=(",", ":"), sort_keys=True)  # RFC 7638
        return encode_base64url(sha256(canonical.encode()).digest())


def _read(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = {}
    if answer.is_success and isinstance(said, dict):
        return said
    if not isinstance(said, dict):
        said = {}
    code = said.get("error") or said.get("code") or str(answer.status_code)
    raise NotEnrolled(code, said.get("error_description") or said.get("title") or "")
