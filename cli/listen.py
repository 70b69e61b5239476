"""`ecard listen`: a partner's receiver of news on this machine, which verifies and prints what comes."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import click

from cli import Failed
from cli.key_store_options import FILE, read_file, surroundings
from cli.news_proof import VERSIONS, prove_news
from cli.partner import ADDRESS, opened_http, refused
from core.clock import Clock
from sm.providers import open_provider
from sm.sm2 import Provider

_MAX_FILE = 1024 * 1024
_MOST_BODY = 1024 * 1024
_LOOPBACK = "127.0.0.1"


@dataclass
class Receiver:
    """What takes news: verifies it, prints it, and answers as it was told to."""

    keys: Sequence[dict[str, Any]]
    provider: Provider
    clock: Clock
    status: int
    times: int | None
    slow: float
    most: int | None
    seen: set[str] = field(default_factory=set)
    taken: int = 0
    unproven: int = 0
    lock: Lock = field(default_factory=Lock)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Take a message and give the status to answer with."""
        proven = prove_news(self.provider, self.keys, headers, body, int(self.clock().timestamp()))
        is_proven = bool(proven.held) and proven.is_fresh
        with self.lock:
            self.taken += 1
            self.unproven += not is_proven
            misbehaves = self.times is None or self.taken <= self.times
            again = headers.get("webhook-id", "") in self.seen
            self.seen.add(headers.get("webhook-id", ""))
        verdict = " ".join(f"{version}:{'good' if version in proven.held else 'WRONG'}" for version in VERSIONS)
        status = self.status if misbehaves else 204
        stale = "" if proven.is_fresh else f" STALE ({proven.age} s)"
        click.echo(f"{headers.get('webhook-id', '-')}{' again' if again else ''} {verdict}{stale} → {status}")
        click.echo(f"  {body.decode('utf-8', 'replace')}")
        if self.slow and misbehaves:
            time.sleep(self.slow)
        return status if is_proven or self.status >= 400 else 401

    @property
    def is_done(self) -> bool:
        return self.most is not None and self.taken >= self.most


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8470, show_default=True, help="0 takes a free one.")
@click.option("--keys", "keys_file", type=FILE, help="Answer of GET /v1/news-keys in a file, instead of asking for it.")
@click.option("--status", type=click.IntRange(200, 599), default=204, show_default=True, help="Answer so: 503, 410, …")
@click.option("--times", type=click.IntRange(1), help="Only to the first so many messages; the rest is taken.")
@click.option("--slow", type=click.FloatRange(0, 60), default=0.0, help="Wait so many seconds before the answer.")
@click.option(
    "--count", "most", type=click.IntRange(1), help="End after so many messages; code 1 if one was not proven."
)
@ADDRESS
@click.pass_context
def listen(
    context: click.Context,
    /,
    port: int,
    keys_file: Path | None,
    status: int,
    times: int | None,
    slow: float,
    most: int | None,
    address: str,
) -> None:
    """Receive news at http://127.0.0.1:PORT/news, verify both signatures, print what came.

    Register that address with `ecard channels add-endpoint` (development alone takes a loopback address) and let
    something happen with `ecard trigger`. Ends with Ctrl-C, or after --count messages.
    """
    keys = _read_keys(keys_file, address)
    receiver = Receiver(keys, open_provider("openssl"), surroundings(context).clock, status, times, slow, most)
    handler = type("Handler", (_Handler,), {"receiver": receiver})
    try:
        server = _Server((_LOOPBACK, port), handler)
    except OSError as error:
        raise Failed(f"port {port} cannot be used · 端口不可用: {error.strerror}") from error
    click.echo(f"listening at http://{_LOOPBACK}:{server.server_port}/news with {len(keys)} keys")
    _serve(server, receiver)
    if receiver.unproven:
        raise Failed(f"{receiver.unproven} of {receiver.taken} messages were not proven · 有通知未通过验签")


def _serve(server: ThreadingHTTPServer, receiver: Receiver) -> None:
    server.timeout = 0.2
    with server:
        try:
            while not receiver.is_done:
                server.handle_request()
        except KeyboardInterrupt:
            click.echo(f"{receiver.taken} messages")


def _read_keys(path: Path | None, address: str) -> Sequence[dict[str, Any]]:
    """Read the published keys; raises Failed where there are none."""
    if path is not None:
        content = read_file(path, _MAX_FILE)
    else:
        with opened_http(address) as http:
            answer = http.get("/v1/news-keys")
        if not answer.is_success:
            raise Failed(refused(answer))
        content = answer.content
    try:
        keys: Sequence[dict[str, Any]] = json.loads(content)["keys"]
    except (ValueError, KeyError, TypeError) as error:
        raise Failed("this is no answer of GET /v1/news-keys · 不是 GET /v1/news-keys 的应答") from error
    return keys


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # the last answer leaves before the command ends


class _Handler(BaseHTTPRequestHandler):
    receiver: ClassVar[Receiver]

    def do_POST(self) -> None:
        """Take one message."""
        given = self.headers.get("Content-Length", "")
        size = int(given) if given.isascii() and given.isdigit() else 0
        body = self.rfile.read(min(size, _MOST_BODY))
        status = self.receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing beside what the receiver prints."""
