"""`ecard worker` is killed with signal 9 again and again, and every event is told once and delivered at least once."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from auth.devices import bind_device
from channels.claims import MOST_AT_ONCE
from channels.models import news_deliveries, notices
from channels.news import list_news
from core.clock import system_clock
from core.outbox import outbox
from core.settings import Settings
from tests.channels.news_of_tests import CARDS, Receiver, deliver_all, happen, make_told_partner, serving, tell
from tests.persons import REGION
from tests.redemption.processes import ROOT, City, make_city, open_inside, variables
from tests.servers import free_port
from tests.service import ISSUER, Service

KILLS, THREADS, WITHIN = 3, 2, 60.0


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> City:
    return make_city(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def settings(keys: City, database_url: str) -> Settings:
    return Settings(
        home=keys.folder,
        keystore_secret=keys.secret,
        database_url=database_url,
        issuer=ISSUER,
        region=REGION,
        listen_port=free_port(),
        delivery_threads=THREADS,
    )


@pytest.fixture
def inside(settings: Settings) -> Iterator[Service]:
    service = open_inside(settings)
    yield service
    service.http.close()
    service.runtime.close()


@contextlib.contextmanager
def working(settings: Settings, folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run two workers; those that the test puts in their place are ended with them."""
    workers = [start_worker(settings, folder) for _ in range(2)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def start_worker(settings: Settings, folder: Path) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], **variables(settings)}
    command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "cli", "worker"]
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


@contextlib.contextmanager
def things_happening(service: Service) -> Iterator[list[str]]:
    """Let something happen all the time, to one card after the other."""
    events: list[str] = []
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.01):
            events.append(happen(service, "card.loss_reported", CARDS[len(events) % len(CARDS)], standing="suspended"))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield events
    finally:
        over.set()
        thread.join()


def wait_for_more(receiver: Receiver, than: int, log: Path) -> int:
    deadline = time.monotonic() + WITHIN
    while len(receiver.seen) < than + 5:
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.005)
    return len(receiver.seen)


def test_whatever_a_killed_worker_had_in_hand_is_told_once_and_delivered(inside, settings, tmp_path):
    partner = make_told_partner(inside)
    for card in CARDS:
        partner.link(card)
    with inside.database.transaction() as connection:
        bind_device(connection, card=CARDS[0], channel="c", thumbprint="t", public_jwk={}, at=inside.clock())
    with serving(Receiver(inside.runtime.news.keys().published(system_clock()))) as receiver:
        partner.add_endpoint(receiver.url)
        with things_happening(inside) as events, working(settings, tmp_path) as workers:
            seen = 0
            for number in range(KILLS):
                seen = wait_for_more(receiver, seen, tmp_path / "worker.log")
                workers[number % 2].kill()  # in the middle of things: something happens all the time
                workers[number % 2].wait()
                workers[number % 2] = start_worker(settings, tmp_path)
            wait_for_more(receiver, seen, tmp_path / "worker.log")
        finish(inside)
        receiver.settle()
    require_told_once(inside, partner.channel, events)
    require_noticed_once(inside)
    times = Counter(receiver.seen)
    assert set(times) == set(events)
    assert len(receiver.seen) - len(events) <= (KILLS + 2) * THREADS * MOST_AT_ONCE
    assert receiver.unsigned == 0


def finish(inside: Service) -> None:
    """Do what is left over when no worker lives, as if the claims of those that were killed had run out."""
    inside.clock.now = system_clock()
    with inside.database.transaction() as connection:
        connection.execute(news_deliveries.update().where(news_deliveries.c.state == "waiting").values(next_at=0))
    tell(inside)
    deliver_all(inside.runtime.news)


def require_told_once(inside: Service, channel: str, events: list[str]) -> None:
    with inside.database.transaction() as connection:
        told, page = [], list_news(connection, channel, after=0, limit=500)
        while page:
            told += page
            page = list_news(connection, channel, after=page[-1].position, limit=500)
        states = Counter(connection.execute(sa.select(news_deliveries.c.state)).scalars())
    assert [one.id for one in told] == events
    assert [one.position for one in told] == list(range(1, len(events) + 1))
    for card in {one.card for one in told}:
        sequences = [one.sequence for one in told if one.card == card]
        assert sequences == list(range(1, len(sequences) + 1))
    assert states == {"delivered": len(events)}


def require_noticed_once(inside: Service) -> None:
    with inside.database.transaction() as connection:
        noticed = connection.execute(sa.select(notices.c.event).order_by(notices.c.number)).scalars().all()
        happened = sa.select(outbox.c.id).where(outbox.c.card == CARDS[0]).order_by(outbox.c.number)
        assert noticed == connection.execute(happened).scalars().all()
