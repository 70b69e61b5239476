"""The wallet of deploy/partners as a process of its own, registered as the city's operators would register it."""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth.oauth.client_register import Registration, add_client_key, register_client
from channels.webhooks import deliver_one
from sm.city_keys import MINISTRY_CERTIFICATE
from sm.der import write_pem
from tests.channels.news_of_tests import tell
from tests.channels.partners import WAY_UP, apply, change, move
from tests.foreign.node import NODE
from tests.foreign.town import Town
from tests.servers import end, free_port, tail
from tests.service import PROVIDER

FOLDER = Path(__file__).parents[2] / "deploy" / "partners" / "wallet"
SET_UP = "run deploy/bootstrap.sh partners: it installs Node and the packages of deploy/partners/wallet"
SCOPES = (
    "openid",
    "offline_access",
    "card.read",
    "card.present",
    "card.uses",
    "card.report_loss",
    "card.unlink",
    "card.pay",
)
READY_WITHIN = 30.0  # seconds


class Refused(Exception):
    """The wallet said no: the name of its error, and the code of the service's refusal if there is one."""

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__(json.dumps(said))
        self.error = said["error"]
        self.code = said.get("code")


@dataclass
class Wallet:
    """A registered wallet; ``running`` starts it."""

    town: Town
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    endpoint: str = ""

    @property
    def public(self) -> str:
        return str(self.settings["public"])

    @property
    def database(self) -> Path:
        return self.folder / "wallet.sqlite3"

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.settings['control']}"

    def ask(self, act: str, **given: Any) -> Any:
        answer = httpx.post(f"{self.control}/{act}", json=given, timeout=60, trust_env=False)
        if answer.status_code != 200:
            raise Refused(answer.json())
        return answer.json()

    def write_settings(self, **changes: Any) -> Path:
        path = self.folder / "settings.json"
        path.write_text(json.dumps(self.settings | changes))
        return path

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        log = self.folder / "wallet.log"
        with log.open("ab") as output:
            process = start(self, self.write_settings(), output)
        try:
            wait_for(process, f"{self.control}/cards", log)
            yield
        finally:
            end(process)

    def browser(self) -> httpx.Client:
        """Open a browser; it names the origin of its forms, as browsers do."""
        trusted = self.town.front.certificate.for_calling()
        return httpx.Client(base_url=self.public, verify=trusted, headers={"Origin": self.public}, trust_env=False)

    def travel(self, customer: str, purpose: str) -> httpx.Response:
        """Let the customer go to the login page with the phone, and come back."""
        back = self.town.log_in(self.ask("begin", customer=customer, purpose=purpose)["address"])
        with self.browser() as browser:
            return browser.get(back)

    def deliver(self) -> int:
        """Tell the wallet what has happened, as the worker does; tell how many tries were made."""
        inside, done = self.town.inside, 0
        inside.clock.now = datetime.now(UTC)
        tell(inside)
        while deliver_one(inside.runtime.news):
            done += 1
        return done


def require_wallet() -> None:
    """Fail with what to do where Node or the packages are not installed."""
    if not (NODE.exists() and (FOLDER / "node_modules" / "lean-qr").is_dir()):
        pytest.fail(SET_UP, pytrace=False)


def start(wallet: Wallet, settings: Path, output: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "--", NODE, FOLDER / "src" / "main.ts", "serve", settings],
        env={"NODE_EXTRA_CA_CERTS": wallet.town.authorities},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def wait_for(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.post(address, json={}, trust_env=False)
            return
        time.sleep(0.05)
    raise AssertionError(tail(log))


def draw_keys(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [NODE, FOLDER / "src" / "main.ts", "keys", folder, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def register_wallet(town: Town, folder: Path) -> Wallet:
    """Let the wallet draw its keys, and the operators enter it as channel and client with the address for news."""
    require_wallet()
    drawn = draw_keys(folder / "keys")
    assert drawn.returncode == 0, drawn.stderr
    inside, public, control = town.inside, f"https://127.0.0.1:{free_port()}", free_port()
    inside.clock.now = datetime.now(UTC)
    channel = apply(inside, channel_class="social", requests_per_minute=60_000)
    key = {"public_key": (folder / "keys" / "channel.hex").read_text().strip(), "days": 180}
    serial = change(inside, channel, "certificate", key).outcome["serial"]
    for step in WAY_UP["live"]:
        move(inside, channel, step)
    client, kid = register_oauth_client(town, folder / "keys" / "client.jwk", f"{public}/back")
    change(inside, channel, "terms", {"from": {"client": None}, "to": {"client": client}})
    news = f"http://127.0.0.1:{control}/news"
    endpoint = change(inside, channel, "endpoint", {"url": news}).outcome["endpoint"]
    pinned = folder / "ministry.pem"
    pinned.write_text(write_pem("CERTIFICATE", inside.runtime.store.document(MINISTRY_CERTIFICATE)))
    certificate = town.front.certificate
    settings = {
        "issuer": town.issuer,
        "public": public,
        "listen": {"host": "127.0.0.1", "port": int(public.rpartition(":")[2])},
        "control": control,
        "tls": {"certificate": str(certificate.authorities), "key": str(certificate.key)},
        "channel": channel,
        "serial": serial,
        "client": client,
        "kid": kid,
        "pinned": "ministry.pem",
        "keys": "keys",
        "database": "wallet.sqlite3",
    }
    return Wallet(town, folder, settings, str(endpoint))


def register_oauth_client(town: Town, jwk: Path, redirect: str) -> tuple[str, str]:
    inside = town.inside
    given = Registration(
        profile="partner",
        name_zh="示范钱包",
        name_en="Example Wallet",
        authentication="private_key_jwt",
        redirect_uris=[redirect],
        scopes=list(SCOPES),
    )
    with inside.database.transaction() as connection:
        now = inside.clock()
        made = register_client(connection, given, default_audience=inside.runtime.oauth.desk.api, at=now)
        return made, add_client_key(connection, PROVIDER, made, json.loads(jwk.read_text()), at=now)


def forget(wallet: Wallet) -> None:
    """Lose the wallet's database."""
    for path in wallet.folder.glob("wallet.sqlite3*"):
        path.unlink()


def copy_of(wallet: Wallet, folder: Path) -> Wallet:
    """Give the same wallet another folder, with copies of its keys."""
    shutil.copytree(wallet.folder / "keys", folder / "keys")
    shutil.copy(wallet.folder / "ministry.pem", folder)
    return Wallet(wallet.town, folder, dict(wallet.settings), wallet.endpoint)
