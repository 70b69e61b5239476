"""The core of a bank behind a real port, written by the description alone: it shares no signing with the service."""

import base64
import contextlib
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sm.der import read_der_signature, signature_to_der
from sm.sm2 import Signer
from tests.channels.partners import PartnerApp
from tests.channels.test_answers import Pinned
from tests.service import PROVIDER

PATH = "/essc/port?v=1"
_REQUEST = re.compile(
    r'ESSC-SM2-SM3 app_id="([^"]+)",serial_no="([0-9a-f]+)",timestamp="(\d+)",nonce="([^"]+)",signature="([^"]+)"'
)


@dataclass
class BankServer:
    """Answers signed questions; what a test changes of an answer is in ``said``, ``header`` and ``answer``."""

    app: PartnerApp
    said: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    signer: Signer | None = None
    answer: Callable[[http.server.BaseHTTPRequestHandler, bytes, dict[str, str]], None] | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    apps: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    def take(self, handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        found = _REQUEST.fullmatch(handler.headers["Authorization"])
        if found is None or not self._is_signed(handler.path, body, *found.groups()):
            self.wrong.append(handler.headers["Authorization"])
            handler.send_error(401)
            return
        asked = json.loads(body)
        self.asked.append(asked)
        self.apps.append(found[1])
        said = {"issuance": asked["issuance"], "financial_function": "active", "phone_agrees": True} | self.said
        written = json.dumps({name: value for name, value in said.items() if value is not None}).encode()
        headers = {"ESSC-Signature": self.sign(200, handler.path, found[4], written)}
        (self.answer or send)(handler, written, headers)

    def sign(self, status: int, target: str, nonce: str, body: bytes) -> str:
        stated = {"serial_no": self.app.serial, "timestamp": int(self.app.service.clock().timestamp()), "nonce": nonce}
        stated |= self.header
        base = f"{status}\n{target}\n{stated['timestamp']}\n{stated['nonce']}\n".encode() + body + b"\n"
        signature = base64.b64encode(signature_to_der((self.signer or self.app.signer).sign(base))).decode()
        return ",".join(f'{name}="{value}"' for name, value in ({**stated, "signature": signature}).items())

    def _is_signed(self, target: str, body: bytes, app: str, serial: str, stamp: str, nonce: str, signed: str) -> bool:
        base = f"POST\n{target}\n{stamp}\n{nonce}\n".encode() + body + b"\n"
        key = Pinned(self.app.service).keys()[serial]
        try:
            PROVIDER.verifier(key).verify(base, read_der_signature(base64.b64decode(signed)))
        except Exception:  # noqa: BLE001 - whatever it says, it is not signed
            return False
        return bool(app)


def send(
    handler: http.server.BaseHTTPRequestHandler, body: bytes, headers: dict[str, str], *, status: int = 200
) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    with contextlib.suppress(ConnectionError):
        handler.wfile.write(body)


@contextlib.contextmanager
def serving(bank: BankServer) -> Iterator[BankServer]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bank.take(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    bank.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield bank
    server.shutdown()
    server.server_close()
    thread.join()
