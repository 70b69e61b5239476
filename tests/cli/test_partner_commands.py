"""`ecard sign`, `listen` and `trigger`, as a partner's developer uses them."""

import contextlib
import json
import re
import stat
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

import cli.listen
import cli.partner
from auth.signed_forms.received import ALGORITHMS
from channels.certificates import list_certificates
from channels.webhooks import deliver_one
from cli import main
from cli.key_store_options import Surroundings
from cli.listen import Receiver
from sm.certificates import read_certificate
from sm.der import export_pkcs8, import_spki, read_pem, write_pem
from sm.signed_request import base_string, read_header
from sm.sm2 import random_private_key
from tests.channels.forms_of_partners import FORMS, Request, secret_of
from tests.channels.news_of_tests import make_told_partner
from tests.channels.partners import PartnerApp, apply, change, make_partner, move
from tests.channels.test_doctor import KEY as PLANTED_KEY
from tests.channels.test_doctor import PLANTED, Sent
from tests.service import ISSUER, PROVIDER, START, Service, running_service

NOW = int(START.timestamp())


@pytest.fixture(scope="module")
def shared_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("partner")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home) as running:
        yield running


@pytest.fixture
def city(shared_city: Service) -> Service:
    shared_city.clock.now = START
    return shared_city


def run(*arguments: object, code: int = 0) -> Result:
    surroundings = Surroundings(clock=lambda: START)
    done = CliRunner().invoke(main, [str(word) for word in arguments], obj=surroundings)
    assert done.exit_code == code, (done.output, done.exception)
    return done


@pytest.fixture
def key(tmp_path: Path) -> Path:
    run("keys", "new", "--out", tmp_path / "partner.pem", "--public", tmp_path / "partner.pub")
    return tmp_path / "partner.pem"


def public_key(key: Path) -> bytes:
    return import_spki(read_pem("PUBLIC KEY", key.with_suffix(".pub").read_text()))


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_pair_is_made_whose_private_half_is_never_shown(tmp_path):
    made = run("keys", "new", "--out", tmp_path / "a.pem", "--public", tmp_path / "a.pub")
    assert stat.S_IMODE((tmp_path / "a.pem").stat().st_mode) == 0o600
    assert made.output.strip() == public_key(tmp_path / "a.pem").hex()
    secret = read_pem("PRIVATE KEY", (tmp_path / "a.pem").read_text())[-32:]
    assert secret.hex() not in made.output
    run("keys", "new", "--out", tmp_path / "a.pem", code=2)


def test_the_register_takes_the_public_key_as_it_is_printed(city, tmp_path):
    printed = run("keys", "new", "--out", tmp_path / "b.pem").output.strip()
    app = PartnerApp(city, apply(city))
    app.serial = str(change(city, app.channel, "certificate", {"public_key": printed, "days": 30}).outcome["serial"])
    assert read_certificate(pem_of(city, app)).public_key.hex() == printed


# ── Sign ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def signed(key: Path, *arguments: str, code: int = 0) -> str:
    return run("sign", *arguments, "--key", key, "--app-id", "chn_" + "0" * 26, "--serial", "ab12", code=code).output


def test_a_request_is_signed_for_curl(key):
    shown = signed(key, "POST", "/v1/carriages?a=b", "--data", '{"a":1}', "--nonce", "n" * 20)
    authorization, content_type = shown.splitlines()
    assert content_type == "Content-Type: application/json"
    header = read_header(authorization.removeprefix("Authorization: "))
    assert (header.app_id, header.serial_no, header.timestamp) == ("chn_" + "0" * 26, "ab12", NOW)
    base = base_string("POST", "/v1/carriages?a=b", NOW, "n" * 20, b'{"a":1}')
    PROVIDER.verifier(public_key(key)).verify(base, header.signature)


def test_a_body_in_a_file_is_signed_byte_for_byte(key, tmp_path):
    (tmp_path / "body").write_bytes(b'{"a": 1}\r\n')
    header = read_header(
        signed(key, "POST", "/x", "--body", str(tmp_path / "body")).splitlines()[0].removeprefix("Authorization: ")
    )
    base = base_string("POST", "/x", header.timestamp, header.nonce, b'{"a": 1}\r\n')
    PROVIDER.verifier(public_key(key)).verify(base, header.signature)


