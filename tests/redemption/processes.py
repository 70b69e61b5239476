"""The service as it runs in production: `ecard serve` with worker processes, around a city that this process seeds."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import httpx
import sqlalchemy as sa

from cli.phone import Phone
from cli.till import Till
from core.audit import audit_entries
from core.clock import SteppingClock, system_clock
from core.outbox import outbox
from core.settings import Settings
from ecard.cards import ElectronicCard, get_card
from physical.soft_hsm import create_root_keys
from qr.code_class import CodeClass
from qr.models import redemptions
from qr.signed_code import mint_signed_code
from sm.certificates.hierarchy import development_subjects
from sm.city_keys import create_city_keys
from sm.keystore import FileKeyStore, create_file_store
from tests.persons import REGION
from tests.servers import RedisServer, becomes_ready, end, free_port, tail
from tests.service import ISSUER, PROVIDER, Service
from web.app import create_app
from web.runtime import open_store, wire
from web.schema import migrate

ROOT = Path(__file__).parents[2]
ANSWERS_WITHIN = 60.0  # seconds
MANY = 64  # requests at once

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class City:
    """A city's keys on disk, made once for all tests of this process."""

    folder: Path
    secret: str


def make_city(folder: Path) -> City:
    """Make a development key store as `ecard keys init` does."""
    city = City(folder, secrets.token_urlsafe(24))
    store: FileKeyStore = create_file_store(folder / "keys", city.secret, "development")
    create_city_keys(store, PROVIDER, datetime.now(UTC), development_subjects(REGION))
    create_root_keys(store)
    return city


# ── The processes ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Processes:
    """A running `ecard serve`."""

    main: subprocess.Popen[bytes]
    address: str
    log: Path

    def workers(self) -> list[int]:
        """List the process numbers of the workers that live now."""
        children = Path(f"/proc/{self.main.pid}/task/{self.main.pid}/children").read_text().split()
        return [int(child) for child in children]

    def kill_worker(self) -> None:
        """Kill -9 the oldest worker, once there is one."""
        deadline = time.monotonic() + ANSWERS_WITHIN
        while not (workers := self.workers()):
            assert time.monotonic() < deadline, tail(self.log)
            time.sleep(0.02)
        os.kill(workers[0], signal.SIGKILL)


@contextlib.contextmanager
def run_processes(settings: Settings, log: Path) -> Iterator[Processes]:
    """Run the service with these settings on a free port until the block ends."""
    environment = {"PATH": os.environ["PATH"], **variables(settings)}
    address = f"http://127.0.0.1:{settings.listen_port}"
    with log.open("ab") as output:
        main = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", sys.executable, "-m", "cli", "serve"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        if not becomes_ready(main, lambda: _ask(address), httpx.TransportError):
            raise AssertionError(tail(log))
        yield Processes(main, address, log)
    finally:
        end(main)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(main.pid, signal.SIGKILL)  # workers that outlived a main process that was killed


def _ask(address: str) -> None:
    httpx.get(f"{address}/livez", timeout=5, trust_env=False).raise_for_status()


def variables(settings: Settings) -> dict[str, str]:
    chosen = {name: getattr(settings, name) for name in settings.model_fields_set}
    shown = {name: getattr(value, "get_secret_value", lambda value=value: value)() for name, value in chosen.items()}
    return {f"ECARD_{name.upper()}": str(value) for name, value in shown.items() if value is not None}


# ── The city around them ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Town:
    """The processes, what was seeded for them, and an in-process service on the same database and keys.

    ``inside`` acts where the operator would: it reads the tables and reports losses. Requests go to the processes.
    """

    processes: Processes
    inside: Service
    http: httpx.Client
    phones: list[Phone]
    tills: list[Till]
    redis: RedisServer | None = None
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def mint(self, card: ElectronicCard, use: str = "merchant", *, life_seconds: int = 300) -> str:
        """Mint a signed code without asking the service: it keeps nothing of those it mints."""
        return mint_signed_code(
            self.inside.runtime.codes.keys().minting,
            secrets.token_bytes,
            card_index=card.card_index,
            code_class=CodeClass[use.upper()],
            issued_at=datetime.now(UTC).replace(microsecond=0),
            life_seconds=life_seconds,
        )

    def card_of(self, phone: Phone) -> ElectronicCard:
        with self.inside.database.transaction() as connection:
            return get_card(connection, phone.card)

    def books(self) -> "Books":
        """Read what the database says was taken."""
        return read_books(self.inside)


