"""The card service and its worker as processes, with the partner bank as a process of its own beside them."""

import contextlib
import os
import re
import ssl
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from cli.browser import Browser, Page, PageForm
from cli.phone import Phone
from cli.story.partner_bank import PYTHONPATH, BankCustomer, BankPlace, choose_bank_place, settle_bank
from cli.till import Till
from core.clock import system_clock
from core.settings import Settings
from ecard.cards import get_card
from physical.chip.profiles import CONTACT_2_0, CONTACT_3_0
from qr.scanning import scan_picture
from sm.der import write_pem
from tests.login.robot import RobotHolder
from tests.persons import REGION, make_person
from tests.redemption.processes import City, open_inside, run_processes
from tests.servers import end, free_port, tail
from tests.service import ROOM, Service

ROOT = Path(__file__).parents[2]
PEOPLE = 8
HOLDER, ASSURED, REFUSED, OTHER, LOSER, NEWCOMER = 1, 2, 3, 4, 5, 8
"""The first, fourth, fifth and eighth have phones; all others a chip card alone."""
WITHIN = 40.0  # seconds
PICTURE = re.compile(r'id="picture"[^>]*src="data:image/png;base64,([^"]+)"')
RESULT = re.compile(r'id="result">([^<]+)<')
CARD = re.compile(r'id="card" data-state="([a-z]+)" data-standing="([a-z]*)"')


def wait_until(found: Callable[[], Any], within: float = WITHIN) -> Any:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


@contextlib.contextmanager
def running(command: list[str], log: Path, environment: dict[str, str], cwd: Path = ROOT) -> Iterator[Any]:
    """Run a program until the block ends; its first line is on ``stdout``."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *command],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
        )
    try:
        yield process
    finally:
        end(process)
        assert process.stdout is not None
        process.stdout.close()


def go_and_return(leaving: httpx.Response, robot: RobotHolder, **how: Any) -> str:
    """Follow a redirect to the card service's login, go through it with the phone, and tell where it leads back to."""
    assert leaving.is_redirect, leaving.text
    with httpx.Client(trust_env=False, timeout=30) as cookies:
        back = robot.log_in(cookies, leaving.headers["Location"], **how)
    assert back.is_redirect, back.text
    return str(back.headers["Location"])


@dataclass
class App:
    """The bank's app in the browser of one customer."""

    browser: Browser

    def card(self) -> str:
        answer = self.browser.open("/card")
        assert answer.status_code == 200, answer.text
        return answer.text

    def state(self) -> tuple[str, str]:
        found = CARD.search(self.card())
        return (found[1], found[2]) if found else ("none", "")

    def form(self, page: str, ending: str) -> PageForm:
        request = httpx.Request("GET", f"{self.browser.origin}/card")
        form = Page(httpx.Response(200, text=page, request=request)).form(ending)
        assert form is not None, page
        return form

    def press(self, ending: str, **fields: str) -> httpx.Response:
        return self.browser.send(self.form(self.card(), ending), **fields)

    def journey(self, act: str, robot: RobotHolder, **how: Any) -> httpx.Response:
        """Go through the card service's login and back."""
        return self.browser.open(go_and_return(self.press(f"/card/{act}"), robot, **how))

    def result_of(self, act: str, robot: RobotHolder, **how: Any) -> str:
        answer = self.journey(act, robot, **how)
        found = RESULT.search(answer.text)
        assert found, answer.text
        return found[1]

    def code(self) -> str:
        answer = self.press("/card/code")
        drawn = PICTURE.search(answer.text)
        assert drawn, answer.text
        (scanned,) = scan_picture(b64decode(drawn[1]))
        return scanned


