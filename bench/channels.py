"""Partner channels: what a proven request of one costs in empty routes, and how fast news leaves the outbox."""

import json
from collections.abc import Callable
from functools import partial

from bench.channels_seed import SeededChannel, sow_channel
from bench.outbox import measure_deliveries, measure_outbox
from bench.report import Report, wide
from bench.rounds import ratio, take_turns
from bench.seed import sow
from bench.services import run_ours
from bench.stand import Service, open_stand, send
from bench.switches import measure_switches

_ROUNDS = 5
_MANY, _EMPTY = 400, 1500
_CARDS = 25
_USES_OF_A_TOKEN = 5
"""A token lives for five minutes: one call of five pays for reading it."""
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
        measure_switches(report, stand, seeded, partial(_signed_requests, first))
        measure_outbox(report, seeded, phones)
        measure_deliveries(report, stand, seeded, first, phones)
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
