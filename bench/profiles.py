"""Where the time of the two hot routes goes: our application called in this process, without a server, and sampled."""

import io
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from bench import callers
from bench.report import Report
from bench.sampling import Samples, sampled
from bench.seed import sow
from bench.stand import open_stand
from web.app import create_app
from web.logs import configure_logs

_REQUESTS = 2000
_SHOWN = 24
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def run(report: Report) -> None:
    """Profile minting and redeeming."""
    with open_stand() as stand:
        seeded = sow(stand)
        with (stand.folder / "profiled.log").open("w") as log:
            configure_logs(as_json=True, stream=log)
            app = create_app(seeded.runtime)
            for name, make in (("codes", callers.code_requests), ("redemptions", callers.redemption_requests)):
                _call(app, [environ_of(request) for request in make(seeded, 200)])
                requests = [environ_of(request) for request in make(seeded, _REQUESTS)]
                start = time.process_time()
                with sampled() as samples:
                    _call(app, requests)
                _show(report, name, samples, 1e6 * (time.process_time() - start) / _REQUESTS)
        configure_logs(as_json=True)
        seeded.runtime.close()


def _call(app: Application, environs: list[dict[str, Any]]) -> None:
    for environ in environs:
        b"".join(app(environ, _require_created))


def _require_created(status: str, _headers: list[tuple[str, str]]) -> None:
    if not status.startswith("201"):
        raise RuntimeError(status)


def environ_of(request: bytes) -> dict[str, Any]:
    """Make of a request what a server would hand to the application."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, protocol = first.split()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8460",
        "SERVER_PROTOCOL": protocol,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for line in lines:
        name, _, value = line.partition(": ")
        key = name.upper().replace("-", "_")
        environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
    return environ


def _show(report: Report, name: str, samples: Samples, each: float) -> None:
    report.heading(f"Profile of {name}: {each:,.0f} CPU µs a request without the server, {samples.total} samples")
    scale = each / samples.total
    report.table(("time spent in the package", "CPU µs"), _rows(samples.by_package(), scale, 16))
    report.table(("time below our function", "CPU µs"), _rows(samples.by_own_function(), scale, _SHOWN))


def _rows(found: Counter[str], scale: float, most: int) -> list[tuple[str, ...]]:
    return [(name, f"{count * scale:.0f}") for name, count in found.most_common(most)]
