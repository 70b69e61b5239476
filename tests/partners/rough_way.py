"""A network that fails by a seed, between real processes: it loses, doubles, delays and changes what passes by it."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer

import httpx

from tests.foreign.front import QuietHandler

LATE_SECONDS = 0.3
_OF_ONE_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding", "date", "server"}
_ANSWERS_WITHIN = 30.0


@dataclass(frozen=True)
class Asked:
    """A request on its way."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True)
class Answered:
    """An answer on its way back; None of them is a connection that broke off."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class RoughWay:
    """Listens on ``port`` and brings requests to ``behind``; ``rates`` says how often what fault befalls.

    Faults of calls: ``unsent`` and ``lost`` (no request, or no answer), ``broken`` (503 in place of the answer),
    ``doubled`` (the request arrives twice), ``late``, ``forged`` (the answer's signature is changed).
    Faults of news: ``dropped`` (taken, and never seen again), ``doubled``, ``held`` (taken, and brought on later, in
    another order).
    """

    port: int
    behind: str
    rates: dict[str, float]
    is_rough: Callable[[Asked], bool] = lambda _asked: True
    seed: int = 1
    seen: Counter[str] = field(default_factory=Counter)
    is_smooth: bool = False

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._lock = threading.Lock()
        self._held: list[Asked] = []
        self.http = httpx.Client(base_url=self.behind, timeout=_ANSWERS_WITHIN, trust_env=False)

    def pass_on(self, asked: Asked) -> Answered | None:
        fault = self._draw(asked)
        if fault == "unsent":
            return None
        if fault == "late":
            time.sleep(LATE_SECONDS)
        if fault in ("dropped", "held"):
            if fault == "held":
                with self._lock:
                    self._held.append(asked)
            return Answered(204, [], b"")
        answer = self._forward(asked)
        if fault == "doubled":
            self._forward(asked)
        if fault == "broken":
            return Answered(503, [("Content-Type", "application/json")], b'{"code": "unavailable"}')
        if fault == "forged":
            return Answered(answer.status, [_forge(*header) for header in answer.headers], answer.body)
        return None if fault == "lost" else answer

    def release(self) -> None:
        """Bring on what was held back, in another order than it came in."""
        with self._lock:
            late, self._held = self._held, []
        self._chance.shuffle(late)
        for asked in late:
            with contextlib.suppress(httpx.TransportError):  # whoever is down has missed it
                self._forward(asked)

    def _draw(self, asked: Asked) -> str:
        with self._lock:
            if self.is_smooth or not self.is_rough(asked):
                return ""
            self.seen["all"] += 1
            fault = self._chance.choices([*self.rates, ""], [*self.rates.values(), 1 - sum(self.rates.values())])[0]
            self.seen[fault] += 1
            return fault

    def _forward(self, asked: Asked) -> Answered:
        address = httpx.URL(self.behind).copy_with(raw_path=asked.target.encode())
        answer = self.http.request(asked.method, address, headers=asked.headers, content=asked.body)
        kept = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in _OF_ONE_HOP]
        return Answered(answer.status_code, kept, answer.content)


def _forge(name: str, value: str) -> tuple[str, str]:
    """Change the serial's neighbour, the nonce: the signature is then of another answer."""
    if name.lower() != "essc-signature":
        return name, value
    return name, value.replace('nonce="', 'nonce="0')


@contextlib.contextmanager
def open_way(way: RoughWay) -> Iterator[RoughWay]:
    """Listen until the block ends."""

    class Handler(QuietHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            given = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_HOP}
            try:
                passing = way.pass_on(Asked(self.command, self.path, given, body))
            except httpx.TransportError:
                passing = None
            if passing is None:
                self.close_connection = True
                return
            self.write(passing.status, passing.headers, passing.body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the library's names

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Whoever was cut off has nothing to say."""

    server = Server(("127.0.0.1", way.port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield way
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        way.http.close()
