"""Connections are used again by the same destination at the same address alone; what they lose is sent once more."""

import contextlib
import http.server
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from channels.destinations import Destination, PinnedDestination
from channels.kept_connections import IDLE_SECONDS, LIFE_SECONDS, MOST_KEPT
from channels.posting import HttpPost, Posted

YES = Posted(204, "http_204")


class Partner:
    """A server that keeps connections, counts them, and may end them; ``requests`` are (connection, path)."""

    def __init__(self) -> None:
        self.requests: list[tuple[int, str]] = []
        self.opened = self.ended = 0
        self.answer: dict[str, bytes] = {}
        self.ends_before_answering = False
        self.lock = threading.Lock()

    @property
    def connections(self) -> list[int]:
        return [connection for connection, _ in self.requests]


@contextlib.contextmanager
def serving() -> Iterator[Partner]:
    partner = Partner()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            with partner.lock:
                partner.opened += 1
                self.number = partner.opened

        def finish(self) -> None:
            super().finish()
            with partner.lock:
                partner.ended += 1

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            partner.requests.append((self.number, self.path))
            if partner.ends_before_answering and self.number in partner.connections[:-1]:
                self.close_connection = True
                return
            self.wfile.write(partner.answer.get(self.path, b"HTTP/1.1 204 Yes\r\n\r\n"))
            self.close_connection = b"Connection: close" in partner.answer.get(self.path, b"")

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    server.handle_error = lambda *_: None  # a client that hangs up is what is tested
    server.daemon_threads = True  # those of kept connections wait for a next request
    partner.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield partner
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def partner() -> Iterator[Partner]:
    with serving() as running:
        yield running


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def post(ticks) -> Iterator[HttpPost]:
    posting = HttpPost(ssl.create_default_context, keeps_connections=True, ticks=ticks)
    yield posting
    posting.close()


def at(partner: Partner, path: str = "/news", address: str = "127.0.0.1", host: str = "127.0.0.1") -> PinnedDestination:
    return PinnedDestination(Destination("http", host, partner.port, path), address)


def test_what_goes_to_the_same_address_goes_over_one_connection(partner, post):
    assert [post(at(partner), {}, b"{}") for _ in range(5)] == [YES] * 5
    assert partner.connections == [1] * 5


def test_a_name_that_leads_elsewhere_now_gets_a_new_connection_to_there(partner, post):
    """The guard judges the name anew before each message; what it found decides, not what was open before."""
    post(at(partner, address="127.0.0.1"), {}, b"{}")
    post(at(partner, address="127.0.0.2"), {}, b"{}")
    post(at(partner, address="127.0.0.1"), {}, b"{}")
    assert partner.connections == [1, 2, 1]


@pytest.mark.parametrize("other", [{"path": "/other"}, {"host": "localhost"}])
def test_another_destination_at_the_same_address_has_connections_of_its_own(partner, post, other):
    for pinned in (at(partner), at(partner, **other), at(partner)):
        assert post(pinned, {}, b"{}") == YES
    assert partner.connections == [1, 2, 1]


def test_without_being_told_to_no_connection_is_kept(partner):
    one_by_one = HttpPost(ssl.create_default_context)
    for _ in range(3):
        assert one_by_one(at(partner), {}, b"{}") == YES
    assert partner.connections == [1, 2, 3]


def test_a_server_that_ends_each_connection_is_asked_on_a_new_one(partner, post):
    partner.answer["/news"] = b"HTTP/1.1 204 Yes\r\nConnection: close\r\n\r\n"
    assert [post(at(partner), {}, b"{}") for _ in range(3)] == [YES] * 3
    assert partner.connections == [1, 2, 3]


def test_a_message_that_was_lost_with_its_connection_is_sent_once_more_and_is_no_failed_try(partner, post):
    partner.ends_before_answering = True
    assert [post(at(partner), {}, b"{}") for _ in range(2)] == [YES] * 2
    assert partner.connections == [1, 1, 2]


def test_on_a_new_connection_a_lost_message_is_a_failed_try(partner, post):
    partner.answer["/news"] = b"HELLO\r\n\r\n"
    assert post(at(partner), {}, b"{}").reason == "no_http"
    assert partner.connections == [1]


def test_an_answer_that_came_unasked_is_believed_by_nobody(partner, post):
    partner.answer["/news"] = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 Yes\r\n\r\n"
    assert [post(at(partner), {}, b"{}").status for _ in range(3)] == [500] * 3
    assert partner.connections == [1, 2, 3]


def test_a_connection_whose_answer_was_not_read_to_its_end_is_closed(partner, post):
    partner.answer["/news"] = b"HTTP/1.1 200 Yes\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)
    assert [post(at(partner), {}, b"{}").status for _ in range(2)] == [200] * 2
    assert partner.connections == [1, 2]


@pytest.mark.parametrize(("after", "connections"), [(LIFE_SECONDS - 0.1, [1, 1]), (LIFE_SECONDS, [1, 2])])
def test_a_connection_lives_for_a_minute(partner, post, ticks, after, connections):
    post(at(partner), {}, b"{}")
    ticks.now = after
    post(at(partner), {}, b"{}")
    assert partner.connections == connections


def test_each_message_has_its_own_time_on_a_connection_that_is_used_again(partner, post, ticks):
    for now in (0.0, 9.0, 18.0, 27.0):
        ticks.now = now
        assert post(at(partner), {}, b"{}") == YES
    assert partner.connections == [1] * 4


def test_only_so_many_are_kept_and_the_oldest_is_closed(partner, post):
    for number in range(MOST_KEPT + 1):
        post(at(partner, f"/{number}"), {}, b"{}")
    post(at(partner, f"/{MOST_KEPT}"), {}, b"{}")
    post(at(partner, "/0"), {}, b"{}")
    assert partner.connections[-2:] == [MOST_KEPT + 1, MOST_KEPT + 2]


def test_hanging_up_closes_what_is_kept(partner, post):
    post(at(partner), {}, b"{}")
    post.close()
    deadline = time.monotonic() + 10
    while partner.ended < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert partner.ended == 1
    assert post(at(partner), {}, b"{}") == YES
    assert partner.connections == [1, 2]


def test_connections_idle_for_less_time_than_servers_wait():
    assert IDLE_SECONDS < 5
