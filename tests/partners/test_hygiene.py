"""What both partner programs owe their users: no input breaks them, no secret is logged, they end in good order."""

import contextlib
import json
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.story.partner_bank import BankPlace
from cli.story.partner_wallet import WalletPlace
from tests.login.robot import RobotHolder
from tests.partners.books import open_book, rows
from tests.partners.town import HOLDER, OTHER, PartnerTown, go_and_return, run_partner_town, wait_until
from tests.partners.wallet_app import RunningWallet, enter_wallet, form_of
from tests.redemption.processes import make_city

pytestmark = pytest.mark.xdist_group("partners")

PASSWORD = "a password of the wallet's"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartnerTown]:
    city = make_city(tmp_path_factory.mktemp("keys"))
    with run_partner_town(city, tmp_path_factory.mktemp("town")) as made:
        yield made


@pytest.fixture(scope="module")
def wallet(town: PartnerTown) -> Iterator[RunningWallet]:
    entered = enter_wallet(town)
    with entered.running():
        yield entered


@pytest.fixture(autouse=True)
def untouched(town: PartnerTown) -> Iterator[None]:
    """Leave no card in an app to the next test."""
    yield
    town.end_links(HOLDER, OTHER)


# ── Whatever is sent ─────────────────────────────────────────────────────────────────────────────────────────────

TARGETS = [
    "/",
    "//",
    "//evil.example/",
    "/%00",
    "/%ff%fe",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/back",
    "/back?state=%00&iss=%ff",
    "/back?state=x&state=y&iss=&code=",
    "/card/back?state=%F0%28%8C%28&code=x",
    "/code?class=%00",
    "/card?result=%3Cscript%3E&error=%00",
    "/sign-in?error=" + "x" * 4000,
    "/go/__proto__",
    "/go/constructor",
    "/card/__class__",
    "/control",
    "/control/work",
    "/customers",
    "/begin",
    "/card",
    "/sync",
    "/code",
    "/news",
    "/ecard/news",
    "/ecard/port",
    "/static/../../keys/client.pem",
    "/static/%2e%2e/house.py",
]
BODIES = [
    b"",
    b"\x00\xff",
    b"null",
    b"[]",
    b"{",
    b'{"customer": null}',
    b'{"customer": {"__proto__": 1}, "purpose": "link"}',
    b'{"customer": "cus_none", "purpose": "link", "name": [], "password": 7}',
    b'{"name": "port", "fault": "ok", "seconds": "NaN"}',
    b"customer=%FF&name=%00&password=" + b"x" * 1000,
    b"[" * 20_000,
    b"a=" + b"x" * 70_000,
]
HEADERS: list[dict[str, str]] = [
    {},
    {"Content-Type": "application/json"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "multipart/form-data; boundary="},
    {"Cookie": "=; ;;__Host-bank; __Host-wallet=%00; wallet"},
    {"Origin": "null", "Content-Type": "application/x-www-form-urlencoded"},
    {"webhook-id": "x", "webhook-timestamp": "9" * 30, "webhook-signature": "v1a,"},
    {"webhook-id": "x", "webhook-timestamp": "9" * 5000, "webhook-signature": "v1a,"},
    {"webhook-id": "x", "webhook-timestamp": "-1", "webhook-signature": ", , v1sm2,****"},
    {"Authorization": 'ESSC-SM2-SM3 app_id="x",serial_no="' + "f" * 400 + '",timestamp="x",nonce="",signature="="'},
    {"Accept-Language": "\x80".encode("latin-1").decode("latin-1"), "Host": "127.0.0.1"},
]
RAW = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /news HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /ecard/news HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n",
    b"POST /news HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 300 + b"\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x00\x00",
]