def test_what_is_signed_is_taken_by_the_service(city, tmp_path):
    private, partner = random_private_key(), PartnerApp(city, apply(city))
    partner.signer = PROVIDER.signer(private)
    outcome = change(city, partner.channel, "certificate", {"public_key": partner.signer.public_key.hex(), "days": 9})
    move(city, partner.channel, "sandbox")
    (tmp_path / "k.pem").write_text(write_pem("PRIVATE KEY", export_pkcs8(private)))
    shown = run(
        "sign", "GET", "/v1/channel", "--key", tmp_path / "k.pem", "--app-id", partner.channel, "--serial",
        outcome.outcome["serial"],
    ).output  # fmt: skip
    answer = city.http.get("/v1/channel", headers=[tuple(line.split(": ", 1)) for line in shown.splitlines()])
    assert answer.status_code == 200


def test_who_signs_may_stand_in_the_environment(key, monkeypatch):
    for name, value in {"PARTNER_APP_ID": "chn_" + "0" * 26, "PARTNER_SERIAL": "ab", "PARTNER_KEY": str(key)}.items():
        monkeypatch.setenv(name, value)
    assert 'serial_no="ab"' in run("sign", "GET", "/").output


def test_two_bodies_are_one_too_many(key, tmp_path):
    (tmp_path / "body").write_bytes(b"{}")
    said = signed(key, "POST", "/", "--data", "{}", "--body", str(tmp_path / "body"), code=2)
    assert "not both" in said
    assert "只能使用一个" in said


def test_the_help_tells_both_ways():
    shown = run("sign", "--help").output
    assert "explain" in shown
    assert "request" in shown
    assert "curl" in run("sign", "request", "--help").output


# ── Explain ──────────────────────────────────────────────────────────────────────────────────────────────────────


def explained(sent: Sent, tmp_path: Path, *more: str, code: int) -> str:
    (tmp_path / "body").write_bytes(sent.body)
    (tmp_path / "headers").write_text(f"> {sent.method} {sent.target} HTTP/1.1\n> Authorization: {sent.header()}\n")
    return run(
        "sign", "explain", sent.method, sent.target, "--headers", tmp_path / "headers", "--body", tmp_path / "body",
        "--public-key", PROVIDER.public_key_of(PLANTED_KEY).hex(), "--origin", ISSUER, *more, code=code,
    ).output  # fmt: skip


_NEEDS_THE_REGISTER = {"serial_unknown", "serial_spelling", "key_of_other_certificate"}
OFFLINE = [
    name
    for name, (code, sent) in PLANTED.items()
    if code not in _NEEDS_THE_REGISTER and "\n" not in sent.header()  # a line end does not survive a file of headers
]


@pytest.mark.parametrize("name", OFFLINE)
def test_each_mistake_is_found_offline_by_the_public_key(tmp_path, name):
    code, sent = PLANTED[name]
    assert code in explained(sent, tmp_path, code=1).splitlines()[-1]


def test_a_right_request_has_nothing_wrong(tmp_path):
    shown = explained(Sent(), tmp_path, code=0)
    assert "nothing is wrong · 未发现问题" in shown
    assert "signature     right" in shown


def test_the_developer_s_own_base_string_is_compared(tmp_path):
    (tmp_path / "theirs").write_bytes(Sent().base()[:-1])
    sent = Sent().but(signed=Sent().base()[:-1])
    shown = explained(sent, tmp_path, "--base-string", str(tmp_path / "theirs"), code=1)
    assert f"differs       at byte {len(Sent().base()) - 1}, in body" in shown
    assert shown.splitlines()[-1] == "Error: last_newline_missing"


def test_another_one_s_certificate_is_found_among_those_given(city, tmp_path):
    partner = make_partner(city)
    other = partner.with_new_key()
    files = []
    for app in (partner, other):
        (tmp_path / app.serial).write_text(pem_of(city, app))
        files += ["--certificate", str(tmp_path / app.serial)]
    header = partner.sign("GET", "/v1/channel", signer=other.signer)
    told = run(
        "sign", "explain", "GET", "/v1/channel", "--header", f"Authorization: {header}", *files, "--json", code=1
    )
    shown = json.loads(told.output[: told.output.rindex("}") + 1])
    assert shown["key"]["state"] == "valid"
    assert [one["code"] for one in shown["diagnosis"]] == ["key_of_other_certificate"]
    assert shown["diagnosis"][0]["detail"] == f"that of {other.serial}"


def pem_of(city: Service, app: PartnerApp) -> str:
    with city.database.transaction() as connection:
        return next(one.pem for one in list_certificates(connection, app.channel) if one.serial == app.serial)


