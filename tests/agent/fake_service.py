"""A service in one object: hand-written answers, and the checks of the card's proofs that matter to the agent."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from physical.chip import card_keys
from physical.chip.atr import historical_bytes
from physical.chip.binding import CARD_USER_ID, Binding, holder_digest, internal_challenge
from physical.chip.files import read_ef05
from sm.certificates import read_certificate
from sm.signed_request import read_header, verify_request
from sm.sm2 import random_private_key
from tests.chip.builders import DATA, ROOT_KEYS, provider

TERMINAL, SERIAL = "trm_window1", "1"
SESSION, ENROLLMENT = "ts_1", "enr_1"
TERMINAL_NONCE, SERVICE_NONCE, DEVICE_KEY_SM3 = bytes(range(16)), bytes(range(16, 32)), bytes(range(32))
DISPLAY = f"ESSC-ENROLL:1:{SESSION}:{TERMINAL_NONCE.hex()}"
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

Reply = tuple[int, dict[str, Any]]


@dataclass
class FakeService:
    """Answers the terminal's calls; `spoil` replaces the answer of a call by its last path segment."""

    now: Callable[[], datetime] = lambda: START
    phone_comes_at_look: int = 2
    proof: str = "signature"
    spoil: dict[str, Reply] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    idempotency_keys: list[str] = field(default_factory=list)
    looks: int = 0

    def __post_init__(self) -> None:
        self.terminal_key = random_private_key()
        self._verifier = provider().verifier(provider().public_key_of(self.terminal_key))

    def body_of(self, name: str) -> dict[str, Any]:
        """The body of the only call of this name."""
        (body,) = [body for called, body in self.calls if called == name]
        return body

    def called(self, name: str) -> int:
        return sum(1 for called, _ in self.calls if called == name)

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Reply:
        """Answer one request; a wrong signature of the terminal is an error of the test."""
        header = read_header(headers["Authorization"])
        assert (header.app_id, header.serial_no) == (TERMINAL, SERIAL)
        verify_request(self._verifier, header, method=method, target=target, body=body)
        self.authorizations.append(headers["Authorization"])
        if method == "POST":
            self.idempotency_keys.append(headers["Idempotency-Key"])
        name = target.rsplit("/", 1)[-1]
        self.calls.append((name, json.loads(body or b"{}")))
        return self.spoil.get(name) or self._routes()[name](json.loads(body or b"{}"))

    def _routes(self) -> dict[str, Callable[[dict[str, Any]], Reply]]:
        return {
            "terminal-sessions": self._open,
            SESSION: self._state,
            "hello": self._hello,
            "complete": self._complete,
            "abandon": lambda _body: (200, {"state": "refused"}),
        }

    def _expiry(self) -> str:
        return (self.now() + timedelta(seconds=120)).isoformat().replace("+00:00", "Z")

    def _open(self, body: dict[str, Any]) -> Reply:
        assert body == {"operator": "op-1"}
        nonce = TERMINAL_NONCE.hex()
        return 201, {"id": SESSION, "terminal_nonce": nonce, "expires_at": self._expiry(), "display": DISPLAY}

    def _state(self, _body: dict[str, Any]) -> Reply:
        self.looks += 1
        if self.looks < self.phone_comes_at_look:
            return 200, {"id": SESSION, "state": "open", "enrollment": None}
        enrollment = {
            "id": ENROLLMENT,
            "service_nonce": SERVICE_NONCE.hex(),
            "device_key_sm3": DEVICE_KEY_SM3.hex(),
            "expires_at": self._expiry(),
        }
        return 200, {"id": SESSION, "state": "begun", "enrollment": enrollment}

    def _hello(self, body: dict[str, Any]) -> Reply:
        """Prove the card by its key as the HSM does, and make the block that opens EF06."""
        self.issuer = read_ef05(bytes.fromhex(body["issuer_data"]))
        keys = ROOT_KEYS.diversify(historical_bytes(bytes.fromhex(body["atr"])), self.issuer.region)
        challenge = internal_challenge(ENROLLMENT, SERVICE_NONCE, TERMINAL, DEVICE_KEY_SM3)
        expected = card_keys.internal_authentication(keys.internal, challenge)
        assert bytes.fromhex(body["internal_authentication"]) == expected
        self.certificate = bytes.fromhex(body["certificate"]) if body["certificate"] else None
        block = card_keys.external_authentication(keys.read, bytes.fromhex(body["challenge"]), DATA) + DATA
        return 200, {"state": "hello", "external_authentication": block.hex(), "proof": self.proof}

    def _complete(self, body: dict[str, Any]) -> Reply:
        if self.proof == "pin":
            assert body["signature"] is None
            return 200, {"state": "verified", "level": "L2"}
        verifier = provider().verifier(read_certificate(self.certificate).public_key, CARD_USER_ID)
        verifier.verify(self._binding(body).encode(), bytes.fromhex(body["signature"]))
        return 200, {"state": "verified", "level": "L3"}

    def _binding(self, body: dict[str, Any]) -> Binding:
        return Binding(
            enrollment=ENROLLMENT,
            service_nonce=SERVICE_NONCE,
            terminal_nonce=TERMINAL_NONCE,
            terminal=TERMINAL,
            device_key_sm3=DEVICE_KEY_SM3,
            card_identification_code=self.issuer.card_identification_code,
            holder_sm3=holder_digest(bytes.fromhex(body["holder_data"])),
        )

    def transport(self) -> httpx.MockTransport:
        """The service without a network."""

        def handle(request: httpx.Request) -> httpx.Response:
            target = request.url.raw_path.decode()
            status, body = self.answer(request.method, target, request.headers, request.content)
            return httpx.Response(status, json=body, headers={"Content-Type": content_type(status)})

        return httpx.MockTransport(handle)

    @contextmanager
    def listening(self) -> Iterator[str]:
        """The service behind a real socket; gives its base URL."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def content_type(status: int) -> str:
    return "application/json" if status < 400 else "application/problem+json"


def problem(status: int, code: str, **more: str) -> Reply:
    return status, {"type": "about:blank", "title": f"title of {code}", "code": code, "next_step": "", **more}


def _handler(service: FakeService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = service.answer(self.command, self.path, self.headers, body)
            encoded = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type(status))
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_POST = _serve  # noqa: N815 - names of the base class

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    return Handler