@contextlib.contextmanager
def run_town(
    city: City, folder: Path, database_url: str, redis_server: RedisServer | None = None, **more: object
) -> Iterator[Town]:
    """Seed an empty database with four tills of two institutions and two phones, then run two workers on it."""
    settings = Settings(
        home=city.folder,
        keystore_secret=city.secret,
        database_url=database_url,
        redis_url=redis_server.url if redis_server else None,
        issuer=ISSUER,
        region=REGION,
        listen_port=free_port(),
        workers=2,
        threads=4,
        code_life_seconds=300,
        token_seconds=600,
        phone_requests_per_minute=6000,
        codes_per_minute=600,
        **more,
    )
    inside = open_inside(settings)
    try:
        phones = [inside.enroll(card=inside.make_card(number)) for number in (1, 2)]
        institutions = [inside.add_institution() for _ in range(2)]
        tills = [inside.add_till(institution) for institution in institutions * 2]
        with run_processes(settings, folder / "serve.log") as processes, open_http(processes.address) as http:
            for caller in (*phones, *tills):
                caller.http, caller.now = http, system_clock
            with contextlib.ExitStack() as closing:
                yield Town(processes, inside, http, phones, tills, redis_server, closing)
    finally:
        inside.http.close()
        inside.runtime.close()


def open_inside(settings: Settings) -> Service:
    """Wire the service in this process too, on the same database and keys, and give it one institution."""
    clock = SteppingClock(datetime.now(UTC))  # an enrollment in one process waits by stepping
    runtime = wire(settings, open_store(settings), PROVIDER, clock=clock)
    migrate(runtime.ground.database)
    app = create_app(runtime)
    http = httpx.Client(transport=httpx.WSGITransport(app=app), base_url=settings.issuer)
    inside = Service(runtime, app, clock, http)
    inside.institution = inside.add_institution()
    return inside


def open_http(address: str) -> httpx.Client:
    """Open a client with a connection for each of many threads."""
    limits = httpx.Limits(max_connections=2 * MANY, max_keepalive_connections=MANY)
    return httpx.Client(base_url=address, timeout=ANSWERS_WITHIN, limits=limits, trust_env=False)


# ── Load ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def at_once(items: list[Item], act: Callable[[Item], Result]) -> list[Result]:
    """Call ``act`` with each item in a thread of its own, all from the same moment on."""
    barrier = threading.Barrier(len(items))

    def acted(item: Item) -> Result:
        barrier.wait(ANSWERS_WITHIN)
        return act(item)

    with ThreadPoolExecutor(len(items)) as threads:
        return list(threads.map(acted, items))


def redeem_stubbornly(till: Till, code: str, key: str) -> httpx.Response:
    """Redeem as a till does: on a lost answer, or one that is no verdict, ask again with the same key."""
    deadline = time.monotonic() + ANSWERS_WITHIN
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            answer = till.redeem(code, "merchant", key=key)
            if answer.json().get("code") != "cannot_tell":
                return answer
        time.sleep(0.05)
    raise AssertionError("no answer")


# ── The books ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Books:
    """What the database says: ids of redemptions, of those in events and of those in audit entries, sorted."""

    redeemed: list[str]
    told: list[str]
    audited: list[str]
    handles: int

    def require_whole(self) -> None:
        """Each redemption has one event and one audit entry, each handle one redemption."""
        assert self.redeemed == self.told == self.audited
        assert self.handles == len(self.redeemed)


def read_books(service: Service) -> Books:
    """Read what was taken, told and written down."""
    with service.database.transaction() as connection:
        rows = connection.execute(sa.select(redemptions.c.id, redemptions.c.handle)).all()
        told = sa.select(outbox.c.content).where(outbox.c.kind == "code.redeemed")
        audited = sa.select(audit_entries.c.detail).where(audit_entries.c.act.like("code.redeemed%"))
        return Books(
            redeemed=sorted(row.id for row in rows),
            told=sorted(content["redemption"] for content in connection.execute(told).scalars()),
            audited=sorted(_redemption_in(detail) for detail in connection.execute(audited).scalars()),
            handles=len({row.handle for row in rows}),
        )


def _redemption_in(detail: str) -> str:
    return f"red_{detail.partition('red_')[2][:26]}"