@dataclass
class PartnerTown:
    """Everything that runs."""

    inside: Service
    issuer: str
    till: Till
    phones: dict[int, Phone]
    place: BankPlace
    customers: dict[int, BankCustomer]
    folder: Path
    service: str = ""
    ministry: Path = Path()
    back_port: int = 0
    bank: Any = None
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def robot(self, number: int) -> RobotHolder:
        return RobotHolder(self.issuer, self.phones[number])

    def now(self) -> datetime:
        return system_clock()

    def end_links(self, *numbers: int) -> None:
        """Be the holders at their phones: end every link of the card."""
        for number in numbers:
            phone = self.phones[number]
            assert phone.sign_in().status_code == 200
            for carried in phone.call("GET", f"/v1/cards/{phone.card}/carriages").json()["items"]:
                assert phone.call("POST", f"/v1/cards/{phone.card}/links/{carried['link']}/end").is_success

    def stand(self, number: int, act: Callable[..., None]) -> None:
        """Be the card centre's staff: move a chip card."""
        inside = self.inside
        inside.clock.now = system_clock()
        with inside.database.transaction() as connection:
            card = get_card(connection, self.phones[number].card)
            act(inside.runtime.ground, connection, card.chip_card, actor="test")

    def start_bank(self, slow_seconds: float = 11) -> None:
        ports = [
            "--front-port",
            str(self.place.ports()[0]),
            "--back-port",
            str(self.back_port),
            "--pause",
            "1",
            "--slow-seconds",
            str(slow_seconds),
        ]
        command = [sys.executable, "-m", "bank", "run", str(self.place.folder), *ports]
        log = self.folder / "bank.log"
        self.bank = self.closing.enter_context(running(command, log, {"PYTHONPATH": PYTHONPATH}, self.folder))
        assert b"front" in self.bank.stdout.readline(), tail(log)

    def restart_bank(self, *, lose_database: bool = False, slow_seconds: float = 11) -> None:
        end(self.bank)
        if lose_database:
            for file in self.place.folder.glob("bank.sqlite3*"):
                file.unlink()
        self.start_bank(slow_seconds)

    @contextlib.contextmanager
    def app(self, number: int) -> Iterator[App]:
        """Sign in as a customer."""
        trusted = ssl.create_default_context(cafile=str(self.place.certificate))
        with httpx.Client(base_url=self.place.front, verify=trusted, timeout=60, trust_env=False) as http:
            browser = Browser(http, self.place.front)
            page = Page(browser.open("/sign-in"))
            wanted = self.customers[number].number
            answer = browser.send(next(form for form in page.forms if form.fields["customer"] == wanted))
            assert answer.status_code == 200, answer.text
            yield App(browser)

    def control(self, path: str = "/control", **body: Any) -> dict[str, Any]:
        token = (self.place.folder / "control.token").read_text()
        headers = {"Control-Token": token}
        back = f"http://127.0.0.1:{self.back_port}"
        answer = httpx.post(f"{back}{path}", json=body, headers=headers, timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


@contextlib.contextmanager
def run_partner_town(
    city: City,
    folder: Path,
    *,
    older: tuple[int, ...] = (),
    behind: int | None = None,
    back_port: int | None = None,
    on_ready: Callable[[PartnerTown], None] = lambda _town: None,
    up_to: str = "live",
) -> Iterator[PartnerTown]:
    """Seed a city with people, register the bank as two operators would, run everything.

    Args:
        city: its keys.
        folder: for the database, the logs and the partners' folders.
        older: who has a chip card of the second generation, which reaches level L2 and no more, and a phone.
        behind: the port of somebody in between, as whom the service is known; it listens on another one.
        back_port: where the bank listens to machines, if what is registered is somebody in between.
        on_ready: called when the service runs and the bank does not yet.
        up_to: how far the bank's channel comes.
    """
    port = free_port()
    issuer = f"http://127.0.0.1:{behind or port}"
    settings = Settings(
        home=city.folder,
        keystore_secret=city.secret,
        database_url=f"sqlite:///{folder / 'ecard.sqlite3'}",
        issuer=issuer,
        region=REGION,
        listen_port=port,
        workers=1,
        threads=8,
        phone_requests_per_minute=6000,
        address_requests_per_minute=1_000_000,
        logins_per_holder_hour=1000,
        codes_per_minute=600,
        **ROOM,
    )
    inside = open_inside(settings)
    with contextlib.ExitStack() as closing:
        closing.callback(inside.runtime.close)
        closing.callback(inside.http.close)
        kinds = {number: CONTACT_2_0 if number in older else CONTACT_3_0 for number in range(1, PEOPLE + 1)}
        cards = {number: inside.make_card(number, kind) for number, kind in kinds.items()}
        phones = {number: inside.enroll(card=cards[number]) for number in (HOLDER, OTHER, LOSER, NEWCOMER, *older)}
        till = inside.add_till()
        ministry = folder / "ministry.pem"
        ministry.write_text(write_pem("CERTIFICATE", inside.runtime.channels.authorities()[-1].der))
        place = choose_bank_place(folder, issuer, (free_port(), free_port()))
        inside.clock.now = system_clock()
        people = [make_person(number).holder_data() for number in range(1, PEOPLE + 1)]
        customers = dict(enumerate(settle_bank(inside.runtime, ministry, place, people, up_to), 1))
        processes = closing.enter_context(run_processes(settings, folder / "serve.log"))
        http = closing.enter_context(httpx.Client(base_url=processes.address, timeout=30, trust_env=False))
        for caller in (*phones.values(), till):
            caller.http, caller.now = http, system_clock
        variables = {name: str(value) for name, value in variables_of(settings, city).items()}
        worker = [sys.executable, "-m", "cli", "worker", "--pause", "0.1"]
        closing.enter_context(running(worker, folder / "worker.log", variables))
        town = PartnerTown(inside, issuer, till, phones, place, customers, folder, closing=closing)
        town.service, town.ministry, town.back_port = processes.address, ministry, back_port or place.ports()[1]
        on_ready(town)
        town.start_bank()
        yield town


def variables_of(settings: Settings, city: City) -> dict[str, Any]:
    return {
        "ECARD_HOME": settings.home,
        "ECARD_DATABASE_URL": settings.database_url.get_secret_value(),
        "ECARD_KEYSTORE_SECRET": city.secret,
        "ECARD_ISSUER": settings.issuer,
        "ECARD_REGION": REGION,
    }