@pytest.mark.parametrize(
    ("name", "sealed"), [("H5-SM2-SM3", {}), ("ENVELOPE-SM2-SM3", {"secret": "yes"}), ("ENVELOPE-SM2-SM3", {})]
)
def test_what_is_encrypted_is_explained_with_the_developer_s_own_secret(city, tmp_path, name, sealed):
    partner = make_partner(city, algorithms=list(ALGORITHMS))
    secret = secret_of(partner)
    sent = FORMS[name](partner, "POST", "/v1/h5-entries", b'{"state":"s"}', **dict.fromkeys(sealed, secret))
    (tmp_path / "secret").write_text(f"{secret}\n")
    (tmp_path / "wrong").write_text("0" * 64)
    opened = ["--envelope-secret", str(tmp_path / "secret")]
    assert "signature     right" in explain_form(partner, sent, tmp_path, *opened, code=0)
    is_encrypted = name == "H5-SM2-SM3" or bool(sealed)
    assert ("give --envelope-secret" in explain_form(partner, sent, tmp_path, code=int(is_encrypted))) is is_encrypted
    if is_encrypted:
        told = explain_form(partner, sent, tmp_path, "--envelope-secret", str(tmp_path / "wrong"), code=1)
        assert "form_unreadable: what is encrypted does not open" in told
    other = make_partner(city)
    assert "signature     wrong" in explain_form(other, sent, tmp_path, *opened, code=1)


def explain_form(partner: PartnerApp, sent: Request, tmp_path: Path, *more: str, code: int) -> str:
    (tmp_path / "body").write_bytes(sent.body)
    headers = [part for name, value in sent.headers.items() for part in ("--header", f"{name}: {value}")]
    return run(
        "sign", "explain", sent.method, sent.target, *headers, "--body", tmp_path / "body", "--public-key",
        partner.signer.public_key.hex(), "--at", f"{partner.service.clock():%Y-%m-%dT%H:%M:%SZ}", "--origin", ISSUER,
        *more, code=code,
    ).output  # fmt: skip


def test_a_header_without_a_colon_is_wrong_usage():
    said = run("sign", "explain", "GET", "/", "--header", "Authorization", code=2).output
    assert "请求头" in said


# ── Listen and trigger ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def partner(city: Service, tmp_path: Path, monkeypatch):
    """A channel in the sandbox whose developer has all in the environment, and whose service is that of the tests."""
    private = random_private_key()
    told = make_told_partner(city)
    told.app = make_partner(city, "sandbox")
    told.app.signer = PROVIDER.signer(private)
    detail = {"public_key": told.app.signer.public_key.hex(), "days": 9}
    told.app.serial = str(change(city, told.app.channel, "certificate", detail).outcome["serial"])
    (tmp_path / "k.pem").write_text(write_pem("PRIVATE KEY", export_pkcs8(private)))
    for name, value in (("APP_ID", told.app.channel), ("SERIAL", told.app.serial), ("KEY", str(tmp_path / "k.pem"))):
        monkeypatch.setenv(f"PARTNER_{name}", value)

    @contextlib.contextmanager
    def opened(_address: str):
        yield city.http

    monkeypatch.setattr("cli.trigger.opened_http", opened)
    monkeypatch.setattr("cli.listen.opened_http", opened)
    return told.app


class Listening:
    """`ecard listen` in a thread, at a port of its own."""

    def __init__(self, monkeypatch, *options: str, count: int, code: int = 0) -> None:
        self.started = threading.Event()
        self.output, self.port = "", 0
        original = cli.listen._serve

        def serve(server, receiver):
            self.port = server.server_port
            self.started.set()
            original(server, receiver)

        monkeypatch.setattr(cli.listen, "_serve", serve)
        arguments = ("listen", "--port", "0", "--count", count, *options)
        self.thread = threading.Thread(target=lambda: setattr(self, "done", self._run(arguments)), daemon=True)
        self.thread.start()
        assert self.started.wait(10)

    def _run(self, arguments) -> Result:
        done = CliRunner().invoke(main, [str(word) for word in arguments], obj=Surroundings(clock=lambda: START))
        self.output = done.output
        return done

    def finished(self, code: int) -> str:
        self.thread.join(20)
        assert self.done.exit_code == code, self.output
        return self.output


def register(city: Service, partner: PartnerApp, port: int) -> None:
    change(city, partner.channel, "endpoint", {"url": f"http://127.0.0.1:{port}/news"})