def doors(town: PartnerTown, wallet: RunningWallet) -> dict[str, tuple[str, Any]]:
    trust = {"bank": town.place.certificate, "wallet": wallet.place.folder / "wallet.pem"}
    front = {name: ssl.create_default_context(cafile=str(file)) for name, file in trust.items()}
    return {
        "the bank's front": (town.place.front, front["bank"]),
        "the bank's back": (f"http://127.0.0.1:{town.back_port}", False),
        "the wallet's front": (wallet.place.front, front["wallet"]),
        "the wallet's control": (wallet.place.control, False),
    }


DOORS = ["the bank's front", "the bank's back", "the wallet's front", "the wallet's control"]


@pytest.mark.parametrize("door", DOORS)
def test_no_input_is_answered_with_a_fault(town, wallet, door):
    address, trust = doors(town, wallet)[door]
    faults = []
    with httpx.Client(base_url=address, verify=trust, timeout=30, trust_env=False) as http:
        for number, target in enumerate(TARGETS):
            url = httpx.URL(address).copy_with(raw_path=target.encode())
            for given in range(len(HEADERS)):
                headers = {name: value.encode("latin-1") for name, value in HEADERS[given].items()}
                body = BODIES[(number + given) % len(BODIES)]
                for method in ("GET", "POST"):
                    answer = http.request(method, url, headers=headers, content=body if method == "POST" else None)
                    if answer.status_code >= 500:
                        faults.append((method, target, headers, body[:40], answer.status_code))
    assert faults == []


@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_request_breaks_nothing(town, wallet, door):
    address, trust = doors(town, wallet)[door]
    host, port = "127.0.0.1", int(address.rpartition(":")[2])
    for raw in RAW:
        with socket.create_connection((host, port), timeout=20) as plain:
            spoken = trust.wrap_socket(plain, server_hostname=host) if trust else plain
            with contextlib.suppress(OSError):
                spoken.sendall(raw)
                spoken.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                assert not re.match(rb"HTTP/1\.[01] 5(?!01|05)", spoken.recv(4096)), raw
            spoken.close()
    assert httpx.get(f"{address}/", verify=trust, timeout=20, trust_env=False).status_code < 500


def test_a_signed_in_customer_s_pages_take_no_strange_form(town, wallet):
    with town.app(HOLDER) as bank, wallet.app() as app:
        for browser, page, ending in ((bank.browser, bank.card(), "/card/sign"), (app.browser, app.home(), "/go/link")):
            form = form_of(browser, page, ending)
            for path in ("/card/__class__", "/card/sign/../issue", "/go/toString", "/go/%00", "/sign-out/x"):
                assert browser.post(form, f"{browser.origin}{path}").status_code in (303, 400, 404, 405)


# ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_wallet_s_cookie_is_for_its_host_alone_and_its_database_has_only_a_hash_of_it(town, wallet):
    with wallet.app() as app:
        cookie = app.browser.http.cookies["__Host-wallet"]
        with open_book(wallet.place.folder) as connection:
            assert cookie not in "\n".join(connection.iterdump())
        answer = app.browser.post(form_of(app.browser, app.browser.open("/").text, "/sign-out"))
        assert "Max-Age=0" in answer.headers["Set-Cookie"]
        assert 'action="/sign-in"' in open_with(wallet, cookie).text


def open_with(wallet: RunningWallet, cookie: str) -> httpx.Response:
    trusted = ssl.create_default_context(cafile=str(wallet.place.folder / "wallet.pem"))
    headers = {"Cookie": f"__Host-wallet={cookie}"}
    return httpx.get(wallet.place.front, headers=headers, verify=trusted, trust_env=False)


