"""A real browser before the running service: Chromium, over TLS, with names that lead nowhere else."""

import contextlib
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.servers import find_program

HOSTS = ("card.example", "partner.example", "www.partner.example")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--ignore-certificate-errors",
)

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Leave the log to the service."""


class Sites:
    """The service and the partner's site behind one address, told apart by name."""

    def __init__(self, service: Application) -> None:
        self._service = service
        self.seen: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        host = environ["HTTP_HOST"].partition(":")[0]
        if host == HOSTS[0]:
            return self._service(environ, start_response)
        self.seen.append(f"https://{host}{environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        if host == HOSTS[1] and environ["PATH_INFO"] == "/further":
            start_response("303 See Other", [("Location", f"https://{HOSTS[2]}/there")])
            return []
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [b"<!doctype html><title>Back</title><link rel=icon href=data:><p id=back>Back at the partner"]


@contextlib.contextmanager
def serve_over_tls(application: Application) -> Iterator[int]:
    """Serve on a free port of 127.0.0.1 under a certificate of this minute."""
    with tempfile.TemporaryDirectory() as folder:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_make_certificate(Path(folder)))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def run_chromium(port: int, *, language: str) -> Iterator[webdriver.Chrome]:
    """Run a browser of its own that knows HOSTS alone; they are all at this port."""
    rules = ", ".join([*(f"MAP {host}:443 127.0.0.1:{port}" for host in HOSTS), "MAP * ~NOTFOUND"])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = str(find_program("chromium"))
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.add_experimental_option("prefs", {"intl.accept_languages": language})
        for argument in (*ARGUMENTS, f"--host-resolver-rules={rules}", f"--user-data-dir={profile}"):
            options.add_argument(argument)
        browser = webdriver.Chrome(options=options, service=Driver(str(find_program("chromedriver"))))
        try:
            yield browser
        finally:
            browser.quit()


def look_as(browser: webdriver.Chrome, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
    """Give the page a size, and a finger or a mouse."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})


def _make_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOSTS[0])])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *form) + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
