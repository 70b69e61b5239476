"""`ecard enrol` and the software behind it, against the running service."""

import contextlib
import re
import stat

import httpx
import pytest
from click.testing import CliRunner

import cli.enrol
from cli.enrol import enrol, enrol_with
from cli.terminal_software import NotEnrolled, TerminalSoftware
from cli.till import Till
from sm.der import import_pkcs8, read_pem
from tests.device_flow.terminals_of_tests import new_key
from tests.service import ISSUER, PROVIDER


class Counter:
    """A counter whose waiting lets the clock run, and whose operator acts in the meantime."""

    def __init__(self, town, acts) -> None:
        self.town = town
        self.acts = list(acts)
        self.waits: list[float] = []
        self.operator = town.operator()

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.town.service.clock.step(seconds)
        if self.acts:
            self.acts.pop(0)()

    def software(self, http: httpx.Client | None = None) -> TerminalSoftware:
        client = self.town.software().client.id
        opened = http or self.town.service.http
        return TerminalSoftware(opened, ISSUER, client, now=self.town.service.clock, pause=self.pause)


def nothing() -> None:
    """Let time pass."""


def test_the_software_waits_and_registers(fresh):
    counter = Counter(fresh, [])
    software, signer = counter.software(), new_key()
    asked = software.ask()
    counter.acts = [
        lambda: fresh.type_code(counter.operator, asked.user_code),
        lambda: fresh.allow(counter.operator),
    ]
    made = software.register(software.wait(asked), signer)
    assert counter.waits == [5, 5]
    till = Till(fresh.service.http, made["terminal"], made["serial"], signer, fresh.service.clock)
    assert till.redeem(fresh.phone.code("medical").json()["code"], "medical").status_code == 201


def test_the_software_waits_longer_when_it_is_told_to(town):
    counter = Counter(town, [])
    software = counter.software()
    asked = software.ask()
    counter.acts = [nothing, lambda: town.service.clock.step(-4), nothing]
    with pytest.raises(NotEnrolled, match="expired_token"):
        software.wait(asked)
    assert counter.waits[:4] == [5, 5, 10, 10]


def test_a_refusal_ends_the_waiting(town):
    counter = Counter(town, [])
    software = counter.software()
    asked = software.ask()
    counter.acts = [lambda: town.type_code(counter.operator, asked.user_code), lambda: town.refuse(counter.operator)]
    with pytest.raises(NotEnrolled, match="access_denied"):
        software.wait(asked)


class Shaky(httpx.BaseTransport):
    """A network that loses the answers whose numbers it was given."""

    def __init__(self, town, lost: set[int]) -> None:
        self.inner = httpx.WSGITransport(app=town.service.app)
        self.lost = lost
        self.sent = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        answer = self.inner.handle_request(request)
        if self.sent in self.lost:
            answer.read()
            raise httpx.ReadTimeout("lost", request=request)
        return answer


def test_lost_answers_of_polls_and_registrations_do_no_harm(town):
    counter = Counter(town, [])
    http = httpx.Client(transport=Shaky(town, {2, 4}), base_url=ISSUER)
    software = counter.software(http)
    asked = software.ask()
    counter.acts = [nothing, lambda: (town.type_code(counter.operator, asked.user_code), town.allow(counter.operator))]
    granted = software.wait(asked)
    made = software.register(granted, new_key())
    assert counter.waits == [5, 10, 1]
    assert made["name"] == "3 号收银台"


# ── The command ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(town, monkeypatch, tmp_path):
    counter = Counter(town, [])
    monkeypatch.setattr(cli.enrol, "_open_http", lambda _address, _ca: town.service.http)
    monkeypatch.setattr(cli.enrol, "closing", contextlib.nullcontext)
    monkeypatch.setattr(cli.enrol.time, "sleep", counter.pause)

    class Now:
        @staticmethod
        def now(_zone):
            return town.service.clock()

    monkeypatch.setattr(cli.enrol, "datetime", Now)

    def run(*more: str, client: str | None = None, answer: str = "allow"):
        original = cli.enrol._show

        def show(asked, language):
            original(asked, language)
            counter.operator = town.operator()
            counter.acts = [
                lambda: town.type_code(counter.operator, asked.user_code),
                lambda: getattr(town, answer)(counter.operator),
            ]

        monkeypatch.setattr(cli.enrol, "_show", show)
        given = [
            "--issuer",
            ISSUER,
            "--client",
            client or town.software().client.id,
            "--key",
            str(tmp_path / "till.pem"),
        ]
        return CliRunner().invoke(enrol, [*given, *more])

    return run


def test_the_command_shows_the_code_and_keeps_the_key_to_itself(town, run, tmp_path):
    done = run()
    assert done.exit_code == 0, done.output
    assert f"{ISSUER}/device" in done.stderr
    assert "█" in done.stderr
    said = dict(re.findall(r"^(terminal|serial) +(\w+)$", done.stdout, re.MULTILINE))
    file = tmp_path / "till.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    signer = PROVIDER.signer(import_pkcs8(read_pem("PRIVATE KEY", file.read_text())))
    till = Till(town.service.http, said["terminal"], said["serial"], signer, town.service.clock)
    assert till.redeem("1" * 20, "medical").status_code != 401
    assert signer.public_key.hex() not in done.output


def test_the_command_says_who_refused(run, tmp_path):
    done = run("--language", "en", answer="refuse")
    assert done.exit_code == 1
    assert "access_denied" in done.stderr
    again = run()
    assert again.exit_code == 0  # the key that was made before is taken
    assert (tmp_path / "till.pem").exists()


def test_a_key_that_is_a_terminal_s_already_is_refused(run):
    assert run().exit_code == 0
    again = run()
    assert again.exit_code == 1
    assert "terminal_key_known" in again.stderr


def test_what_is_not_safe_is_wrong_usage(town, run, tmp_path):
    assert run("--issuer", "http://card.example").exit_code == 2
    file = tmp_path / "till.pem"
    file.write_text("no key")
    file.chmod(0o644)
    assert "chmod 600" in run().stderr
    file.chmod(0o600)
    assert run().exit_code == 2


def test_an_unknown_client_is_told_so(run):
    done = run(client="cli_" + "0" * 26)
    assert done.exit_code == 1
    assert "invalid_client" in done.stderr


def test_a_service_that_does_not_answer_is_unavailable(town):
    def away(_request):
        raise httpx.ConnectError("away")

    http = httpx.Client(transport=httpx.MockTransport(away), base_url=ISSUER)
    with pytest.raises(cli.NotAvailable):
        enrol_with(Counter(town, []).software(http), new_key(), "zh")
