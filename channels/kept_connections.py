"""Connections to pinned addresses: each step of them in bounded time, and used again by the same destination alone."""

import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock

import httpcore

from channels.destinations import PinnedDestination

MOST_KEPT = 64
"""So many connections that nobody uses at the moment are kept in a process, the oldest is closed first."""
IDLE_SECONDS = 4.0
"""Shorter than servers usually wait for a next request (5 s and more)."""
LIFE_SECONDS = 60.0
"""After that a connection is made anew, and with it the certificate of the other side is looked at again."""


@dataclass(slots=True)
class Exchange:
    """What runs on a connection now: the end of the whole of it, and what of the request has not left yet.

    A server that drips one byte a second does not stretch the end.
    """

    ticks: Callable[[], float]
    ends_at: float
    unsent: bytearray = field(default_factory=bytearray)

    def within(self, seconds: float | None) -> float:
        left = self.ends_at - self.ticks()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if seconds is None else min(left, seconds)


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to one address for one destination, with one exchange after the other."""

    pinned: PinnedDestination
    http: httpcore.HTTPConnection
    exchange: Exchange
    opened_at: float

    @property
    def is_done(self) -> bool:
        """Tell whether the last exchange came to its end, so that another one may begin."""
        return not self.http.is_closed() and self.http.is_idle() and not self.exchange.unsent


def connect(pinned: PinnedDestination, tls: ssl.SSLContext, exchange: Exchange) -> Connection:
    """Make a connection that is opened at its first exchange, to the pinned address whatever the name is."""
    to = pinned.destination
    http = httpcore.HTTPConnection(
        httpcore.Origin(to.scheme.encode("ascii"), to.host.encode("ascii"), to.port),
        ssl_context=tls,
        keepalive_expiry=IDLE_SECONDS,
        network_backend=_PinnedBackend(pinned.address, exchange),
    )
    return Connection(pinned, http, exchange, exchange.ticks())


class KeptConnections:
    """What nobody uses at the moment, by destination and address: a name that leads elsewhere now finds none here.

    The whole destination counts, not its host alone: what one partner does to its connection is no other one's.
    """

    def __init__(self, ticks: Callable[[], float], most: int) -> None:
        self._ticks = ticks
        self._most = most
        self._lock = Lock()
        self._idle: list[Connection] = []

    def take(self, pinned: PinnedDestination) -> Connection | None:
        """Take one that is still good, and close those that are not."""
        while (found := self._pop(pinned)) is not None:
            if not found.http.has_expired() and self._ticks() < found.opened_at + LIFE_SECONDS:
                return found
            found.http.close()
        return None

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose exchange came to its end; close every other one."""
        if self._most == 0 or not connection.is_done:
            connection.http.close()
            return
        with self._lock:
            self._idle.append(connection)
            over = self._idle[: -self._most]
            del self._idle[: -self._most]
        for oldest in over:
            oldest.http.close()

    def close(self) -> None:
        """Close all that are kept."""
        with self._lock:
            over, self._idle = self._idle, []
        for connection in over:
            connection.http.close()

    def _pop(self, pinned: PinnedDestination) -> Connection | None:
        with self._lock:
            places = (place for place, one in enumerate(self._idle) if one.pinned == pinned)
            place = next(places, None)
            return None if place is None else self._idle.pop(place)


class _PinnedBackend(httpcore.NetworkBackend):
    """Connects to the one address, whatever name it is asked for; TLS and Host go on using the name."""

    def __init__(self, address: str, exchange: Exchange) -> None:
        self._address = address
        self._exchange = exchange
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
        seconds = self._exchange.within(timeout)
        stream = self._network.connect_tcp(self._address, port, seconds, local_address, socket_options)
        return _TimedStream(stream, self._exchange)


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every step ends with the whole exchange.

    What is written leaves when an answer is waited for: head and body of a request as one packet, which costs both
    sides half of what two cost.
    """

    def __init__(self, stream: httpcore.NetworkStream, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._exchange.unsent:
            self._send(timeout)
        return self._stream.read(max_bytes, self._exchange.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._exchange.within(timeout)
        self._exchange.unsent += buffer

    def _send(self, timeout: float | None) -> None:
        sent, self._exchange.unsent = bytes(self._exchange.unsent), bytearray()
        with suppress(httpcore.WriteError):  # who hangs up early may have answered before
            self._stream.write(sent, self._exchange.within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Verify the other side under the destination's name."""
        seconds = self._exchange.within(timeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, seconds), self._exchange)

    def get_extra_info(self, info: str) -> object:
        """Tell what is asked of the stream below."""
        return self._stream.get_extra_info(info)
