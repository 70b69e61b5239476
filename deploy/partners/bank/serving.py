"""Two doors: the app over TLS for customers' browsers, and plain HTTP on this machine for the machines' side."""

import logging
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wsgi import ClosingIterator

from bank.keys import TLS, TLS_CERTIFICATE
from bank.place import Home

HOST = "127.0.0.1"
LAST_SECONDS = 10.0
"""Whoever is being served when the bank is told to end has this long."""
_log = logging.getLogger("bank.doors")


class QuietHandler(WSGIRequestHandler):
    """Serves requests; logs method, path and status, and no query: a code of OAuth may stand in it."""

    timeout = 30

    def log_request(self, code: Any = "-", size: Any = "-") -> None:  # noqa: ARG002 - werkzeug's signature
        """Log one line."""
        _log.info("%s %s %s", self.command, self.path.partition("?")[0], getattr(code, "value", code))

    def log(self, type: str, _message: str, *_args: Any) -> None:  # noqa: A002 - werkzeug's signature
        """Log that there was something, and not what: a line that is no request may hold somebody's number."""
        _log.log(logging.ERROR if type == "error" else logging.INFO, "%s at a door", type)


@dataclass
class Counted:
    """An application that knows how many requests it is answering, written to their ends."""

    app: Flask
    _count: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self._add(1)
        try:
            answer = self.app(environ, start_response)
        except BaseException:
            self._add(-1)
            raise
        return ClosingIterator(answer, lambda: self._add(-1))

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until nobody is being served; tell whether that came about."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)

    def _add(self, step: int) -> None:
        with self._changed:
            self._count += step
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Door:
    """One of the two servers."""

    server: BaseWSGIServer
    address: str
    app: Counted


def open_front(app: Flask, home: Home, port: int) -> Door:
    """Open the customers' door, over TLS."""
    counted = Counted(app)
    server = make_server(HOST, port, counted, threaded=True, request_handler=QuietHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home.key(TLS_CERTIFICATE), home.key(TLS))
    # the handshake belongs to each connection's own thread: nobody who dawdles keeps the others out
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.ssl_context = context
    return Door(server, f"https://{HOST}:{server.server_port}", counted)


def open_back(app: Flask, port: int) -> Door:
    """Open the machines' door."""
    counted = Counted(app)
    server = make_server(HOST, port, counted, threaded=True, request_handler=QuietHandler)
    return Door(server, f"http://{HOST}:{server.server_port}", counted)


@contextmanager
def serving(*doors: Door) -> Iterator[None]:
    """Serve until the block ends, and then to the end whoever is being served."""
    threads = [threading.Thread(target=door.server.serve_forever, daemon=True) for door in doors]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for door in doors:
            door.server.shutdown()
        for door in doors:
            if not door.app.wait_until_idle(LAST_SECONDS):
                _log.warning("ended while somebody was being served")
            door.server.server_close()
