"""The running service as clients of others meet it: `ecard serve` behind TLS, and a holder at a browser of his own."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm

from auth.oauth.client_register import list_client_keys
from cli.browser import Browser, Page, PageForm
from core.clock import system_clock
from core.settings import Settings
from tests.device_flow.terminals_of_tests import Town as Pharmacy
from tests.device_flow.terminals_of_tests import settle
from tests.foreign.forger import Forger
from tests.foreign.front import Front, run_front
from tests.login.robot import RobotHolder
from tests.oauth.clients_of_tests import OAuthClient
from tests.oauth.holder import Holder
from tests.persons import REGION
from tests.redemption.processes import City, open_inside, run_processes
from tests.servers import free_port
from tests.service import ROOM, Service

PASSWORD = "274958"
TERMINAL = {"name": "3 号收银台", "site": "示范路 1 号", "purpose.medical": "yes", "compared": "yes"}


@dataclass
class Town:
    """The service's address, and what stands around it.

    ``inside`` acts where the operator would: it registers clients. ``robot`` is a holder at a browser, with a phone,
    and the operator of ``pharmacy``.
    """

    front: Front
    inside: Service
    robot: RobotHolder
    pharmacy: Pharmacy

    @property
    def issuer(self) -> str:
        return self.front.address

    @property
    def authorities(self) -> str:
        """The file of the authority that clients have to trust."""
        return str(self.front.certificate.authorities)

    def private_jwk_of(self, client: OAuthClient) -> dict[str, str]:
        """Write the client's key with the name under which it was registered."""
        assert client.key is not None
        with self.inside.database.transaction() as connection:
            (row,) = list_client_keys(connection, client.id)
        written = ECAlgorithm.to_jwk(client.key.private, as_dict=True)
        return {**written, "alg": client.key.algorithm, "kid": row.kid}

    def forger(self) -> Forger:
        """Somebody who can change what the service says and sign it with a key of his own."""
        return Forger(self.front)

    def browse_and_change(self, **changes: str | None) -> Callable[[str], str]:
        """Browse, but somebody changes parameters of the answer before the client sees it; None takes one out."""
        return lambda address: changed_query(self.browse(address), **changes)

    def log_in(self, address: str) -> str:
        """Open the address of an authorization request, go through the pages with the phone, and tell where they lead.

        Level three is reached by the card's password.
        """
        with self._open_browser() as browser:
            return self.robot.log_in(browser, address, password=PASSWORD).headers["Location"]

    def browse(self, address: str, **approval: Any) -> str:
        """Do the same without pages and phone, for tests that look at something else, or at a login that is seldom."""
        with self._open_browser() as browser:
            sent_to: str = browser.get(address).headers["Location"]
        self.inside.clock.now = datetime.now(UTC)
        holder = Holder(self.inside, self.robot.phone.card, self.robot.phone.device)
        return holder.approve(sent_to.rpartition("/")[2], **approval)

    def let_terminal_in(self, address: str, code: str, *, allow: bool = True) -> None:
        """Be the operator of a pharmacy: log in at the page a terminal names, type its code, and allow or refuse it."""
        with self._open_browser() as http:
            browser = Browser(http, self.issuer)
            begun = browser.send(_form(Page(browser.open(address)), "/sign-in"))
            page = Page(self.robot.log_in(http, str(begun.url)))
            page = Page(browser.send(_form(page, "/code"), user_code=code))
            asking = _form(page, "/allow")
            answer = browser.send(asking, None if allow else asking.action.replace("/allow", "/refuse"), **TERMINAL)
        assert answer.url.path == ("/device/allowed" if allow else "/device/refused")

    def _open_browser(self) -> httpx.Client:
        return httpx.Client(verify=self.front.certificate.for_calling(), trust_env=False)


def _form(page: Page, ending: str) -> PageForm:
    form = page.form(ending)
    assert form is not None, page.address
    return form


def changed_query(address: str, **changes: str | None) -> str:
    parameters = httpx.URL(address).params
    for name, value in changes.items():
        parameters = parameters.remove(name) if value is None else parameters.set(name, value)
    return str(httpx.URL(address).copy_with(params=parameters))


def private_key_of(client: OAuthClient) -> str:
    """Write the client's key as its maker keeps it."""
    assert client.key is not None
    pem: bytes = client.key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def public_key_of(client: OAuthClient) -> str:
    """Write the public half of it."""
    assert client.key is not None
    pem: bytes = client.key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


@contextlib.contextmanager
def run_town(city: City, folder: Path, database_url: str) -> Iterator[Town]:
    """Seed an empty database with a holder, then run the service on it."""
    with run_front(folder) as front:
        settings = Settings(
            home=city.folder,
            keystore_secret=city.secret,
            database_url=database_url,
            issuer=front.address,
            region=REGION,
            listen_port=free_port(),
            workers=1,
            threads=4,
            phone_requests_per_minute=6000,
            address_requests_per_minute=1_000_000,
            logins_per_holder_hour=1000,
            **ROOM,
        )
        inside = open_inside(settings)
        try:
            phone = inside.enroll(card=inside.make_card(1))
            assert phone.call("PUT", f"/v1/cards/{phone.card}/password", {"password": PASSWORD}).status_code == 200
            with (
                run_processes(settings, folder / "serve.log") as processes,
                httpx.Client(base_url=front.address, verify=front.certificate.for_calling(), trust_env=False) as http,
            ):
                front.behind, phone.http, phone.now = processes.address, http, system_clock
                yield Town(front, inside, RobotHolder(front.address, phone), settle(inside, phone))
        finally:
            inside.http.close()
            inside.runtime.close()
