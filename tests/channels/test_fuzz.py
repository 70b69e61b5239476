"""Three thousand requests, mutated by a seed: never a fault, and nothing half done by what was refused."""

import json
import random
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import sqlalchemy as sa
from werkzeug.test import Client

from auth.oauth.models import oauth_grants
from auth.signed_forms.received import ALGORITHMS
from channels.issuance.models import bank_issuances
from channels.models import business_keys, carriages, news
from core.audit import audit_entries
from core.outbox import outbox
from ecard.models import electronic_cards
from qr.models import card_faces
from sm.errors import SmError
from tests.channels.carriers import CarryingApp, make_carrying
from tests.channels.forms_of_partners import FORMS, POST_ALONE, Request
from tests.channels.partners import change
from tests.exchange.returning import GRANT, JWT
from tests.oauth.conftest import MANY_A_MINUTE
from tests.oauth.holder import Holder, make_holder
from tests.persons import make_person
from tests.service import ISSUER, running_service

pytestmark = pytest.mark.xdist_group("test_fuzz")  # what is costly to set up is set up once

EACH = 600
TABLES = (carriages, business_keys, bank_issuances, news, outbox, audit_entries, card_faces, electronic_cards)
PERSON = make_person(7)
ASKED = {"out_request_no": "F-1", "name": PERSON.name, "phone": "19900000001"}
ISSUE = ASKED | {"social_security_number": PERSON.social_security_number}
CLAIM = {"method": "GET", "target": "/v1/news", "header_fields": {"Authorization": "ESSC-SM2-SM3 a=1"}, "body": "x"}
CHANNEL_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/v1/channel", None),
    ("GET", "/v1/news?after=0&limit=10", None),
    ("GET", "/v1/carriages?limit=3&state=active", None),
    ("GET", "/v1/carriages/{crg}", None),
    ("POST", "/v1/carriages/{crg}/suspend", {"reason": "risk"}),
    ("POST", "/v1/carriages/{crg}/resume", {}),
    ("POST", "/v1/carriages/{crg}/end", {"out_request_no": "F-2"}),
    ("POST", "/v1/bank-issuances", ISSUE),
    ("GET", "/v1/bank-issuances?out_request_no=F-1", None),
    ("GET", "/v1/channel/requests?limit=3", None),
    ("GET", "/v1/channel/statements/2026-03-01?part=1", None),
    ("GET", "/v1/channel/statements/2026-03-01/signature", None),
    ("POST", "/v1/channel/signature-examinations", CLAIM),
    ("POST", "/v1/sandbox/news", {"kind": "card.issued", "card": "sandbox-1"}),
    ("POST", "/v1/h5-entries", {"act": "sign", "state": "st", "code_challenge": "x" * 43, "dpop_jkt": "x" * 43}),
    ("PUT", "/v1/sandbox/switches", {"answers": {"times": 1, "status": 503}, "news": None}),
)
TOKEN_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/v1/carriages", {"out_request_no": "F-3", "seen": 1}),
    ("GET", "/v1/carriage?seen=3", None),
    ("POST", "/v1/carriage/codes", {"class": "medical", "kind": "signed"}),
    ("GET", "/v1/carriage/uses?limit=2", None),
    ("POST", "/v1/carriage/loss-reports", {"out_request_no": "F-4"}),
    ("POST", "/v1/carriage/end", {"out_request_no": "F-5"}),
)
WORDS: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 2**64, 1e308, 1.5, "", " ", "\n", "a\n", "\u0000", "\ud800", "é", "张三", "\U0010ffff",
    "x" * 70, "x" * 5000, "../..", "%00", "%", "'--", [], {}, [[[]]], {"a": {"b": [1]}}, "sandbox-1\n",
)  # fmt: skip
BYTES = (b"\x00", b"\xff", b"\r", b"\n", b" ", b"\t", b"%", b"&", b"=", b'"', b"\\", b"+", b",", b";", b"{", b"[", b"1")


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> tuple[CarryingApp, Holder]:
    home = tmp_path_factory.mktemp("fuzz")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **MANY_A_MINUTE, codes_per_minute=600) as town:
        scopes = ("carriage", "news", "issue", "statements")
        app = make_carrying(town, scopes=scopes, algorithms=list(ALGORITHMS))
        change(town, app.channel, "bank-port", {"url": "https://core.bank.example/essc"})
        yield app, make_holder(town)


