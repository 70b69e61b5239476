"""Channels before worker processes as in production: no restart, no gap at rotation, no second for a stolen key."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from core.clock import system_clock
from tests.channels.partners import PartnerApp, change, make_partner, move
from tests.redemption.processes import City, Town, make_city, run_town
from tests.servers import PostgresServer, run_redis
from tests.service import Service

PATH = "/v1/channel"
GROUNDS = ("sqlite", "postgresql+redis")
WITHIN = 1.0  # seconds


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> City:
    return make_city(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in GROUNDS])
def town(request: pytest.FixtureRequest, keys: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Two worker processes on each database, one with a Redis."""
    folder = tmp_path_factory.mktemp("town")
    with contextlib.ExitStack() as stack:
        redis_server = stack.enter_context(run_redis()) if "redis" in request.param else None
        url = f"sqlite:///{folder / 'ecard.sqlite3'}"
        if "postgresql" in request.param:
            server: PostgresServer = request.getfixturevalue("postgres_server")
            name = server.create_database()
            stack.callback(server.drop_database, name)
            url = server.url(name)
        yield stack.enter_context(run_town(keys, folder, url, redis_server))


def outside(town: Town, partner: PartnerApp) -> PartnerApp:
    """Let a partner call the processes, by the clock on the wall; the register is still written from inside."""
    service: Service = replace(town.inside, http=town.http, clock=system_clock)
    return replace(partner, service=service)


def fresh(town: Town, **application: object) -> PartnerApp:
    town.inside.clock.now = system_clock()
    return make_partner(town.inside, requests_per_minute=60_000, **application)


def test_a_channel_that_was_just_entered_calls_running_workers(town):
    partner = outside(town, fresh(town))
    assert [partner.send("GET", PATH).status_code for _ in range(4)] == [200] * 4


def last_accepted(partner: PartnerApp, stop) -> tuple[float, Counter]:
    """Call from several threads all the while; tell how long after ``stop`` a request was still begun and accepted."""
    seen: Counter = Counter()
    accepted, stopped, over = [], [0.0], threading.Event()

    def call(_number: int) -> None:
        while not over.is_set():
            begun = time.monotonic()
            status = partner.send("GET", PATH).status_code
            seen[status] += 1
            if status == 200 and stopped[0]:
                accepted.append(begun)

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call, number) for number in range(4)]
        while not seen[200]:
            time.sleep(0.01)
        stop()
        stopped[0] = time.monotonic()
        time.sleep(2 * WITHIN)
        over.set()
        for one in calls:
            one.result()
    return max((begun - stopped[0] for begun in accepted), default=0.0), seen


@pytest.mark.parametrize("end", ["withdrawn", "suspended"])
def test_a_stopped_channel_is_refused_in_every_worker_within_a_second(town, end):
    inside = fresh(town)

    def stop() -> None:
        if end == "withdrawn":
            change(town.inside, inside.channel, "withdrawal", {"serial": inside.serial, "reason": "stolen"})
        else:
            move(town.inside, inside.channel, "suspended")

    # a connection for each request: the kernel deals them out to all worker processes
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=town.processes.address, timeout=60, limits=limits, trust_env=False) as http:
        partner = outside(town, inside)
        latest, seen = last_accepted(replace(partner, service=replace(partner.service, http=http)), stop)
    assert len(town.processes.workers()) >= 2
    assert latest < WITHIN, seen
    assert set(seen) == {200, 401}


def test_a_rotation_under_load_refuses_nothing(town):
    """Five times: a new certificate beside the old one, everybody changes over, the old one is withdrawn."""
    current = [fresh(town)]
    seen: Counter = Counter()
    over, lock = threading.Event(), threading.Lock()

    def call(_number: int) -> None:
        while not over.is_set():
            with lock:
                partner = current[0]
                in_flight[partner.serial] += 1
            seen[outside(town, partner).send("GET", PATH).status_code] += 1
            with lock:
                in_flight[partner.serial] -= 1

    in_flight: Counter = Counter()
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call, number) for number in range(4)]
        for _ in range(5):
            old, new = current[0], current[0].with_new_key()
            before = sum(seen.values())
            with lock:
                current[0] = new
            while in_flight[old.serial] or sum(seen.values()) < before + 20:
                time.sleep(0.005)
            change(town.inside, old.channel, "withdrawal", {"serial": old.serial, "reason": "changed over"})
        over.set()
        for one in calls:
            one.result()
    assert set(seen) == {200}
    assert seen[200] >= 100


def test_a_limit_holds_for_all_workers_together(town):
    town.inside.clock.now = system_clock()
    partner = outside(town, make_partner(town.inside, requests_per_minute=10))
    seen = Counter(partner.send("GET", PATH).status_code for _ in range(30))
    assert seen == {200: 10, 429: 20}


def test_two_authorization_headers_are_no_signature(town):
    partner = outside(town, fresh(town))
    headers = [("Authorization", partner.sign("GET", PATH)) for _ in range(2)]
    answer = httpx.get(f"{town.processes.address}{PATH}", headers=headers, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_missing")
