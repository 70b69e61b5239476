"""The service as `ecard serve` runs it: framing attacks, sizes, and an end that finishes what has begun (P2, P3)."""

import contextlib
import json
import signal
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from cli.phone import Phone
from core.clock import system_clock
from core.database import Database
from core.settings import Settings
from tests.auth.forging import sha256
from tests.redemption.processes import Processes, make_city, run_processes
from tests.servers import free_port
from tests.service import ISSUER
from web.schema import migrate

pytestmark = pytest.mark.xdist_group("test_serving")  # what is costly to set up is set up once

HOST = b"Host: card.example\r\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    city = make_city(tmp_path_factory.mktemp("city"))
    url = f"sqlite:///{tmp_path_factory.mktemp('data') / 'ecard.sqlite3'}"
    database = Database(url)
    migrate(database)
    database.close()
    return Settings(
        home=city.folder,
        keystore_secret=city.secret,
        database_url=url,
        issuer=ISSUER,
        listen_port=free_port(),
        body_limit=100_000,
    )


@pytest.fixture(scope="module")
def processes(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with run_processes(settings, tmp_path_factory.mktemp("logs") / "serve.log") as running:
        yield running


@contextlib.contextmanager
def connected(processes: Processes) -> Iterator[socket.socket]:
    port = int(processes.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        yield connection


def exchange(processes: Processes, sent: bytes) -> bytes:
    """Send bytes as they are and read until the server closes or has nothing more to say."""
    with connected(processes) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        return receive(connection)


def receive(connection: socket.socket, quiet: float = 0.7) -> bytes:
    received = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while part := connection.recv(65536):
            received += part
            connection.settimeout(quiet)
    return received


def statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


# ── Framing ──────────────────────────────────────────────────────────────────────────────────────────────────────

SMUGGLED = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
FRAMINGS = {
    "both lengths": b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "both lengths, turned round": CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, 5\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length with a sign": b"Content-Length: +0\r\n\r\n",
    "a length in hex": b"Content-Length: 0x0\r\n\r\n",
    "a length that overflows": b"Content-Length: 99999999999999999999999\r\n\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding after chunked": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a blank before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a tab in the name": b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "a folded line": b"X: a\r\n " + CHUNKED + b"\r\n0\r\n\r\n",
    "a bad chunk size": CHUNKED + b"\r\nxyz\r\n\r\n",
    "a negative chunk size": CHUNKED + b"\r\n-1\r\n\r\n",
    "a chunk size that overflows": CHUNKED + b"\r\nffffffffffffffffff\r\n\r\n",
    "NUL in a header": b"X: a\x00b\r\n\r\n",
    "a bare return": b"X: a\rContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("name", FRAMINGS)
def test_a_request_with_two_readings_is_refused_and_nothing_behind_it_is_read(processes, name):
    received = exchange(processes, b"POST /livez HTTP/1.1\r\n" + HOST + FRAMINGS[name] + SMUGGLED)
    assert b'"openapi"' not in received
    assert not [status for status in statuses(received) if status < 400 or (status >= 500 and status != 501)]


def test_requests_behind_each_other_get_their_answers_in_order(processes):
    one = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
    other = b"GET /nowhere HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    assert statuses(exchange(processes, one + other)) == [200, 404]


@pytest.mark.parametrize(
    "line", [b"GET / HTTP/9.9", b"GET /", b"G\x00T / HTTP/1.1", b"GET / /x HTTP/1.1", b"\x16\x03\x01\x02\x00"]
)
def test_a_request_line_that_is_none_is_refused(processes, line):
    received = exchange(processes, line + b"\r\n" + HOST + b"\r\n")
    assert not [status for status in statuses(received) if status < 400]


@pytest.mark.parametrize(("proofs", "status"), [(1, 200), (2, 401), (3, 401)])
def test_a_proof_is_sent_once_and_not_beside_another_one(processes, proofs, status):
    with httpx.Client(base_url=processes.address, trust_env=False) as http:
        phone = Phone(http, ISSUER, system_clock)
        made = [("DPoP", phone.proof("GET", "/v1/notices", digest=sha256(b""))) for _ in range(proofs)]
        assert http.get("/v1/notices", headers=made).status_code == status


@pytest.mark.parametrize(
    "header", ["X-SSL-Client-DN", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"]
)
def test_a_header_that_only_a_proxy_may_set_changes_nothing(processes, header):
    with httpx.Client(base_url=processes.address, trust_env=False) as http:
        plain, spoofed = (http.get("/v1/notices", headers=headers) for headers in ({}, {header: "CN=trm_1"}))
    assert (plain.status_code, plain.json()["code"]) == (spoofed.status_code, spoofed.json()["code"])


# ── Sizes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_header_of_a_megabyte_is_refused(processes):
    received = exchange(processes, b"GET /livez HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n")
    assert not [status for status in statuses(received) if status < 400]


@pytest.mark.parametrize("size", [100_001, 5_000_000])
def test_a_body_over_the_limit_is_refused(processes, size):
    header = b"POST /oauth/token HTTP/1.1\r\n" + HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"
    received = exchange(processes, header + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % size + b"a" * size)
    assert statuses(received) in ([413], [])  # a server may close before it has been sent all of it


def test_the_service_is_well_after_all_of_it(processes):
    received = exchange(processes, b"GET /readyz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert statuses(received) == [200]
    assert json.loads(received.partition(b"\r\n\r\n")[2])["status"] == "ready"


# ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_under_way_is_answered_before_the_service_ends(settings, tmp_path):
    own = settings.model_copy(update={"listen_port": free_port()})
    own.model_fields_set.update(settings.model_fields_set)
    body = b'{"session": "x"}'
    head = b"POST /v1/enrollments HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    with run_processes(own, tmp_path / "serve.log") as running, connected(running) as connection:
        connection.sendall(head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body[:5])
        time.sleep(0.3)  # so that a worker has it in hand
        running.main.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(body[5:])
        assert statuses(receive(connection, quiet=10)) == [401]
        assert running.main.wait(30) == 0
        with pytest.raises(ConnectionRefusedError), connected(running):
            pass
