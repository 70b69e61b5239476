"""The partner bank of the story: its keys made, its application through, its process running."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cli import NotAvailable
from cli.story.partner_register import Applicant, Registered, register_partner
from cli.story.stage import Stage, choose_port, read_line
from physical.chip.files import HolderData
from web.runtime import Runtime

_PROJECT = Path(__file__).resolve().parents[2]
PYTHONPATH = f"{_PROJECT / 'deploy' / 'partners'}:{_PROJECT / 'clients' / 'python'}"
FRONT_PORT, BACK_PORT = 8471, 8472
_CHANNEL_SCOPES = ("carriage", "news", "issue", "statements")
_SCOPES = (
    "openid", "offline_access", "card.read", "card.present", "card.uses", "card.report_loss", "card.unlink", "card.pay",
)  # fmt: skip
_PHONE = "100{:08}"  # no mobile number begins so


@dataclass(frozen=True)
class BankCustomer:
    """Somebody who has an account there."""

    number: str
    person: HolderData
    financial_function: str = "active"

    def row(self) -> dict[str, Any]:
        """Write the customer as the bank's file has one."""
        return {
            "number": self.number,
            "name": self.person.name,
            "social_security_number": self.person.social_security_number,
            "phone": _PHONE.format(int(self.number)),
            "financial_function": self.financial_function,
            "balance_fen": 1_288_000,
        }


@dataclass(frozen=True)
class BankPlace:
    """The bank's folder and its two addresses, which are registered and stay."""

    folder: Path
    front: str
    back: str

    @property
    def certificate(self) -> Path:
        """What a browser has to trust."""
        return self.folder / "keys" / "tls-certificate.pem"

    def ports(self) -> tuple[int, int]:
        """Give the ports of both doors."""
        return int(self.front.rpartition(":")[2]), int(self.back.rpartition(":")[2])


def choose_bank_place(home: Path, issuer: str, ports: tuple[int, int] = (FRONT_PORT, BACK_PORT)) -> BankPlace:
    """Take the usual ports, or free ones. Addresses are registered: with others it is another bank."""
    front, back = (choose_port(port) for port in ports)
    folder = home / "partners" / f"bank-{front}-{back}-{issuer.rpartition(':')[2]}"
    return BankPlace(folder, f"https://127.0.0.1:{front}", f"http://127.0.0.1:{back}")


def settle_bank(
    runtime: Runtime, ministry: Path, place: BankPlace, people: Sequence[HolderData], up_to: str = "live"
) -> list[BankCustomer]:
    """Enter the bank into the city, once, and give it new customers."""
    keys = _make_keys(place)
    known = place.folder / "registered.json"
    if not known.exists():
        _write(known, asdict(register_partner(runtime, _applicant(place, keys), up_to)))
    registered = Registered(**json.loads(known.read_text(encoding="utf-8")))
    told = {"environment": "development", "issuer": runtime.ground.settings.issuer, **asdict(registered)}
    _write(place.folder / "partner.json", told)
    shutil.copyfile(ministry, place.folder / "ministry.pem")
    return _add_customers(place.folder / "customers.json", people)


def start_bank(stage: Stage, place: BankPlace, *more: str) -> None:
    """Start the bank and wait until its doors are open."""
    front, back = place.ports()
    ports = ("--front-port", str(front), "--back-port", str(back), "--pause", "10")  # news wakes it
    command = [sys.executable, "-m", "bank", "run", str(place.folder), *ports, *more]
    process = stage.start("bank", command, stdout=True, extra={"PYTHONPATH": PYTHONPATH})
    if "front" not in read_line(process):
        raise NotAvailable(f"the bank did not start; see {stage.home / 'log' / 'bank.log'}")


def _make_keys(place: BankPlace) -> dict[str, Any]:
    place.folder.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "bank", "keys", str(place.folder)],
        cwd=place.folder.parent,
        env={"PYTHONPATH": PYTHONPATH, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotAvailable(f"the bank has no keys: {done.stderr.strip()[-300:]}")
    keys: dict[str, Any] = json.loads(done.stdout)
    return keys


def _applicant(place: BankPlace, keys: Mapping[str, Any]) -> Applicant:
    number = len(list(place.folder.parent.glob("bank-*/registered.json"))) + 1
    return Applicant(
        name_zh=f"示范银行 {number}",
        name_en=f"Example Bank {number}",
        channel_class="bank",
        channel_scopes=_CHANNEL_SCOPES,
        scopes=_SCOPES,
        sector=f"bank-{number}.example",
        redirect_uri=f"{place.front}/card/back",
        addresses={"endpoint": f"{place.back}/ecard/news", "bank-port": f"{place.back}/ecard/port"},
        public_key=keys["sm2_public_key"],
        jwk=keys["jwk"],
    )


def _add_customers(file: Path, people: Sequence[HolderData]) -> list[BankCustomer]:
    """Put people behind those who have been customers since earlier stories."""
    rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    new = [BankCustomer(f"{62000001 + len(rows) + place}", person) for place, person in enumerate(people)]
    _write(file, [*rows, *(customer.row() for customer in new)])
    return new


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
