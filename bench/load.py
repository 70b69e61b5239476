"""The load: a process of its own that sends ready-made requests over loopback connections that it keeps open.

``python -m bench.load`` reads a pickled `Load` from its input, connects, writes ``ready``, waits for a line, sends
everything and writes one line of JSON: how long it took and how often each status came.
"""

import json
import pickle
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass

_ROOM = 65536


@dataclass(frozen=True)
class Load:
    """Whole HTTP/1.1 requests, as bytes, and how many connections share them."""

    port: int
    requests: list[bytes]
    connections: int = 4


class Connection:
    """One keep-alive connection; a server that closes after each answer is connected to anew."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self.connect()

    def connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send one request and read its answer: status and body."""
        if self._socket is None:
            self.connect()
        assert self._socket
        self._socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        status, headers = _read_head(head)
        while len(body) < int(headers.get(b"content-length", b"0")):
            body += self._more()
        if headers.get(b"connection", b"").lower() == b"close":
            self._socket.close()
            self._socket = None
        return status, body

    def _more(self) -> bytes:
        assert self._socket
        chunk = self._socket.recv(_ROOM)
        if not chunk:
            raise ConnectionError("the server closed the connection inside an answer")
        return chunk


def _read_head(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.split(b"\r\n")
    pairs = (line.split(b":", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, value in pairs}


def send_all(load: Load, connections: list[Connection]) -> Counter[int]:
    """Send every request once, each connection taking the next one when it is free."""
    statuses: Counter[int] = Counter()
    waiting, lock = iter(load.requests), threading.Lock()

    def work(connection: Connection) -> None:
        own: Counter[int] = Counter()
        while True:
            with lock:
                request = next(waiting, None)
            if request is None:
                break
            own[connection.ask(request)[0]] += 1
        with lock:
            statuses.update(own)

    threads = [threading.Thread(target=work, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def main() -> None:
    """Read, connect, wait, send, tell."""
    load: Load = pickle.load(sys.stdin.buffer)
    connections = [Connection(load.port) for _ in range(load.connections)]
    print("ready", flush=True)
    sys.stdin.buffer.readline()
    start = time.monotonic()
    statuses = send_all(load, connections)
    print(json.dumps({"seconds": time.monotonic() - start, "statuses": statuses}), flush=True)


if __name__ == "__main__":
    main()
