"""Partners that are told of cards, and their servers, as the tests of news use them."""

import base64
import contextlib
import http.server
import json
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from auth.oauth.clients import Client
from auth.oauth.grants import start_grant
from auth.oauth.pseudonyms import subject_in_sector
from channels.desk import NewsDesk
from channels.endpoints import list_endpoints
from channels.webhooks import deliver_some
from core.outbox import record_event
from sm.der import read_der_signature
from tests.channels.partners import PartnerApp, change, make_partner
from tests.oauth.clients_of_tests import make_partner as make_client
from tests.service import PROVIDER, Service
from web.worker import Worker

CARDS = [f"crd_{letter * 26}" for letter in "abcdefgh"]
AGREED = ("openid", "offline_access", "card.read")


@dataclass
class ToldPartner:
    """A live channel with an OAuth client that has links to cards."""

    app: PartnerApp
    client: str

    @property
    def channel(self) -> str:
        return self.app.channel

    @property
    def service(self) -> Service:
        return self.app.service

    def link(self, card: str, scopes: tuple[str, ...] = AGREED, *, phone: str | None = None) -> str:
        service = self.service
        client = client_of(service, self.client)
        return link(service, client, card, scopes, phone)

    def name_of(self, card: str) -> str:
        """Name a card as this partner knows it."""
        desk = self.service.runtime.oauth.desk
        return subject_in_sector(desk, client_of(self.service, self.client).sector, card)

    def add_endpoint(self, url: str) -> str:
        outcome = change(self.service, self.channel, "endpoint", {"url": url}).outcome
        assert outcome is not None
        return str(outcome["endpoint"])

    def endpoint(self) -> Any:
        with self.service.database.transaction() as connection:
            return list_endpoints(connection, self.channel)[0]


def client_of(service: Service, client: str) -> Client:
    found = service.runtime.oauth.desk.clients.find(client)
    assert found is not None
    return found


def make_told_partner(service: Service, **application: Any) -> ToldPartner:
    app, client = make_partner(service, **application), make_client(service).id
    change(service, app.channel, "terms", {"from": {"client": None}, "to": {"client": client}})
    return ToldPartner(app, client)


def link(service: Service, client: Client, card: str, scopes: tuple[str, ...], phone: str | None = None) -> str:
    """Make the grant of a holder who agreed, without the holder."""
    now = service.clock()
    with service.database.transaction() as connection:
        return start_grant(
            connection,
            client=client,
            card=card,
            device=phone,
            scopes=scopes,
            resources=(),
            acr="L2",
            amr=("hwk",),
            authenticated_at=now,
            at=now,
            expires_at=now.replace(year=now.year + 1),
        ).id


def happen(service: Service, kind: str, card: str | None, **content: Any) -> str:
    """Let something happen to a card."""
    with service.database.transaction() as connection:
        return record_event(connection, kind, card=card, content=content, at=service.clock())


def tell(service: Service) -> None:
    while Worker(service.runtime).tell():
        pass


def deliver_all(desk: NewsDesk) -> int:
    """Deliver what is due now, as a worker does it."""
    done = 0
    while tried := deliver_some(desk):
        done += tried
    return done


def with_post(service: Service, post: Any) -> NewsDesk:
    """Give the news a network of the test's own, and draws that spread nothing."""
    return replace(service.runtime.news, post=post, resolve=lambda *_: ["93.184.216.34"], share=lambda: 0.5)


def verify_signature(keys: list[dict[str, Any]], headers: dict[str, str], body: bytes) -> set[str]:
    """Verify as a partner would, with the published keys alone; tell which versions hold."""
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    held = set()
    for given in headers["webhook-signature"].split(" "):
        version, _, text = given.partition(",")
        held |= {version for key in keys if key["version"] == version and _holds(key, content, base64.b64decode(text))}
    return held


def _holds(key: dict[str, Any], content: bytes, signature: bytes) -> bool:
    try:
        if key["kty"] == "OKP":
            raw = base64.b64decode(key["whpk"].removeprefix("whpk_"))
            Ed25519PublicKey.from_public_bytes(raw).verify(signature, content)
        else:
            public_key = b"".join(base64.urlsafe_b64decode(key[name] + "=") for name in ("x", "y"))
            PROVIDER.verifier(public_key).verify(content, read_der_signature(signature))
    except Exception:  # noqa: BLE001 - whatever it says, it does not hold
        return False
    return True


@dataclass
class Receiver:
    """A partner's server: it keeps for each card what the highest sequence said, and misbehaves by a seed."""

    keys: list[dict[str, Any]]
    seed: int = 1
    lost: float = 0.0
    doubled: float = 0.0
    down: bool = False
    states: dict[str, tuple[int, str]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    unsigned: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._late: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/news"

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Take a message and give the status to answer with."""
        with self._lock:
            if self.down:
                return 503
            if verify_signature(self.keys, headers, body) != {"v1a", "v1sm2"}:
                self.unsigned += 1
                return 401
            if self._chance.random() < self.lost:
                return 0  # the connection breaks, before or after it was taken
            message = json.loads(body)
            assert headers["webhook-id"] == message["id"]
            self._keep(message)
            return 500 if self._chance.random() < self.doubled else 204  # taken, but not believed: it comes again

    def _keep(self, message: dict[str, Any]) -> None:
        """Hold some back and take them in another order than they came in."""
        self._late.append(message)
        self._chance.shuffle(self._late)
        while len(self._late) > self._chance.randrange(4):
            self.apply(self._late.pop())

    def settle(self) -> None:
        while self._late:
            self.apply(self._late.pop())

    def apply(self, message: dict[str, Any]) -> None:
        """Keep what is newer than what is known: nothing else is needed of a receiver."""
        self.seen.append(message["id"])
        if message["sequence"] > self.states.get(message["card"], (0, ""))[0]:
            self.states[message["card"]] = (message["sequence"], message["type"])


@contextlib.contextmanager
def serving(receiver: Receiver) -> Iterator[Receiver]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # a connection is used again

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True  # those of kept connections wait for a next message
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()
