"""The two hot routes, ours against the naive service and against FastAPI, in one run on the same stores."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import sqlalchemy as sa

from bench import callers
from bench.processes import resident_megabytes
from bench.report import Report, wide
from bench.rounds import Costs, ratio, spread, take_turns
from bench.seed import Seeded, sow
from bench.services import run_fastapi, run_naive, run_ours
from bench.stand import Service, open_stand, send
from qr.models import redemptions

_ROUNDS = 5
_MANY, _FEW = 600, 50
"""Requests a round: at least half a CPU second each."""
_MEMORY_GOAL = 120  # megabytes
_BEARER, _SIGNED = "naive, terminal by bearer token", "naive, terminal by signed request"


@dataclass
class Contestant:
    """A service under one kind of request; each turn makes new requests, and only sending them counts."""

    service: Service
    make: Callable[[int], list[bytes]]
    count: int
    connections: int = 4
    stores: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Take a turn: CPU microseconds of the service for each request."""
        sent = send(self.service, self.make(self.count), status=201, connections=self.connections)
        self.stores.append(sent.stores)
        return sent.service


def run(report: Report) -> None:
    """Measure codes, redemptions and the memory of a worker after both."""
    with open_stand() as stand:
        seeded = sow(stand)
        with (
            run_ours(stand, seeded) as ours,
            run_fastapi(stand, seeded) as fastapi,
            run_naive(stand, seeded) as naive,
        ):
            _measure_codes(report, seeded, ours, fastapi, naive)
            _measure_redemptions(report, seeded, ours, fastapi, naive)
            _measure_memory(report, ours, fastapi, naive)
        _require_recorded(seeded)
        seeded.runtime.close()


def _measure_codes(report: Report, seeded: Seeded, ours: Service, fastapi: Service, naive: Service) -> None:
    report.heading("POST /v1/cards/{id}/codes: a signed code as digits")
    proven = partial(callers.code_requests, seeded)
    contestants = {
        "ours": Contestant(ours, proven, _MANY),
        "FastAPI": Contestant(fastapi, proven, _MANY),
        "naive": Contestant(naive, partial(callers.naive_code_requests, seeded), _FEW),
    }
    costs = take_turns(contestants, _ROUNDS)
    _show(report, costs, contestants)
    report.at_least("code against naive", ratio(costs, "naive", "ours"), 12)
    report.at_least("code against FastAPI", ratio(costs, "FastAPI", "ours"), 1)


def _measure_redemptions(report: Report, seeded: Seeded, ours: Service, fastapi: Service, naive: Service) -> None:
    report.heading("POST /v1/redemptions: a signed code taken once, durably")
    signed = partial(callers.redemption_requests, seeded)
    naive_requests = partial(callers.naive_redemption_requests, seeded)
    contestants = {
        "ours": Contestant(ours, signed, _MANY),
        "FastAPI": Contestant(fastapi, signed, _MANY),
        _BEARER: Contestant(naive, partial(naive_requests, signed=False), _FEW),
        _SIGNED: Contestant(naive, partial(naive_requests, signed=True), _FEW),
    }
    costs = take_turns(contestants, _ROUNDS)
    _show(report, costs, contestants)
    report.at_least("redemption against naive", ratio(costs, _BEARER, "ours"), 10)
    report.at_least("redemption against FastAPI", ratio(costs, "FastAPI", "ours"), 1)
    same = wide(ratio(costs, _SIGNED, "ours"), "×")
    report.note(f"- redemption against naive, its requests signed like ours: {same}")


def _measure_memory(report: Report, *services: Service) -> None:
    report.heading("Resident memory of one worker after that load")
    sizes = {service.name: resident_megabytes(service.process.pid) for service in services}
    report.table(("service", "MB"), [(name, f"{size:.0f}") for name, size in sizes.items()])
    report.at_most("memory of a worker", sizes["ours"], _MEMORY_GOAL, "MB")


def _show(report: Report, costs: Costs, contestants: dict[str, Contestant]) -> None:
    rows = [
        (
            name,
            wide(spread(values)),
            f"{1e6 / spread(values).middle:,.0f}",
            f"{spread(contestants[name].stores).middle:,.0f}",
        )
        for name, values in costs.items()
    ]
    head = ("service", "CPU µs a request", "requests a CPU second", "beside it, CPU µs of PostgreSQL and Redis")
    report.table(head, rows)


def _require_recorded(seeded: Seeded) -> None:
    """Make sure that what was measured was durable: each acceptance left its row."""
    with seeded.runtime.ground.database.transaction() as connection:
        found = connection.execute(sa.select(sa.func.count()).select_from(redemptions)).scalar_one()
    expected = 2 * _MANY * (_ROUNDS + 1)
    if found != expected:
        raise RuntimeError(f"{expected} redemptions were answered, {found} are recorded")
