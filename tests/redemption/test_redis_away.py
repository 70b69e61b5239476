"""Redis is disposable (trust.md, figure 4): emptied, stopped or killed under load it causes no wrong answer."""

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import redis

from cli.phone import Phone
from qr.errors import CannotTell, CodeUnknown
from tests.redemption.counter import require_verdict
from tests.redemption.processes import Town, at_once
from tests.servers import RedisServer, becomes_ready, end, find_program, run_redis, start
from tests.service import Service, running_service

SECONDS_BETWEEN = 0.6
RETRIED_AFTER = 1.1  # a worker leaves a store alone for a second after it failed
WITHOUT_REDIS = {"accepted", "already_used", "unknown", "cannot_tell", "too_many_requests"}
on_processes = pytest.mark.parametrize("town", ["postgresql+redis"], indirect=True)


# ── What happens to Redis ────────────────────────────────────────────────────────────────────────────────────────


def pid_of(server: RedisServer) -> int:
    with redis.Redis.from_url(server.url) as client:
        return int(client.info("server")["process_id"])


def flush(town: Town) -> None:
    town.redis.flush()


def kill(town: Town) -> None:
    os.kill(pid_of(town.redis), signal.SIGKILL)


def revive(town: Town) -> None:
    """Start Redis anew, empty, where the service looks for it, unless it runs."""
    try:
        town.redis.flush()
    except redis.ConnectionError:
        process = start([find_program("redis-server"), town.redis.folder / "redis.conf"], town.redis.log)
        assert becomes_ready(process, town.redis.flush, redis.ConnectionError)
        town.closing.callback(end, process)


def hang(town: Town) -> None:
    """Let Redis hang for longer than any time-out of the service."""
    with stopped(town.redis):
        threading.Event().wait(1.5)


@contextlib.contextmanager
def stopped(server: RedisServer) -> Iterator[None]:
    process = pid_of(server)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


# ── Under load ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def redis_is_back_afterwards(town: Town) -> Iterator[None]:
    yield
    revive(town)


@on_processes
@pytest.mark.usefixtures("redis_is_back_afterwards")
def test_whatever_happens_to_redis_signed_codes_are_taken_once(town: Town) -> None:
    answers = load_while(town, "signed", [flush, hang, kill, revive, flush])
    assert answers.shown == {201: answers.codes}
    assert answers.taken == {("accepted", "already_used"): answers.codes}
    town.books().require_whole()


@on_processes
@pytest.mark.usefixtures("redis_is_back_afterwards")
def test_whatever_happens_to_redis_counter_codes_are_never_taken_twice(town: Town) -> None:
    answers = load_while(town, "counter", [flush, kill, revive, hang])
    assert answers.shown == {201: answers.codes}
    assert answers.taken["accepted", "already_used"] > 0
    # a code that Redis took along is unknown, or nobody can tell as long as Redis does not answer
    assert all(set(told) <= WITHOUT_REDIS and told.count("accepted") <= 1 for told in answers.taken), answers.taken
    town.books().require_whole()


@dataclass
class Answers:
    """What the phones and, for each code, two tills were told."""

    shown: Counter[int] = field(default_factory=Counter)
    taken: Counter[tuple[str, ...]] = field(default_factory=Counter)

    @property
    def codes(self) -> int:
        return sum(self.taken.values())


def load_while(town: Town, kind: str, acts: list[Callable[[Town], None]]) -> Answers:
    """Show codes and have two tills take each of them at once, until all of this has happened to Redis."""
    over, answers = threading.Event(), Answers()

    def show_and_take(phone: Phone) -> None:
        while not over.is_set():
            shown = phone.code("merchant", kind)
            answers.shown[shown.status_code] += 1
            code = shown.json()["code"]
            told = at_once(town.tills[:2], lambda till, code=code: till.redeem(code, "merchant"))
            answers.taken[tuple(sorted(map(verdict, told)))] += 1

    with ThreadPoolExecutor() as threads:
        loads = [threads.submit(show_and_take, phone) for phone in town.phones]
        try:
            for act in acts:
                over.wait(SECONDS_BETWEEN)
                act(town)
            over.wait(SECONDS_BETWEEN)
        finally:
            over.set()
    for load in loads:
        load.result()
    return answers


def verdict(answer: httpx.Response) -> str:
    told: str = answer.json().get("result") or answer.json()["code"]
    return told


# ── One code, one moment ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Fragile:
    """A service in this process with a Redis that nobody else needs."""

    service: Service
    redis: RedisServer


@pytest.fixture
def fragile(sqlite_url: str, tmp_path: Path) -> Iterator[Fragile]:
    with run_redis() as server, running_service(sqlite_url, tmp_path, redis_url=server.url) as service:
        yield Fragile(service, server)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_counter_code_that_redis_keeps_is_not_judged_while_redis_is_away(fragile: Fragile, language: str) -> None:
    phone, till = fragile.service.enroll(), fragile.service.add_till()
    code = phone.code("medical", "counter").json()["code"]
    body, headers = {"code": code, "purpose": "medical"}, {"Idempotency-Key": "till-000001"}
    headers["Accept-Language"] = {"zh": "zh-CN", "en": "en"}[language]
    with stopped(fragile.redis):
        answer = till.send("POST", "/v1/redemptions", body, headers)
        require_verdict(answer, CannotTell, language)
        assert answer.headers["Retry-After"] == "2"
    threading.Event().wait(RETRIED_AFTER)
    assert till.send("POST", "/v1/redemptions", body, headers).status_code == 201


def test_a_counter_code_that_redis_forgot_is_unknown(fragile: Fragile) -> None:
    phone, till = fragile.service.enroll(), fragile.service.add_till()
    code = phone.code("medical", "counter").json()["code"]
    fragile.redis.flush()
    require_verdict(till.redeem(code, "medical"), CodeUnknown)


def test_a_used_counter_code_stays_used_whatever_redis_forgets(fragile: Fragile) -> None:
    phone, till = fragile.service.enroll(), fragile.service.add_till()
    code = phone.code("medical", "counter").json()["code"]
    first = till.redeem(code, "medical", key="till-000001")
    fragile.redis.flush()
    assert till.redeem(code, "medical", key="till-000001").content == first.content
    require_verdict(till.redeem(code, "medical"), CodeUnknown)


def test_guesses_are_counted_also_while_redis_is_away(fragile: Fragile) -> None:
    phone, till = fragile.service.enroll(), fragile.service.add_till()
    codes = [phone.code("medical", "counter").json()["code"] for _ in range(2)]
    with stopped(fragile.redis):
        told = [verdict(till.redeem(codes[0], "medical")) for _ in range(21)]
    assert told == ["cannot_tell"] * 20 + ["too_many_requests"]


def test_codes_are_shown_and_taken_without_redis(fragile: Fragile) -> None:
    phone, till = fragile.service.enroll(), fragile.service.add_till()
    with stopped(fragile.redis):
        for kind in ("signed", "counter"):
            code = phone.code("medical", kind).json()["code"]
            assert verdict(till.redeem(code, "medical")) == "accepted"
            assert verdict(till.redeem(code, "medical")) == "already_used"
