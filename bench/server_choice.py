"""granian against gunicorn: a bare application, our cheapest route, and our route for codes."""

from contextlib import ExitStack
from functools import partial

from bench import callers
from bench.report import Report, wide
from bench.rounds import ratio, spread, take_turns
from bench.routes import Contestant
from bench.seed import Seeded, sow
from bench.services import GRANIAN, GUNICORN, run_ours
from bench.stand import Service, Stand, open_stand, run_service, send

_ROUNDS = 3
_BARE, _LIVE, _CODES = 6000, 1500, 400
_GRANIAN, _GTHREAD, _SYNC = "granian, 2 threads", "gunicorn gthread, 2 threads", "gunicorn sync"
_GUNICORN_WORKERS = {_GTHREAD: ["--worker-class", "gthread", "--threads", "2"], _SYNC: ["--worker-class", "sync"]}


def run(report: Report) -> None:
    """Measure the three servers, and granian with more or fewer threads on the route for codes."""
    report.heading("Servers, one worker")
    with open_stand() as stand:
        seeded = sow(stand)
        with ExitStack() as stack:
            bare = {name: stack.enter_context(service) for name, service in _bare_services(stand).items()}
            whole = {name: stack.enter_context(service) for name, service in _services(stand, seeded).items()}
            _measure(report, seeded, bare, whole)
        _measure_threads(report, stand, seeded)
        seeded.runtime.close()


def _bare_services(stand: Stand):
    services = {_GRANIAN: run_service(stand, _GRANIAN, [*GRANIAN, "--blocking-threads", "2", "bench.bare:app"], {})}
    for name, options in _GUNICORN_WORKERS.items():
        services[name] = run_service(stand, name, [*GUNICORN, *options, "bench.bare:app"], {})
    return services


def _services(stand: Stand, seeded: Seeded):
    services = {_GRANIAN: run_ours(stand, seeded, name=_GRANIAN)}
    for name, options in _GUNICORN_WORKERS.items():
        services[name] = run_service(stand, name, [*GUNICORN, *options, "wsgi:app"], seeded.environment)
    return services


def _measure(report: Report, seeded: Seeded, bare: dict[str, Service], whole: dict[str, Service]) -> None:
    proven = partial(callers.code_requests, seeded)
    on_bare = take_turns({name: _getting(service, _BARE) for name, service in bare.items()}, _ROUNDS)
    on_live = take_turns({name: _getting(service, _LIVE) for name, service in whole.items()}, _ROUNDS)
    on_code = take_turns({name: Contestant(service, proven, _CODES) for name, service in whole.items()}, _ROUNDS)
    columns = (on_bare, on_live, on_code)
    rows = [(name, *(wide(spread(costs[name])) for costs in columns)) for name in bare]
    report.table(("CPU µs a request", "bare application", "GET /livez", "POST …/codes"), rows)
    for name in (_GTHREAD, _SYNC):
        found = [wide(ratio(costs, name, _GRANIAN), "×") for costs in columns]
        report.note(f"- {name} costs, compared with granian: bare {found[0]}, livez {found[1]}, codes {found[2]}")


def _measure_threads(report: Report, stand: Stand, seeded: Seeded) -> None:
    proven = partial(callers.code_requests, seeded)
    with ExitStack() as stack:
        services = {
            f"{threads} threads": stack.enter_context(
                run_ours(stand, seeded, name=f"{threads} threads", threads=threads)
            )
            for threads in (1, 2, 4, 8)
        }
        costs = take_turns(
            {name: Contestant(service, proven, _CODES, connections=16) for name, service in services.items()}, 3
        )
    report.note()
    report.costs(costs, "granian, POST …/codes, 16 connections")


def _getting(service: Service, count: int):
    request = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8460\r\n\r\n"
    return lambda: send(service, [request] * count, status=200).service
