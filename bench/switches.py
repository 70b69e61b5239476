"""What the sandbox's switches cost a live channel: the same signed requests, once without them in the way."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask

from bench.profiles import environ_of
from bench.report import Report, wide
from bench.rounds import ratio, take_turns
from bench.seed import Seeded
from bench.stand import Stand
from web import sandbox_faults
from web.app import create_app
from web.logs import configure_logs

_ROUNDS = 7
_WITH, _WITHOUT = "live channel, switches in the way", "live channel, without them"


def measure_switches(report: Report, stand: Stand, seeded: Seeded, make: Callable[[], list[bytes]]) -> None:
    """Call two applications in this process in turn, one of which has no switches at all."""
    with (stand.folder / "switches.log").open("w") as log:
        configure_logs(as_json=True, stream=log)
        costs = take_turns(
            {
                _WITH: partial(_cost, create_app(seeded.runtime), make),
                _WITHOUT: partial(_cost, _without_switches(create_app(seeded.runtime)), make),
            },
            _ROUNDS,
        )
        configure_logs(as_json=True)
    report.costs(costs, "a signed request without the server")
    report.note(f"- {_WITH}: {wide(ratio(costs, _WITH, _WITHOUT), '×')} of one without them")


def _without_switches(app: Flask) -> Flask:
    hooks = app.after_request_funcs[None]
    kept = [hook for hook in hooks if hook.__module__ != sandbox_faults.__name__]
    if len(kept) != len(hooks) - 1:
        raise RuntimeError("the switches are not where they were")
    app.after_request_funcs[None] = kept
    return app


def _cost(app: Flask, make: Callable[[], list[bytes]]) -> float:
    environs = [environ_of(request) for request in make()]
    start = time.process_time()
    for environ in environs:
        b"".join(app(environ, _require_fine))
    return 1e6 * (time.process_time() - start) / len(environs)


def _require_fine(status: str, _headers: Any) -> None:
    if not status.startswith("200"):
        raise RuntimeError(status)
