"""A partner written with each of the clients, behind one way to ask it; and somebody between it and the service."""

import contextlib
import http.server
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ecard_client
import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from ecard_client import sm2
from ecard_client.tokens import Es256Key

from tests.foreign.node import NODE

SCRIPT = Path(__file__).with_name("conversation.ts")
PACKAGES = Path(__file__).parents[2] / "clients" / "typescript" / "node_modules"
SET_UP = "run deploy/bootstrap.sh test: it installs Node and the packages of clients/typescript"

Change = Callable[[int, dict[str, str], bytes], tuple[int, dict[str, str], bytes] | None]


class Failed(Exception):
    """What a client raised by itself: the name of the error, and its code."""

    def __init__(self, name: str, message: str, code: object = None) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.code = code


class InPython:
    """The Python client in this process."""

    def ask(self, act: str, **given: Any) -> Any:
        try:
            return getattr(self, f"_{act}")(**given)
        except ecard_client.EcardError as fault:
            raise Failed(type(fault).__name__, str(fault), getattr(fault, "code", None)) from fault

    def _channel(self, **given: Any) -> Any:
        return self._partner(given).channel_calls.get_channel()

    def _news(self, **given: Any) -> Any:
        return self._partner(given).channel_calls.get_news(after=0, limit=5)

    def _pause(self, *, carriage: str, **given: Any) -> Any:
        return self._partner(given).channel_calls.post_carriage_suspend(carriage, {"reason": "risk"})

    def _statement(self, *, day: str, **given: Any) -> Any:
        return self._partner(given).channel_calls.get_channel_statement(day)

    def _push(self, *, form: Any, **given: Any) -> Any:
        return self._partner(given).oauth.post_par(form)

    def _token(self, *, form: Any, **given: Any) -> Any:
        return self._partner(given).oauth.post_token(form)

    def _userinfo(self, *, token: str, **given: Any) -> Any:
        return self._partner(given).holder(token).get_userinfo()

    def _returning(self, *, subject: str, **given: Any) -> Any:
        self._partner(given).return_to(subject, scope="card.read", authenticated_at=int(time.time()))
        return "returned"

    def _webhook(self, *, keys: Any, headers: dict[str, str], body: str) -> Any:
        return ecard_client.verify_news(keys, headers, body.encode())

    def _partner(self, given: dict[str, Any]) -> ecard_client.Partner:
        client_key, dpop_key = (load_pem_private_key(given[name].encode(), None) for name in ("clientKey", "dpopKey"))
        return ecard_client.Partner(
            issuer=given["issuer"],
            channel=given["channel"],
            serial=given["serial"],
            channel_key=sm2.read_key(given["channelKey"].encode()),
            client=given["client"],
            client_key=Es256Key(client_key, given["kid"]),
            dpop_key=Es256Key(dpop_key),
            pinned=given["pinned"],
            http=httpx.Client(base_url=given["address"], timeout=10, trust_env=False),
        )


class InTypeScript:
    """The TypeScript client in a process of Node."""

    def __init__(self) -> None:
        if not (NODE.exists() and PACKAGES.is_dir()):
            pytest.fail(SET_UP, pytrace=False)
        self._process = subprocess.Popen([NODE, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, act: str, **given: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"act": act, **given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "Node has ended"
        said = json.loads(line)
        if "failed" in said:
            raise Failed(said["failed"], said["message"], said.get("code"))
        return said["done"]

    def close(self) -> None:
        with self._process:
            self._process.kill()


@dataclass
class Between:
    """A server that hands requests on and may change what comes back."""

    behind: str
    port: int = 0
    change: Change | None = None
    seen: list[dict[str, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def standing_between(behind: str) -> Iterator[Between]:
    between = Between(behind)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            url, body = between.behind + self.path, self.rfile.read(length)
            answer = httpx.request(self.command, url, headers=headers, content=body, trust_env=False)
            between.seen.append(headers)
            found = (answer.status_code, dict(answer.headers), answer.content)
            if between.change is not None and "/v1/platform" not in self.path:
                changed = between.change(*found)
                if changed is None:  # the connection breaks before the answer
                    return
                found = changed
            self.send_response(found[0])
            for name, value in found[1].items():
                if name.lower() not in {"content-length", "connection", "date", "server", "transfer-encoding"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(found[2])))
            self.end_headers()
            self.wfile.write(found[2])

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    between.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield between
    server.shutdown()
    server.server_close()
    thread.join()
