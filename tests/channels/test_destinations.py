"""No address that a partner registers, and no answer of its name server, opens a connection inwards (threats.md C7)."""

import contextlib
import http.server
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from channels.destinations import (
    Destination,
    DestinationRules,
    PinnedDestination,
    pin_destination,
    read_destination,
    require_public_address,
    resolve_host,
)
from channels.errors import DestinationNotAllowed
from channels.posting import HttpPost, Posted

RULES = DestinationRules()
DEVELOPMENT = DestinationRules(loopback=True)
GOOD = "93.184.216.34"

HOSTILE_SPELLINGS = [
    "",
    "partner.example",
    "//partner.example/",
    "https://",
    "https:///news",
    "https:partner.example",
    "HTTPS://partner.example/",
    "http://partner.example/",
    "ftp://partner.example/",
    "file:///etc/passwd",
    "gopher://partner.example/",
    "https://user@partner.example/",
    "https://user:word@partner.example/",
    "https://partner.example@127.0.0.1/",
    "https://127.0.0.1\\@partner.example/",
    "https://partner.example\\.evil.example/",
    "https://partner.example#@127.0.0.1/",
    "https://partner.example/#fragment",
    "https://partner.example?x=1",
    "https://partner.example /",
    "https://partner.example/a b",
    "https://partner.example/\r\nHost: 127.0.0.1",
    "https://partner.example/\x00",
    "https://partner.example/%zz",
    "https://partner.example/新闻",
    "https://partner.example:0/",
    "https://partner.example:80/",
    "https://partner.example:8443/",
    "https://partner.example:0443/",
    "https://partner.example:65536443/",
    "https://partner.example:/",
    "https://partner.example./",
    "https://partner..example/",
    "https://.partner.example/",
    "https://-partner.example/",
    "https://Partner.example/",
    "https://partner_.example/",
    "https://partner/",
    "https://localhost/",
    "https://a.localhost/",
    "https://db.internal/",
    "https://printer.local/",
    "https://1.0.0.127.in-addr.arpa/",
    "https://xn--prtner-cua.example/",
    "https://www.xn--fiqs8s/",
    "https://pаrtner.example/",  # a Cyrillic a
    "https://partner。example/",
    "https://１２７.0.0.1/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.1.0x7f/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fe80::1%25eth0]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[::1/",
    "https://93.184.216.34/",
    f"https://{'a' * 64}.example/",
    f"https://{'a.' * 12}example/",
    f"https://partner.example/{'a' * 500}",
]

HOSTILE_ADDRESSES = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.31.196.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2a00:1450::5efe:7f00:1",
    "2a00:1450::200:5efe:a00:1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "127.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "2130706433",
    "not an address",
]


