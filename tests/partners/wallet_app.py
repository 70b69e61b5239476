"""The wallet beside the bank, before the same service: a process of its own, and its app in a customer's browser."""

import contextlib
import json
import os
import re
import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from cli.browser import Browser, Page, PageForm
from cli.story.partner_wallet import WalletPlace, command_of_wallet, settle_wallet
from tests.login.robot import RobotHolder
from tests.partners.town import PartnerTown, go_and_return, running, wait_until
from tests.partners.wallets import require_wallet
from tests.servers import free_port, tail

CARD = re.compile(r'id="card" data-state="([a-z]*)" data-standing="([a-z]*)"')
RESULT = re.compile(r'id="result" data-result="([a-z0-9]+)"')


@dataclass
class WalletApp:
    """The wallet's app in the browser of one customer."""

    browser: Browser

    def home(self) -> str:
        answer = self.browser.open("/")
        assert answer.status_code == 200, answer.text
        return answer.text

    def state(self) -> tuple[str, str]:
        found = CARD.search(self.home())
        return (found[1], found[2]) if found else ("none", "")

    def result(self) -> str:
        found = RESULT.search(self.home())
        return found[1] if found else ""

    def press(self, purpose: str) -> httpx.Response:
        return self.browser.send(form_of(self.browser, self.home(), f"/go/{purpose}"))

    def journey(self, purpose: str, robot: RobotHolder, **how: Any) -> httpx.Response:
        """Go through the card service's login and back."""
        return self.browser.open(go_and_return(self.press(purpose), robot, **how))

    def result_of(self, purpose: str, robot: RobotHolder, **how: Any) -> str:
        answer = self.journey(purpose, robot, **how)
        assert answer.status_code == 200, answer.text
        found = RESULT.search(answer.text)
        assert found, answer.text
        return found[1]


@dataclass
class RunningWallet:
    """The wallet's process, and ways to it."""

    town: PartnerTown
    place: WalletPlace
    registered: WalletPlace
    """As the card centre knows it: where news are posted to may be somebody in between."""
    process: Any = None

    @contextlib.contextmanager
    def running(self, *, lose_database: bool = False) -> Iterator[None]:
        if lose_database:
            for file in self.place.folder.glob("wallet.sqlite3*"):
                file.unlink()
        log = self.town.folder / "wallet.log"
        with running(command_of_wallet(self.place), log, {"PATH": os.environ["PATH"]}) as process:
            self.process = process
            wait_until(lambda: self._answers() or process.poll() is not None)
            assert process.poll() is None, tail(log)
            yield

    @contextlib.contextmanager
    def app(self, name: str = "") -> Iterator[WalletApp]:
        """Sign in as a customer, somebody new where none is named."""
        name = name or f"customer-{secrets.token_hex(4)}"
        self.place.ask("customers", name=name, password=name)
        trusted = ssl.create_default_context(cafile=str(self.place.folder / "wallet.pem"))
        with httpx.Client(base_url=self.place.front, verify=trusted, timeout=60, trust_env=False) as http:
            browser = Browser(http, self.place.front)
            form = form_of(browser, browser.open("/").text, "/sign-in")
            assert browser.send(form, name=name, password=name).status_code == 200
            yield WalletApp(browser)

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            httpx.post(f"{self.place.control}/cards", json={}, timeout=5, trust_env=False)
            return True
        return False


def form_of(browser: Browser, page: str, ending: str) -> PageForm:
    request = httpx.Request("GET", f"{browser.origin}/")
    form = Page(httpx.Response(200, text=page, request=request)).form(ending)
    assert form is not None, page
    return form


def enter_wallet(town: PartnerTown, *, news_port: int = 0, up_to: str = "live", **settings: Any) -> RunningWallet:
    """Register the wallet as two operators would; it does not run yet.

    Args:
        town: where it lives.
        news_port: where news are posted to, if that is somebody in between.
        up_to: how far its channel comes.
        settings: more of them, and others.
    """
    require_wallet()
    control = free_port()
    ports = (free_port(), news_port or control)
    registered = settle_wallet(town.inside.runtime, town.ministry, town.folder, town.issuer, ports, up_to)
    file = registered.folder / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"control": control} | settings))
    place = replace(registered, control=f"http://127.0.0.1:{control}")
    return RunningWallet(town, place, registered)
