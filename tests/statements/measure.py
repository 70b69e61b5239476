"""`python -m tests.statements.measure [rows]`: what making a large day costs, and how long redemptions wait meanwhile.

The maker is a process of its own, as a worker is. Figures depend on the machine; docs/performance.md has some.
"""

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import click

from core.database import Database
from tests.servers import run_postgres
from tests.service import PROVIDER, Service, running_service
from tests.statements.channels import make_showing, shown_in
from tests.statements.records import enter
from web.runtime import wire
from web.worker import Worker

FORK = multiprocessing.get_context("fork")
PIECE = 50_000


def main(rows: int) -> None:
    with run_postgres() as server, tempfile.TemporaryDirectory() as home:
        urls = {"SQLite": f"sqlite:///{home}/ecard.sqlite3", "PostgreSQL": server.url(server.create_database())}
        for name, url in urls.items():
            with running_service(url, Path(home), codes_per_minute=600, phone_requests_per_minute=6000) as service:
                measure(name, service, rows)


def measure(name: str, service: Service, rows: int) -> None:
    app = make_showing(service)
    in_a_child(service, lambda child: enter_pieces(child, app, rows))
    phone, till = service.enroll(), service.add_till()
    alone = redeem_while(service, lambda: False, phone, till, least=60)
    receiving, sending = FORK.Pipe(duplex=False)
    maker = FORK.Process(target=make, args=(service, sending))
    maker.start()
    sending.close()  # or nobody would hear of it that the maker has died
    beside = redeem_while(service, maker.is_alive, phone, till)
    seconds, before, peak = receiving.recv()
    maker.join()
    click.echo(f"{name}: {rows} rows in {seconds:.1f} s; memory {before} kB before, {peak} kB at most")
    for when, waits in (("alone", alone), ("beside", beside)):
        click.echo(f"  redemptions {when}: {len(waits)}, middle {median(waits):.0f} ms, longest {max(waits):.0f} ms")


def enter_pieces(service: Service, app: Any, rows: int) -> None:
    every = shown_in(app, rows)
    for first in range(0, rows, PIECE):
        enter(service, every[first : first + PIECE])


def make(service: Service, sending: Connection) -> None:
    """Make all that is due, in a process of its own."""
    worker = Worker(opened_anew(service).runtime)
    before, begun = memory("VmRSS"), time.perf_counter()
    while worker.make_statement():
        pass
    sending.send((time.perf_counter() - begun, before, memory("VmHWM")))


def in_a_child(service: Service, act: Callable[[Service], None]) -> None:
    """Let somebody else hold what this takes in memory."""
    child = FORK.Process(target=lambda: act(opened_anew(service)))
    child.start()
    child.join()
    assert child.exitcode == 0


def opened_anew(service: Service) -> Service:
    """Open the same service with connections of this process."""
    ground = service.runtime.ground
    runtime = wire(ground.settings, service.runtime.store, PROVIDER, clock=service.clock)
    assert isinstance(runtime.ground.database, Database)
    return Service(runtime, service.app, service.clock, service.http, service.institution)


def redeem_while(service: Service, goes_on: Callable[[], bool], phone: Any, till: Any, least: int = 0) -> list[float]:
    """Redeem codes one after the other and tell how many milliseconds each took."""
    waits: list[float] = []
    while goes_on() or len(waits) < least:
        service.clock.step(0.15)  # limits count by the minute
        code = phone.code("merchant").json()["code"]
        begun = time.perf_counter()
        answer = till.redeem(code, "merchant")
        waits.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 201, (len(waits), code, answer.text)
    return waits


def memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
