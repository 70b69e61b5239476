"""An app in a browser: its page is on an origin of its own, and Chromium holds it to what browsers allow."""

import contextlib
import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.foreign.front import Certificate, QuietHandler, threaded_server
from tests.foreign.node import EXAMPLES, PACKAGES, RefusedByClient, require_packages
from tests.foreign.town import Town
from tests.servers import find_program

ANSWERS_WITHIN = 30.0  # seconds
KINDS = {".html": "text/html", ".js": "text/javascript"}


@dataclass
class App:
    """The app's page in Chromium."""

    town: Town
    address: str
    driver: Chrome
    settings: dict[str, str]

    def log_in(self, client: str, browse: Callable[[str], str] | None = None) -> Any:
        """Press the button, be the holder, come back, and return what the page says; raises ``RefusedByClient``."""
        self.settings.update(issuer=self.town.issuer, clientId=client)
        self.driver.get(self.address)
        self.driver.find_element(By.ID, "log-in").click()
        self._wait(lambda driver: driver.current_url.startswith(self.town.issuer))
        self.driver.get((browse or self.town.browse)(self.town.issuer + self.town.front.authorizations[-1]))
        self._wait(lambda driver: driver.find_element(By.ID, "result").text)
        said = json.loads(self.driver.find_element(By.ID, "result").text)
        if "refused" in said:
            raise RefusedByClient(said["refused"])
        return said["done"]

    def _wait(self, until: Callable[[Chrome], object]) -> None:
        WebDriverWait(self.driver, ANSWERS_WITHIN, poll_frequency=0.05).until(until)


@contextlib.contextmanager
def run_app(town: Town, profile: Path) -> Iterator[App]:
    """Serve the app's page and open Chromium until the block ends."""
    require_packages()
    certificate, settings = town.front.certificate, {}
    with threaded_server(_page(settings), certificate) as port:
        driver = _open_chromium(certificate, profile)
        try:
            yield App(town, f"https://127.0.0.1:{port}", driver, settings)
        finally:
            driver.quit()


def _open_chromium(certificate: Certificate, profile: Path) -> Chrome:
    options = ChromeOptions()
    options.binary_location = str(find_program("chromium"))
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", f"user-data-dir={profile}"):
        options.add_argument(f"--{argument}")
    options.add_argument(f"--ignore-certificate-errors-spki-list={_pin_of(certificate)}")
    return Chrome(options, ChromeService(str(find_program("chromedriver"))))


def _pin_of(certificate: Certificate) -> str:
    key = x509.load_pem_x509_certificate(certificate.authorities.read_bytes()).public_key()
    return b64encode(
        hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    ).decode()


def _page(settings: dict[str, str]) -> type[QuietHandler]:
    files = {
        "/": EXAMPLES / "oidc_client_ts.html",
        "/cb": EXAMPLES / "oidc_client_ts.html",
        "/app.js": EXAMPLES / "oidc_client_ts.js",
        "/oidc-client-ts.min.js": PACKAGES / "oidc-client-ts" / "dist" / "browser" / "oidc-client-ts.min.js",
    }

    class Handler(QuietHandler):
        def answer(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/settings.js":
                said = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in settings.items())
                return self.write(200, [("Content-Type", "text/javascript")], said.encode())
            if path not in files:
                return self.write(404, [], b"")
            return self.write(200, [("Content-Type", KINDS[files[path].suffix])], files[path].read_bytes())

        do_GET = answer  # noqa: N815 - the library's name

    return Handler