def test_signing_in_ends_the_session_before_and_sets_the_cookie_s_bounds(town, wallet):
    wallet.place.ask("customers", name="twice", password=PASSWORD)
    with wallet.app() as app:
        before, sessions = app.browser.http.cookies["__Host-wallet"], "SELECT count(*) FROM sessions"
        beside_it = rows(wallet.place.folder, sessions)
        headers = {"Origin": wallet.place.front}
        answer = app.browser.http.post("/sign-in", data={"name": "twice", "password": PASSWORD}, headers=headers)
        assert {"HttpOnly", "SameSite=Lax", "Path=/", "Secure"} <= set(answer.headers["Set-Cookie"].split("; "))
        assert answer.cookies["__Host-wallet"] != before
        assert 'action="/sign-in"' in open_with(wallet, before).text
        assert rows(wallet.place.folder, sessions) == beside_it  # one took the place of the other


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example"])
def test_another_site_signs_nobody_in_at_the_wallet(town, wallet, origin):
    trusted = ssl.create_default_context(cafile=str(wallet.place.folder / "wallet.pem"))
    headers = {} if origin is None else {"Origin": origin}
    given = {"name": "demo", "password": "demo"}
    with httpx.Client(base_url=wallet.place.front, verify=trusted, headers=headers, trust_env=False) as http:
        answer = http.post("/sign-in", data=given)
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (400, False)


def test_a_login_that_one_customer_began_is_no_use_to_another(town, wallet):
    """Whoever brings the way back of an attacker's login to a victim's browser links nothing there."""
    with wallet.app() as attacker, wallet.app() as victim:
        back = go_and_return(attacker.press("link"), town.robot(OTHER))
        assert victim.browser.open(back).status_code == 400
        assert victim.state() == ("none", "")
    with town.app(HOLDER) as attacker_at_bank, town.app(OTHER) as victim_at_bank:
        back = go_and_return(attacker_at_bank.press("/card/sign"), town.robot(HOLDER))
        assert victim_at_bank.browser.open(back).status_code == 409
        assert victim_at_bank.state() == ("none", "")


def test_another_holder_cannot_end_or_report_a_customer_s_card_in_the_customer_s_app(town, wallet):
    with town.app(HOLDER) as bank, wallet.app() as app:
        bank.result_of("sign", town.robot(HOLDER))
        app.result_of("link", town.robot(HOLDER))
        for told in (bank.journey("end", town.robot(OTHER)), app.journey("unlink", town.robot(OTHER))):
            assert 400 <= told.status_code < 500
            assert "登录的不是本应用中这张卡的持卡人。" in told.text
        assert bank.state() == app.state() == ("active", "active")
        bank.result_of("end", town.robot(HOLDER))
        app.result_of("unlink", town.robot(HOLDER))


# ── Logs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def secrets_of(folder: Path) -> set[str]:
    """Gather what must stand in no log: keys, passwords, what is in the tables of sessions and journeys, codes."""
    found = {
        line for file in (folder / "keys").glob("*.pem") for line in file.read_text().splitlines() if len(line) > 40
    }
    with open_book(folder) as connection:
        for table in ("sessions", "journeys"):
            found |= {str(value) for row in connection.execute(f"SELECT * FROM {table}") for value in row}
    return {value for value in found if len(value) > 20} | {PASSWORD}


def test_no_secret_and_no_person_is_in_the_logs_of_a_day_with_all_acts_and_faults(town, wallet):
    robot: RobotHolder = town.robot(HOLDER)
    shown = []
    with town.app(HOLDER) as bank, wallet.app() as app:
        bank.result_of("sign", robot)
        app.result_of("link", robot)
        shown.append(bank.code())
        cookies = [*bank.browser.http.cookies.values(), *app.browser.http.cookies.values()]
        for forgotten in ("?code=a-code-that-nobody-gave&state=x&iss=y",):
            bank.browser.open(f"/card/back{forgotten}")
            app.browser.open(f"/back{forgotten}")
        bank.press("/card/loss")  # a journey that stays open
        app.press("unlink")
        bank.result_of("end", robot)
        app.result_of("unlink", robot)
        logs = {name: (town.folder / f"{name}.log").read_text(encoding="utf-8") for name in ("bank", "wallet")}
        folders = {"bank": town.place.folder, "wallet": wallet.place.folder}
        people = [value for customer in town.customers.values() for value in identities_of(customer.row())]
        for name, log in logs.items():
            canaries = {*secrets_of(folders[name]), *cookies, *shown, *people, "a-code-that-nobody-gave", "DPoP "}
            assert [canary for canary in canaries if canary in log] == []


