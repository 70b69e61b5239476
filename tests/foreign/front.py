"""The proxy with TLS that stands before the service, as in production; told to, it tampers with what passes through."""

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_OF_ONE_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}
_ANSWERS_WITHIN = 60.0  # seconds


@dataclass
class Certificate:
    """A certificate for 127.0.0.1 that signs itself: the file of it is the list of authorities to trust."""

    authorities: Path
    key: Path

    def for_serving(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authorities, self.key)
        return context

    def for_calling(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authorities))


def make_certificate(folder: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = Certificate(folder / "front.pem", folder / "front.key")
    certificate.authorities.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    certificate.key.write_bytes(pem)
    return certificate


@dataclass
class Passing:
    """An answer on its way to the client."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def change(self, **members: Any) -> None:
        """Put other members into the JSON of the answer; one that is None is taken out."""
        said = {**json.loads(self.body), **members}
        self.body = json.dumps({name: value for name, value in said.items() if value is not None}).encode()

    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


Tamperer = Callable[[Passing], None]


@dataclass
class Front:
    """A running proxy; ``behind`` is the address of the service."""

    address: str
    certificate: Certificate
    behind: str = ""
    tamperers: dict[str, Tamperer] = field(default_factory=dict)
    authorizations: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def tampering(self, **tamperers: Tamperer) -> Iterator[None]:
        """Tamper with the answers of endpoints, named by the last part of their path, e.g. ``token``."""
        before = self.tamperers
        self.tamperers = before | tamperers
        try:
            yield
        finally:
            self.tamperers = before

    def pass_on(self, http: httpx.Client, method: str, target: str, headers: dict[str, str], body: bytes) -> Passing:
        """Bring a request to the service and its answer back."""
        if target.startswith("/oauth/authorize?"):
            self.authorizations.append(target)
        address = httpx.URL(self.behind).copy_with(raw_path=target.encode())
        answer = http.request(method, address, headers=headers, content=body)
        kept = [(name, value) for name, value in answer.headers.multi_items() if name not in _OF_ONE_HOP]
        passing = Passing(answer.status_code, kept, answer.content)
        tamper = self.tamperers.get(target.partition("?")[0].rpartition("/")[2].replace("-", "_"))
        if tamper is not None and method != "OPTIONS":
            tamper(passing)
        return passing


@contextlib.contextmanager
def run_front(folder: Path) -> Iterator[Front]:
    """Listen on a free port of 127.0.0.1 until the block ends."""
    certificate = make_certificate(folder)
    with (
        httpx.Client(timeout=_ANSWERS_WITHIN, trust_env=False) as http,
        threaded_server(_handler(lambda: front, http), certificate) as port,
    ):
        front = Front(f"https://127.0.0.1:{port}", certificate)
        yield front


@contextlib.contextmanager
def threaded_server(handler: type[BaseHTTPRequestHandler], certificate: Certificate | None = None) -> Iterator[int]:
    """Serve in threads of this process and give the port."""
    listening = _Server(("127.0.0.1", 0), handler)
    if certificate is not None:
        serving = certificate.for_serving()
        listening.socket = serving.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield listening.server_address[1]
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave it to the client to complain: one that distrusts the certificate breaks off, as it should."""


def _handler(front: Callable[[], Front], http: httpx.Client) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            given = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_HOP}
            passing = front().pass_on(http, self.command, self.path, given, body)
            self.write(passing.status, passing.headers, passing.body)

        do_GET = do_POST = do_OPTIONS = answer  # noqa: N815 - the library's names

    return Handler


class QuietHandler(BaseHTTPRequestHandler):
    """Keeps connections open and nothing in a log."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        pass

    def write(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