class Fuzz:
    """Mutates by a seed and watches what is written."""

    def __init__(self, town: tuple[CarryingApp, Holder], seed: int) -> None:
        self.app, self.holder = town
        self.service, self.chance = self.app.service, random.Random(seed)
        self.client, self.told = Client(self.service.app), dict[int, int]()
        self.link_anew()

    def link_anew(self) -> None:
        self.linked = self.app.link(self.holder)
        self.carriage = self.linked.sign().json()["id"]

    def written(self) -> list[int]:
        with self.service.database.transaction() as connection:
            counted = [sa.select(sa.func.count()).select_from(table).scalar_subquery() for table in TABLES]
            ended = sa.select(sa.func.count(oauth_grants.c.ended_at)).scalar_subquery()
            changed = sa.select(sa.func.max(carriages.c.changed_at)).scalar_subquery()
            return list(connection.execute(sa.select(*counted, ended, changed)).one())

    def send(self, request: Request) -> None:
        """Send what may be no HTTP at all as a server would hand it on; nothing of a refusal may stay."""
        self.service.clock.step(0.01)
        before = self.written()
        path, _, query = request.target.partition("?")
        headers = [
            (name, value.encode("latin-1", "replace").decode("latin-1")) for name, value in request.headers.items()
        ]
        answer = self.client.open(
            path=quote(path, safe="/%:@!$&'()*+,;=~", errors="replace") or "/",
            query_string=query.encode("utf-8", "replace").decode("latin-1"),
            method=request.method,
            headers=headers,
            data=request.body,
            base_url=ISSUER,
        )
        status = answer.status_code
        self.told[status] = self.told.get(status, 0) + 1
        assert status < 500 or answer.get_json()["code"] == "sandbox_fault", (request, answer.text)
        if status >= 400:
            assert self.written() == before, (request, answer.text)
        elif path.endswith("/end"):
            self.link_anew()

    def content(self, body: Any) -> bytes:
        """Write a body with something in it that does not belong there."""
        if body is None or self.chance.random() < 0.05:
            return self.chance.choice((b"", b"{}", b"[]", b"null", b'{"a":NaN}', b'{"a":1,"a":2}', b"[" * 5000))
        changed = json.loads(json.dumps(body))
        for _ in range(self.chance.choice((0, 1, 1, 2))):
            name = self.chance.choice([*changed, "more"])
            changed[name] = self.chance.choice(WORDS)
        return json.dumps(
            changed, sort_keys=True, separators=(",", ":"), ensure_ascii=self.chance.random() < 0.5
        ).encode("utf-8", "replace")

    def target(self, target: str) -> str:
        """Put something else into path or query."""
        target = target.replace("{crg}", self.carriage)
        if self.chance.random() < 0.6:
            return target
        word = quote(str(self.chance.choice(WORDS)), errors="replace")
        path, mark, query = target.partition("?")
        if query and self.chance.random() < 0.7:
            name = self.chance.choice([*(pair.partition("=")[0] for pair in query.split("&")), "more"])
            return f"{path}?{name}={word}"
        return f"{path.rpartition('/')[0]}/{word}{mark}{query}"

    def bent(self, request: Request) -> Request:
        """Change bytes of what was signed already, anywhere."""
        for _ in range(self.chance.choice((0, 1, 1, 2, 4))):
            request = self.chance.choice((self._header, self._header, self._body, self._target, self._method))(request)
        return request

    def _header(self, request: Request) -> Request:
        names = list(request.headers)
        if not names:
            return request
        name, headers = self.chance.choice(names), dict(request.headers)
        if self.chance.random() < 0.1:
            headers.pop(name)
        else:
            headers[name] = self._bytes(headers[name].encode()).decode("latin-1").replace("\r", "").replace("\n", "")
        return replace(request, headers=headers)

    def _body(self, request: Request) -> Request:
        return replace(request, body=self._bytes(request.body))

    def _target(self, request: Request) -> Request:
        return replace(request, target="/" + self._bytes(request.target.encode()).decode("latin-1").lstrip("/"))

    def _method(self, request: Request) -> Request:
        return replace(
            request, method=self.chance.choice(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "X"))
        )

    def _bytes(self, given: bytes) -> bytes:
        at = self.chance.randint(0, len(given))
        end = min(len(given), at + self.chance.choice((0, 1, 1, 3, 20)))
        put = self.chance.choice(
            (*BYTES, b"", given[at:end] * 2, str(self.chance.choice(WORDS)).encode("utf-8", "replace"))
        )
        return given[:at] + put + given[end:]


@pytest.mark.parametrize("form", list(FORMS))
def test_no_signed_request_that_was_bent_is_a_fault_or_half_done(town, form):
    fuzz = Fuzz(town, seed=list(FORMS).index(form))
    for _ in range(EACH):
        method, target, body = fuzz.chance.choice(CHANNEL_ROUTES)
        method = "POST" if form in POST_ALONE else method
        content = fuzz.content(body) if body is not None or form in POST_ALONE else b""
        try:
            request = FORMS[form](fuzz.app.partner, method, fuzz.target(target), content)
        except (ValueError, TypeError, RecursionError, SmError):  # what this form's own writer cannot write
            continue
        fuzz.send(fuzz.bent(request))
    assert {201 if form == "H5-SM2-SM3" else 200, 401} <= fuzz.told.keys()


def test_no_request_with_a_token_that_was_bent_is_a_fault_or_half_done(town):
    fuzz = Fuzz(town, seed=5)
    for _ in range(EACH):
        method, target, body = fuzz.chance.choice(TOKEN_ROUTES)
        target = fuzz.target(target)
        headers = fuzz.app.client.call_headers(fuzz.linked.token, target.partition("?")[0], method)
        headers["Content-Type"] = "application/json"
        fuzz.send(fuzz.bent(Request(method, target, headers, b"" if body is None else fuzz.content(body))))
    assert {200, 201, 400, 401, 403} <= fuzz.told.keys()


def test_no_return_to_a_link_that_was_bent_is_a_fault_or_half_done(town):
    fuzz, client = Fuzz(town, seed=6), town[0].client
    for _ in range(EACH):
        link, chance = fuzz.linked.link, fuzz.chance
        claims = {chance.choice([*link.claims()]): chance.choice(WORDS)} if chance.random() < 0.6 else {}
        form = {**client.identity(), "grant_type": GRANT, "subject_token_type": JWT}
        form["subject_token"] = link.statement(**claims)
        if chance.random() < 0.4:
            form[chance.choice([*form, "scope", "resource", "audience", "actor_token"])] = str(chance.choice(WORDS))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "DPoP": client.proof("/oauth/token")}
        body = urlencode(form, errors="replace").encode()
        fuzz.send(fuzz.bent(Request("POST", "/oauth/token", headers, body)))
    assert {200, 400, 401} <= fuzz.told.keys()
