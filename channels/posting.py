"""One POST to a destination that was pinned: to that address, with the name in TLS and Host, in bounded time.

httpcore below httpx is used by itself: it follows no redirect, decodes no content, keeps no cookie and reads no proxy
from the environment.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import httpcore

from channels.destinations import PinnedDestination
from channels.kept_connections import MOST_KEPT, Connection, Exchange, KeptConnections, connect

CONNECT_SECONDS = 5.0
WHOLE_SECONDS = 10.0
MOST_ANSWER_BYTES = 16 * 1024
"""So much of an answer is read, and thrown away unless it is asked for."""

_TIMEOUTS = {"connect": CONNECT_SECONDS, "read": WHOLE_SECONDS, "write": WHOLE_SECONDS}


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
        keeps_connections: whether a connection is used again, by the same destination at the same address alone. For
            what may arrive twice: on one that ended meanwhile a message is lost, and sent once more on a new one.
    """

    def __init__(
        self,
        tls: Callable[[], ssl.SSLContext],
        *,
        keeps_answers: bool = False,
        keeps_connections: bool = False,
        whole_seconds: float = WHOLE_SECONDS,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tls = tls
        self._read = _keep_answer if keeps_answers else _throw_away
        self._kept = KeptConnections(ticks, MOST_KEPT if keeps_connections else 0)
        self._whole = whole_seconds
        self._ticks = ticks

    def __call__(self, pinned: PinnedDestination, headers: Mapping[str, str], body: bytes) -> Posted:
        """Post once."""
        ends_at = self._ticks() + self._whole
        try:
            kept = self._kept.take(pinned)
            if kept is not None:
                with suppress(httpcore.NetworkError, httpcore.ProtocolError):  # it ended between two messages
                    return self._exchange(kept, headers, body, ends_at)
            fresh = connect(pinned, self._tls(), Exchange(self._ticks, ends_at))
            return self._exchange(fresh, headers, body, ends_at)
        except httpcore.TimeoutException:
            return Posted(None, "timeout")
        except httpcore.NetworkError:
            return Posted(None, "no_connection")
        except (httpcore.ProtocolError, ValueError):
            return Posted(None, "no_http")

    def close(self) -> None:
        """Close the connections that are kept."""
        self._kept.close()

    def _exchange(self, connection: Connection, headers: Mapping[str, str], body: bytes, ends_at: float) -> Posted:
        connection.exchange.ends_at = ends_at
        to = connection.pinned.destination
        url = httpcore.URL(
            scheme=to.scheme, host=to.host, port=to.port, target=to.target
        )  # as judged, not parsed again
        extensions = {"timeout": _TIMEOUTS}
        try:
            with connection.http.stream(
                "POST", url, headers=list(headers.items()), content=body, extensions=extensions
            ) as response:
                if connection.exchange.unsent:
                    raise httpcore.RemoteProtocolError("an answer that was there before it was asked for")
                return self._read(response, Posted(response.status, f"http_{response.status}", _retry_after(response)))
        finally:
            self._kept.give_back(connection)


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
