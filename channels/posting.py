"""One POST to a destination that was pinned: to that address, with the name in TLS and Host, in bounded time.

httpcore below httpx is used by itself: it follows no redirect, decodes no content, keeps no cookie and reads no proxy
from the environment.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import httpcore

from channels.destinations import PinnedDestination

CONNECT_SECONDS = 5.0
WHOLE_SECONDS = 10.0
MOST_ANSWER_BYTES = 16 * 1024
"""So much of an answer is read, and thrown away unless it is asked for."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of it: a status, or a short reason why there is none.

    ``headers`` (names in small letters; one that stands twice is left out) and ``body`` are there where
    the answer was asked for.
    """

    status: int | None
    reason: str
    retry_after: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


Post = Callable[[PinnedDestination, Mapping[str, str], bytes], Posted]
"""Send headers and body to a pinned destination; every fault of the other side is in the answer, none is raised."""


class HttpPost:
    """Posts with deadlines of wall-clock time.

    Args:
        tls: gives the certificates that are believed.
        keeps_answers: whether headers and body of an answer are wanted; one of more than ``MOST_ANSWER_BYTES`` or that
            breaks off is then none. Otherwise only its status and Retry-After count.
    """

    def __init__(
        self,
        tls: Callable[[], ssl.SSLContext],
        *,
        keeps_answers: bool = False,
        whole_seconds: float = WHOLE_SECONDS,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tls = tls
        self._take = _keep_answer if keeps_answers else _throw_away
        self._whole = whole_seconds
        self._ticks = ticks

    def __call__(self, pinned: PinnedDestination, headers: Mapping[str, str], body: bytes) -> Posted:
        """Post once, on a connection of its own."""
        deadline = _Deadline(self._ticks, self._ticks() + self._whole)
        backend = _PinnedBackend(pinned.address, deadline)
        try:
            with httpcore.ConnectionPool(ssl_context=self._tls(), network_backend=backend, retries=0) as pool:
                return _exchange(pool, pinned, headers, body, self._take)
        except httpcore.TimeoutException:
            return Posted(None, "timeout")
        except httpcore.NetworkError:
            return Posted(None, "no_connection")
        except (httpcore.ProtocolError, ValueError):
            return Posted(None, "no_http")


def _exchange(
    pool: httpcore.ConnectionPool,
    pinned: PinnedDestination,
    headers: Mapping[str, str],
    body: bytes,
    take: Callable[[httpcore.Response, Posted], Posted],
) -> Posted:
    timeouts = {"connect": CONNECT_SECONDS, "read": WHOLE_SECONDS, "write": WHOLE_SECONDS, "pool": CONNECT_SECONDS}
    to, sent = pinned.destination, list(headers.items())
    url = httpcore.URL(scheme=to.scheme, host=to.host, port=to.port, target=to.target)  # as judged, not parsed again
    with pool.stream("POST", url, headers=sent, content=body, extensions={"timeout": timeouts}) as response:
        return take(response, Posted(response.status, f"http_{response.status}", _retry_after(response)))


def _retry_after(response: httpcore.Response) -> str | None:
    given = [value for name, value in response.headers if name.lower() == b"retry-after"]
    return given[0].decode("latin-1")[:40] if given else None


def _throw_away(response: httpcore.Response, posted: Posted) -> Posted:
    """Read a little, so that the other side sees its answer taken; what breaks off now changes nothing."""
    with suppress(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        _read(response)
    return posted


def _keep_answer(response: httpcore.Response, posted: Posted) -> Posted:
    body = _read(response)
    if len(body) > MOST_ANSWER_BYTES:
        return Posted(None, "too_large")
    named = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers]
    headers = {name: value for name, value in named if sum(name == other for other, _ in named) == 1}
    return replace(posted, headers=headers, body=body)


def _read(response: httpcore.Response) -> bytes:
    """Read an answer up to the part that goes beyond the limit."""
    read = bytearray()
    for part in response.iter_stream():
        read += part
        if len(read) > MOST_ANSWER_BYTES:
            break
    return bytes(read)


@dataclass(frozen=True, slots=True)
class _Deadline:
    """The end of the whole exchange: a server that drips one byte a second does not stretch it."""

    ticks: Callable[[], float]
    at: float

    def within(self, seconds: float | None) -> float:
        left = self.at - self.ticks()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if seconds is None else min(left, seconds)


class _PinnedBackend(httpcore.NetworkBackend):
    """Connects to the one address, whatever name it is asked for; TLS and Host go on using the name."""

    def __init__(self, address: str, deadline: _Deadline) -> None:
        self._address = address
        self._deadline = deadline
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name was resolved and judged before
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Open a connection to the pinned address."""
        seconds = self._deadline.within(timeout)
        stream = self._network.connect_tcp(self._address, port, seconds, local_address, socket_options)
        return _TimedStream(stream, self._deadline)


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every step ends at the deadline of the whole."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Verify the other side under the destination's name."""
        seconds = self._deadline.within(timeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, seconds), self._deadline)

    def get_extra_info(self, info: str) -> object:
        """Tell what is asked of the stream below."""
        return self._stream.get_extra_info(info)