def identities_of(row: dict[str, Any]) -> list[str]:
    return [row["social_security_number"], row["name"], row["phone"]]


# ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bank_that_is_told_to_end_answers_whoever_is_being_served(town):
    answers: list[int] = []

    def post() -> None:
        back = f"http://127.0.0.1:{town.back_port}/ecard/news"
        answers.append(httpx.post(back, content=b"{}", timeout=30, trust_env=False).status_code)

    town.restart_bank(slow_seconds=3)
    town.control(name="webhooks", fault="slow", seconds=30)
    thread = threading.Thread(target=post)
    thread.start()
    time.sleep(1)
    town.bank.send_signal(signal.SIGTERM)
    assert town.bank.wait(20) == 0
    thread.join(20)
    assert answers == [401]
    town.start_bank()


def test_a_wallet_that_is_told_to_end_answers_whoever_is_being_served_and_exits_with_zero(town, wallet):
    entered = enter_wallet(town)
    answers: list[int] = []

    def slowly() -> None:
        """Be halfway through a request when the end comes."""
        body = b'{"name": "late", "password": "late"}'
        port = int(entered.place.control.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as spoken:
            head = f"POST /customers HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            spoken.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:10])
            time.sleep(2)
            spoken.sendall(body[10:])
            answers.append(int(spoken.recv(4096).split()[1]))

    with entered.running():
        thread = threading.Thread(target=slowly)
        thread.start()
        time.sleep(1)
        entered.process.send_signal(signal.SIGTERM)
        thread.join(20)
        assert entered.process.wait(20) == 0
    assert answers == [200]


# ── News ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_both_answer_a_ping_and_keep_nothing_of_it(town, wallet):
    for place, back in where_news_are_posted(town, wallet):
        channel = json.loads((place.folder / "registered.json").read_text())["channel"]
        assert post_signed(town, back, {"id": "msg_ping", "type": "ping", "channel": channel, "data": {}}) == 204
        assert rows(place.folder, "SELECT 1 FROM news WHERE id = 'msg_ping'") == []


@pytest.mark.parametrize(
    "message",
    [[], "news", 7, {"id": "x"}, {"id": "x", "type": "card.loss_reported", "data": None, "position": "1"}],
    ids=str,
)
def test_signed_messages_that_are_no_news_are_refused_and_not_kept(town, wallet, message):
    for place, back in where_news_are_posted(town, wallet):
        channel = json.loads((place.folder / "registered.json").read_text())["channel"]
        given = {**message, "channel": channel} if isinstance(message, dict) else message
        assert post_signed(town, back, given) in (400, 401)
        assert rows(place.folder, "SELECT 1 FROM news WHERE id = 'x'") == []


def where_news_are_posted(town: PartnerTown, wallet: RunningWallet) -> list[tuple[BankPlace | WalletPlace, str]]:
    to_bank, to_wallet = f"http://127.0.0.1:{town.back_port}/ecard/news", f"{wallet.place.control}/news"
    return [(town.place, to_bank), (wallet.place, to_wallet)]


def post_signed(town: PartnerTown, address: str, message: Any) -> int:
    """Post what the card service itself has signed."""
    inside = town.inside
    body = json.dumps(message).encode()
    name = message["id"] if isinstance(message, dict) else "x"
    headers = inside.runtime.news.keys().sign(name, town.now(), body)
    return httpx.post(address, content=body, headers=headers, timeout=20, trust_env=False).status_code


def test_both_are_still_there(town, wallet):
    wait_until(lambda: town.bank.poll() is None and wallet.process.poll() is None)
