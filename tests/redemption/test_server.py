"""What the web server in front does with requests that are signed, large, cut into pieces, or under way at its end."""

import json
import secrets
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.till import Till
from tests.redemption.processes import City, Town, at_once, run_town
from tests.servers import ENDS_WITHIN

on_processes = pytest.mark.parametrize("town", ["sqlite"], indirect=True)
BODY_LIMIT = 1024 * 1024  # settings.body_limit


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    """Give a body whose length is not told: httpx sends it chunked."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def signed(till: Till, content: bytes) -> dict[str, str]:
    return {
        "Authorization": till.sign("POST", "/v1/redemptions", content),
        "Content-Type": "application/json",
        "Idempotency-Key": secrets.token_hex(8),
    }


def send_raw(town: Town, request: str, *, until_closed: bool = False) -> bytes:
    """Send a request byte for byte and return the beginning of the answer, or all that comes until the end."""
    host, _, port = town.processes.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = connection.recv(4096)
        while until_closed and (more := connection.recv(4096)):
            answer += more
        return answer


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


@on_processes
@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_a_body_in_pieces_is_read_as_a_whole(town: Town, size: int) -> None:
    till, code = town.tills[0], town.mint(town.card_of(town.phones[0]))
    content = json.dumps({"code": code, "purpose": "merchant"}).encode()
    answer = town.http.post("/v1/redemptions", content=pieces(content, size), headers=signed(till, content))
    assert answer.status_code == 201


@on_processes
def test_a_body_that_is_too_large_is_refused_before_it_is_read(town: Town) -> None:
    content = b"x" * (BODY_LIMIT + 1)
    answer = town.http.post("/v1/redemptions", content=content, headers=signed(town.tills[0], content))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    announced = "POST /v1/redemptions HTTP/1.1\r\nHost: card\r\nContent-Length: 100000000\r\n\r\n"
    assert status_of(send_raw(town, announced)) == 413


@on_processes
def test_pieces_beyond_the_limit_are_not_read(town: Town) -> None:
    before = town.books()
    content = json.dumps({"code": town.mint(town.card_of(town.phones[0])), "purpose": "merchant"}).encode()
    content += b" " * (BODY_LIMIT + 1 - len(content))
    answer = town.http.post("/v1/redemptions", content=pieces(content, 65_536), headers=signed(town.tills[0], content))
    assert answer.status_code in {401, 413}  # what is read is cut off at the limit, and that was not signed
    assert town.books() == before


@on_processes
@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: x",
    ],
)
def test_a_body_of_two_lengths_smuggles_nothing(town: Town, framing: str) -> None:
    before = town.books()
    request = f"POST /v1/redemptions HTTP/1.1\r\nHost: card\r\n{framing}\r\n\r\n0\r\n\r\n"
    answer = send_raw(town, request + "GET /livez HTTP/1.1\r\nHost: card\r\n\r\n", until_closed=True)
    assert b"alive" not in answer
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert town.books() == before


@pytest.fixture
def session(town: Town) -> str:
    opened: str = town.tills[0].send("POST", "/v1/terminal-sessions", {"operator": "op-1"}).json()["id"]
    return f"/v1/terminal-sessions/{opened}"


@on_processes
@pytest.mark.parametrize("query", ["", "?a=%20b&c=d+e", "?x=%2f%2F&&=", "?x='!*()", "?x=%C3%A9&y=%", "?a=1?b"])
def test_an_address_is_signed_as_it_is_sent(town: Town, session: str, query: str) -> None:
    till = town.tills[0]
    for sent, status in ((session + query, 200), (session + (query or "?") + "&z=1", 401)):
        authorization = till.sign("GET", session + query, b"")
        head = f"GET {sent} HTTP/1.1\r\nHost: card\r\nAuthorization: {authorization}\r\n\r\n"
        assert status_of(send_raw(town, head)) == status


@on_processes
@pytest.mark.parametrize("spelling", ["{path}?", "{path}?x=é", "{path}?a=1#f", "/{path}"])
def test_an_address_in_another_spelling_is_not_what_was_signed(town: Town, session: str, spelling: str) -> None:
    sent = spelling.format(path=session)
    authorization = town.tills[0].sign("GET", session + "?a=2", b"")
    head = f"GET {sent} HTTP/1.1\r\nHost: card\r\nAuthorization: {authorization}\r\n\r\n"
    assert status_of(send_raw(town, head)) in {401, 404}


@pytest.mark.xdist_group("sqlite")
def test_requests_under_way_are_answered_before_the_service_ends(city: City, tmp_path: Path) -> None:
    with run_town(city, tmp_path, f"sqlite:///{tmp_path / 'ecard.sqlite3'}") as town:
        card, process = town.card_of(town.phones[0]), town.processes.main
        told: Counter[str] = Counter()

        def load(till: Till) -> None:
            while process.poll() is None:
                try:
                    answer = till.redeem(town.mint(card), "merchant")
                except httpx.TransportError:  # not taken on any more
                    return
                assert answer.status_code == 201, answer.text
                told[answer.json()["id"]] += 1
                if len(told) == 50:
                    process.send_signal(signal.SIGTERM)

        at_once(town.tills * 3, load)
        assert process.wait(ENDS_WITHIN) == 0
        books = town.books()
        books.require_whole()
        assert set(books.redeemed) == set(told)
        assert len(told) >= 50
