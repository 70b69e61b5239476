"""A pharmacy's till with a scanner: signs its requests, keeps its idempotency keys. Used by the story and the tests."""

import json
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

from sm.signed_request import sign_request
from sm.sm2 import Signer


class Till:
    """A registered terminal that redeems codes.

    Args:
        http: a client whose base URL is the service's.
        terminal, serial: as the service's register has them.
        signer: the terminal's SM2 key.
        now: the till's clock.
    """

    def __init__(
        self, http: httpx.Client, terminal: str, serial: str, signer: Signer, now: Callable[[], datetime]
    ) -> None:
        self.http = http
        self.terminal = terminal
        self.serial = serial
        self.signer = signer
        self.now = now

    def redeem(self, code: str, purpose: str, key: str | None = None) -> httpx.Response:
        """Redeem a scanned code; the same ``key`` again repeats a request whose answer was lost."""
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        return self.send("POST", "/v1/redemptions", {"code": code, "purpose": purpose}, headers)

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        """Send a signed request."""
        content = b"" if body is None else json.dumps(body).encode()
        signed = {"Authorization": self.sign(method, path, content), **(headers or {})}
        if content:
            signed["Content-Type"] = "application/json"
        return self.http.request(method, path, content=content, headers=signed)

    def sign(self, method: str, path: str, body: bytes, nonce: str | None = None) -> str:
        """Make the Authorization header of one request (ESSC-SM2-SM3)."""
        return sign_request(
            self.signer,
            app_id=self.terminal,
            serial_no=self.serial,
            method=method,
            target=path,
            body=body,
            timestamp=int(self.now().timestamp()),
            nonce=nonce or secrets.token_hex(16),
        )