def test_what_is_triggered_is_received_and_verified(city, partner, monkeypatch):
    listening = Listening(monkeypatch, count=2)
    register(city, partner, listening.port)
    shown = run("trigger", "card.loss_reported", "--card", "sandbox-7", "--count", 2).output
    ids = re.findall(r"^(evt_\w+) position (\d) sequence (\d) card\.loss_reported$", shown, re.MULTILINE)
    assert [one[1:] for one in ids] == [("1", "1"), ("2", "2")]
    while deliver_one(city.runtime.news):
        pass
    received = listening.finished(0)
    for event, _, _ in ids:
        assert f"{event} v1a:good v1sm2:good → 204" in received
    assert '"card":"sandbox-7"' in received
    listed = partner.send("GET", "/v1/news").json()["items"]
    assert [one["id"] for one in listed] == [one[0] for one in ids]


def test_a_receiver_that_fails_is_tried_again_with_the_same_id(city, partner, monkeypatch):
    listening = Listening(monkeypatch, "--status", "503", "--times", "1", count=2)
    register(city, partner, listening.port)
    event = re.search(r"evt_\w+", run("trigger", "card.issued").output)[0]
    assert deliver_one(city.runtime.news)
    city.clock.step(20)
    assert deliver_one(city.runtime.news)
    received = listening.finished(0)
    assert f"{event} v1a:good v1sm2:good → 503" in received
    assert f"{event} again v1a:good v1sm2:good → 204" in received


def test_what_is_not_proven_is_refused_and_ends_in_code_1(city, partner, monkeypatch):
    listening = Listening(monkeypatch, count=3)
    url = f"http://127.0.0.1:{listening.port}/news"
    body, at = b'{"type":"card.issued"}', START
    good = city.runtime.news.keys().sign("evt_1", at, body)
    late = city.runtime.news.keys().sign("evt_2", at + timedelta(seconds=301), body)
    assert httpx.post(url, content=body, headers=good, trust_env=False).status_code == 204
    assert httpx.post(url, content=body + b" ", headers=good, trust_env=False).status_code == 401
    assert httpx.post(url, content=body, headers=late, trust_env=False).status_code == 401
    received = listening.finished(1)
    assert "v1a:WRONG v1sm2:WRONG" in received
    assert "STALE (-301 s)" in received
    assert "2 of 3 messages were not proven · 有通知未通过验签" in received


def test_one_right_signature_is_enough_and_the_other_one_is_shown(city):
    keys = city.runtime.news.keys().published(START)
    only = Receiver([key for key in keys if key["version"] == "v1sm2"], PROVIDER, lambda: START, 204, None, 0, None)
    assert only.take(city.runtime.news.keys().sign("evt_1", START, b"{}"), b"{}") == 204
    assert only.unproven == 0


@pytest.mark.parametrize("headers", [{}, {"webhook-signature": "v1a,!"}, {"webhook-timestamp": "x"}])
def test_no_message_breaks_the_receiver(city, headers):
    keys = city.runtime.news.keys().published(START)
    receiver = Receiver(keys, PROVIDER, lambda: START, 204, None, 0, None)
    assert receiver.take(headers, b"\xff") == 401


def test_a_live_channel_triggers_nothing(city, partner):
    for step in ("reviewed", "live"):
        move(city, partner.channel, step)
    assert "403 sandbox_only" in run("trigger", "card.issued", code=1).output


def test_a_service_that_is_away_ends_in_one_line_in_both_languages(key, monkeypatch):
    given = ["--key", key, "--app-id", "chn_" + "0" * 26, "--serial", "ab", "--address", "http://127.0.0.1:1"]
    said = run("trigger", "card.issued", *given, code=3).output
    assert re.search(r"^Error: http://127.0.0.1:1 does not answer · 服务无响应: \w+$", said, re.MULTILINE)
    assert "服务无响应" in run("listen", "--address", "http://127.0.0.1:1", code=3).output


def test_an_address_without_a_scheme_is_told_what_it_lacks(key):
    given = ["--key", key, "--app-id", "chn_" + "0" * 26, "--serial", "ab", "--address", "127.0.0.1:8460"]
    assert "127.0.0.1:8460 has to begin with http://" in run("trigger", "card.issued", *given, code=1).output


def test_who_is_not_named_is_told_the_environment_variable_that_names_them(monkeypatch):
    monkeypatch.delenv("PARTNER_APP_ID", raising=False)
    assert "PARTNER_APP_ID" in run("sign", "GET", "/v1/channel", code=2).output


def test_what_of_a_request_cannot_be_signed_is_named(key):
    given = ["--key", key, "--app-id", "chn_" + "0" * 26, "--serial", "ab"]
    assert "path has characters" in run("sign", "GET", "v1/channel", *given, code=1).output


def test_keys_in_a_file_spare_asking_for_them(city, tmp_path):
    (tmp_path / "keys.json").write_text("{}")
    assert "不是 GET /v1/news-keys" in run("listen", "--keys", tmp_path / "keys.json", code=1).output
