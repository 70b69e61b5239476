"""Partner channels: what a proven request of one costs in empty routes, and how fast news leaves the outbox."""

import json
import os
import time
from collections.abc import Callable
from functools import partial

import sqlalchemy as sa

from bench.channels_seed import SeededChannel, happen, sow_channel
from bench.processes import cpu_seconds
from bench.report import Report, wide
from bench.rounds import ratio, take_turns
from bench.seed import Seeded, sow
from bench.services import run_ours
from bench.stand import Service, Stand, open_stand, run_service, send
from channels.endpoints import add_endpoint
from channels.models import news
from channels.webhooks import deliver_one
from web.worker import Worker

_ROUNDS = 5
_MANY, _EMPTY = 400, 1500
_CARDS = 25
_USES_OF_A_TOKEN = 5
"""A token lives for five minutes: one call of five pays for reading it."""
_EVENTS, _POSTED = 2000, 500
_EMPTY_ROUTE = "empty route (GET /livez)"
_SIGNED = "signed request verified end to end (GET /v1/channel, ESSC-SM2-SM3)"
_CODE = "code of a carriage by the holder's token (POST /v1/carriage/codes)"


def run(report: Report) -> None:
    """Measure the requests of a channel, the outbox, and deliveries."""
    report.heading("Partner channels")
    with open_stand() as stand:
        seeded = sow(stand)
        phones = seeded.phones[:_CARDS]
        first, _second = (sow_channel(seeded, number, phones) for number in (1, 2))
        with run_ours(stand, seeded) as ours:
            _measure_requests(report, ours, first)
        _tell_all(seeded)
        _measure_outbox(report, seeded)
        _measure_deliveries(report, stand, seeded, first)
        _require_told(seeded)
        seeded.runtime.close()


def _measure_requests(report: Report, ours: Service, channel: SeededChannel) -> None:
    contestants = {
        _SIGNED: partial(_cost, ours, partial(_signed_requests, channel), 200),
        _CODE: partial(_cost, ours, partial(_code_requests, channel), 201),
        _EMPTY_ROUTE: partial(_cost, ours, _empty_requests, 200),
    }
    costs = take_turns(contestants, _ROUNDS)
    report.costs(costs, "a request of a channel")
    for name in (_SIGNED, _CODE):
        report.note(f"- {name}: {wide(ratio(costs, name, _EMPTY_ROUTE))} empty routes")


def _cost(service: Service, make: Callable[[], list[bytes]], status: int) -> float:
    return send(service, make(), status=status).service


def _signed_requests(channel: SeededChannel) -> list[bytes]:
    path = "/v1/channel"
    return [_request("GET", path, {"Authorization": channel.sign("GET", path)}) for _ in range(_MANY)]


def _code_requests(channel: SeededChannel) -> list[bytes]:
    path, body = "/v1/carriage/codes", json.dumps({"class": "merchant", "kind": "signed"}).encode()
    requests = []
    for token in channel.tokens(_MANY // _USES_OF_A_TOKEN):
        for _ in range(_USES_OF_A_TOKEN):
            headers = {"Authorization": f"DPoP {token}", "DPoP": channel.prove("POST", path, token)}
            requests.append(_request("POST", path, headers, body))
    return requests


def _empty_requests() -> list[bytes]:
    return [_request("GET", "/livez", {})] * _EMPTY


def _request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    more = {"Content-Type": "application/json", "Content-Length": str(len(body))} if body else {}
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1:8460"]
    lines += [f"{name}: {text}" for name, text in (headers | more).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _measure_outbox(report: Report, seeded: Seeded) -> None:
    happen(seeded, seeded.phones[:_CARDS], _EVENTS)
    cpu, wall = _each_second(_EVENTS, partial(_tell_all, seeded))
    report.note(
        f"- outbox: {cpu:,.0f} rows a second of CPU time, PostgreSQL's included ({wall:,.0f} by the clock), "
        "one teller; each row becomes a notice and news of two channels"
    )


def _measure_deliveries(report: Report, stand: Stand, seeded: Seeded, channel: SeededChannel) -> None:
    with run_service(stand, "receiver", ["bench.receiver", "{port}"], {}) as receiver:
        with seeded.runtime.ground.database.transaction() as connection:
            url = f"http://127.0.0.1:{receiver.port}/news"
            add_endpoint(seeded.runtime.ground, connection, channel.id, url)
        happen(seeded, seeded.phones[:_CARDS], _POSTED)
        _tell_all(seeded)
        cpu, wall = _each_second(_POSTED, partial(_deliver_all, seeded))
    report.note(
        f"- news delivered to a receiver on loopback, one thread: {cpu:,.0f} a second of CPU time, PostgreSQL's and "
        f"the receiver's included ({wall:,.0f} by the clock)"
    )


def _tell_all(seeded: Seeded) -> None:
    worker = Worker(seeded.runtime)
    while worker.tell():
        pass


def _deliver_all(seeded: Seeded) -> None:
    delivered = 0
    while deliver_one(seeded.runtime.news):
        delivered += 1
    if delivered != _POSTED:
        raise RuntimeError(f"{_POSTED} pieces of news were to be delivered, not {delivered}")


def _require_told(seeded: Seeded) -> None:
    """Make sure that what was measured was done: each event is news of both channels."""
    told = sa.select(sa.func.count()).select_from(news).where(news.c.kind == "card.loss_reported")
    with seeded.runtime.ground.database.transaction() as connection:
        found = connection.execute(told).scalar_one()
    if found != 2 * (_EVENTS + _POSTED):
        raise RuntimeError(f"{_EVENTS + _POSTED} events became {found} pieces of news")


def _each_second(count: int, work: Callable[[], None]) -> tuple[float, float]:
    """Tell how many a second of CPU time and by the clock; PostgreSQL and the receiver are children of this process."""
    cpu, wall = cpu_seconds(os.getpid()), time.monotonic()
    work()
    return count / (cpu_seconds(os.getpid()) - cpu), count / (time.monotonic() - wall)