class Listener:
    """A socket that notices who comes."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def visitors(self) -> int:
        seen = 0
        while True:
            try:
                self.socket.accept()[0].close()
            except BlockingIOError:
                return seen
            seen += 1


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = Listener()
    yield listening
    listening.socket.close()


def send(url: str, rules: DestinationRules, *addresses: str) -> Posted:
    """Go the way of a delivery, with a name server that answers what the test says."""
    pinned = pin_destination(read_destination(url, rules), rules, lambda _host, _port: addresses)
    return HttpPost(ssl.create_default_context, whole_seconds=2)(pinned, {}, b"{}")


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────────────────


def test_there_are_enough_hostile_addresses():
    assert len({*HOSTILE_SPELLINGS, *HOSTILE_ADDRESSES}) == len(HOSTILE_SPELLINGS) + len(HOSTILE_ADDRESSES) > 120


@pytest.mark.parametrize("rules", [RULES, DEVELOPMENT])
def test_a_hostile_spelling_is_refused_before_any_name_is_resolved(rules):
    asked = []
    accepted = []
    for url in HOSTILE_SPELLINGS:
        try:
            pin_destination(read_destination(url, rules), rules, lambda host, _port: asked.append(host) or [GOOD])
        except DestinationNotAllowed:
            continue
        accepted.append(url)
    assert (accepted, asked) == ([], [])


@pytest.mark.parametrize("address", HOSTILE_ADDRESSES)
def test_a_name_with_a_hostile_address_gets_no_connection(listener, address):
    rules = DestinationRules(ports=(443, listener.port), loopback=True)
    for answers in ([address], [GOOD, address], [address, GOOD]):
        with pytest.raises(DestinationNotAllowed):
            send(f"https://partner.example:{listener.port}/", rules, *answers)
    assert listener.visitors() == 0


def test_what_python_calls_global_is_refused_all_the_same():
    for address in ("64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1"):  # is_global says yes (Python 3.11.7)
        with pytest.raises(DestinationNotAllowed):
            require_public_address(address)


@pytest.mark.parametrize("answers", [[], [GOOD] * 17])
def test_no_address_and_too_many_addresses_are_refused(answers):
    with pytest.raises(DestinationNotAllowed):
        send("https://partner.example/", RULES, *answers)


@pytest.mark.parametrize("fault", [socket.gaierror("no such name"), UnicodeError("label too long")])
def test_a_name_that_cannot_be_resolved_is_refused_and_no_fault_of_ours(fault):
    def resolve(_host, _port):
        raise fault

    with pytest.raises(DestinationNotAllowed):
        pin_destination(read_destination("https://partner.example/", RULES), RULES, resolve)


def test_plain_http_to_this_machine_is_for_development_alone(listener):
    url = f"http://127.0.0.1:{listener.port}/"
    with pytest.raises(DestinationNotAllowed):
        read_destination(url, RULES)
    destination = read_destination(url, DEVELOPMENT)
    with pytest.raises(DestinationNotAllowed):  # registered in development, sent in production
        pin_destination(destination, RULES, lambda *_: [GOOD])
    assert listener.visitors() == 0


def test_development_lets_no_other_plain_http_through():
    for url in ("http://127.0.0.2/", "http://localhost/", "http://10.0.0.1/", "http://partner.example/"):
        with pytest.raises(DestinationNotAllowed):
            read_destination(url, DEVELOPMENT)


# ── What is let through ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url",
    [
        "https://partner.example/",
        "https://news.bank.example/v1/ecard;v=1?from=city&x=%E4%BA%8B",
        f"https://{'a' * 63}.example/",
    ],
)
def test_a_plain_address_is_kept_as_it_was_given(url):
    assert read_destination(url, RULES).url == url


def test_the_usual_port_and_path_have_one_spelling():
    assert read_destination("https://partner.example:443", RULES).url == "https://partner.example/"


def test_a_further_port_is_allowed_by_a_setting_alone():
    assert read_destination("https://partner.example:8443/", DestinationRules(ports=(443, 8443))).port == 8443


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "2400:3200::1"])
def test_a_public_address_is_let_through(address):
    require_public_address(address)


def test_a_name_is_resolved_once_and_connected_to_by_the_address_alone():
    answers = iter([[GOOD], ["127.0.0.1"]])  # a name server that changes its mind (rebinding)
    pinned = pin_destination(read_destination("https://partner.example/", RULES), RULES, lambda *_: next(answers))
    assert (pinned.address, next(answers)) == (GOOD, ["127.0.0.1"])


def test_the_system_s_resolver_is_asked_for_addresses_as_text():
    assert resolve_host("127.0.0.1", 443) == ["127.0.0.1"]


# ── How it is sent ───────────────────────────────────────────────────────────────────────────────────────────────


class Partner(http.server.BaseHTTPRequestHandler):
    """A partner's server that does as the path says."""

    protocol_version = "HTTP/1.1"
    seen: list[dict[str, str]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append({"path": self.path, "host": self.headers["Host"], "body": body.decode()})
        self.server.answers[self.path.split("?")[0]](self)

    def log_message(self, *_args: object) -> None:
        pass


def _plain(status: int, headers: dict[str, str] | None = None, body: bytes = b""):
    def answer(handler: Partner) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def _nonsense(handler: Partner) -> None:
    handler.wfile.write(b"HELLO\r\n\r\n")
    handler.close_connection = True


def _drip(handler: Partner) -> None:
    """Send one byte of a header now and then, for ever."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not handler.server.stopped.wait(0.05):
            handler.wfile.write(b"a")
    except OSError:
        pass
    handler.close_connection = True


def _endless(handler: Partner) -> None:
    handler.server.sent = 0
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not handler.server.stopped.is_set() and handler.server.sent < 64 * 1024 * 1024:
            handler.server.sent += handler.wfile.write(bytes(65536))
    except OSError:
        pass
    handler.close_connection = True


ANSWERS = {
    "/ok": _plain(204),
    "/moved": _plain(302, {"Location": "/ok"}),
    "/wait": _plain(429, {"Retry-After": "120"}),
    "/nonsense": _nonsense,
    "/drip": _drip,
    "/endless": _endless,
}


@pytest.fixture
def partner() -> Iterator[http.server.ThreadingHTTPServer]:
    with serving() as server:
        yield server


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Partner)
    server.seen, server.answers, server.stopped = [], ANSWERS, threading.Event()
    server.handle_error = lambda *_: None  # a client that does not believe us is what is tested
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()
    thread.join()


def post(server: http.server.ThreadingHTTPServer, path: str, seconds: float = 10.0) -> Posted:
    to = read_destination(f"http://127.0.0.1:{server.server_port}{path}", DEVELOPMENT)
    pinned = pin_destination(to, DEVELOPMENT, resolve_host)
    return HttpPost(ssl.create_default_context, whole_seconds=seconds)(pinned, {"X-Test": "1"}, b'{"a":1}')


def test_a_post_arrives_as_it_was_addressed(partner):
    assert post(partner, "/ok?x=1;y=2") == Posted(204, "http_204")
    assert partner.seen == [{"path": "/ok?x=1;y=2", "host": f"127.0.0.1:{partner.server_port}", "body": '{"a":1}'}]


def test_a_redirect_is_an_answer_and_is_not_followed(partner):
    assert post(partner, "/moved") == Posted(302, "http_302")
    assert [request["path"] for request in partner.seen] == ["/moved"]


def test_what_a_partner_asks_us_to_wait_is_told(partner):
    assert post(partner, "/wait") == Posted(429, "http_429", "120")


def test_an_answer_that_is_no_http_is_a_failed_try(partner):
    assert post(partner, "/nonsense").reason == "no_http"


def test_a_server_that_drips_ends_with_the_time_of_the_whole(partner):
    assert post(partner, "/drip", seconds=0.5).reason == "timeout"


def test_an_endless_answer_is_not_read_to_its_end(partner):
    assert post(partner, "/endless").status == 200
    assert partner.sent < 64 * 1024 * 1024


def test_nobody_at_the_address_is_a_failed_try():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    pinned = PinnedDestination(Destination("http", "127.0.0.1", port, "/"), "127.0.0.1")
    assert HttpPost(ssl.create_default_context)(pinned, {}, b"") == Posted(None, "no_connection")


def test_a_partner_that_answers_nothing_is_given_up_in_time(listener):
    pinned = PinnedDestination(Destination("http", "127.0.0.1", listener.port, "/"), "127.0.0.1")
    assert HttpPost(ssl.create_default_context, whole_seconds=0.3)(pinned, {}, b"") == Posted(None, "timeout")


# ── TLS under the name, at the pinned address ────────────────────────────────────────────────────────────────────


def certificate_for(name: str) -> tuple[bytes, bytes]:
    """Make a certificate that signs itself, and its key, as PEM."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=now - timedelta(hours=1),
        not_valid_after=now + timedelta(hours=1),
    ).add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), pem


def test_tls_asks_for_the_name_and_believes_that_name_alone(tmp_path):
    certificate, key = certificate_for("partner.example")
    (tmp_path / "certificate.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    here, asked = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    here.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    here.sni_callback = lambda _socket, name, _context: asked.append(name)
    believed = ssl.create_default_context(cadata=certificate.decode())
    with serving(here) as server:

        def send_to(host: str, tls: ssl.SSLContext) -> Posted:
            pinned = PinnedDestination(Destination("https", host, server.server_port, "/ok"), "127.0.0.1")
            return HttpPost(lambda: tls)(pinned, {}, b"{}")

        assert send_to("partner.example", believed) == Posted(204, "http_204")
        assert send_to("other.example", believed) == Posted(None, "no_connection")
        assert send_to("partner.example", ssl.create_default_context()) == Posted(None, "no_connection")
        assert json.dumps([request["host"] for request in server.seen]) == f'["partner.example:{server.server_port}"]'
    assert asked == ["partner.example", "other.example", "partner.example"]
