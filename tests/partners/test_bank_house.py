"""The bank as a program: what it imports, what it refuses, who may do what with it."""

import ast
import json
import stat
import sys
from dataclasses import replace

import httpx
import pytest
from bank.calls import AnswerNotProven, Call, Calling, CardServiceRefused, CardServiceSilent
from bank.customers import read_customers
from bank.database import Database
from bank.pages import COOKIE
from bank.place import NotReady, read_partner
from bank.proofs import open_proofs
from bank.sessions import FRESH_SECONDS, begin_session
from ecard_client import AnswerKeys

from sm import city_keys
from sm.der import write_pem
from tests.channels.partners import WAY_UP, apply, change, move
from tests.partners.bank_of_tests import customer_row, make_home
from tests.service import ISSUER, test_store
from tests.test_tree import LONGEST_FILE, PACKAGES, ROOT

FOLDER = ROOT / "deploy" / "partners" / "bank"
FILES = sorted(FOLDER.glob("*.py"))
A_PARTNER_HAS = {"bank", "click", "cryptography", "ecard_client", "flask", "httpx", "qrcode", "werkzeug"}
ORIGIN = "https://bank.example"


def imported_by(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            yield node.module.split(".")[0]


def test_the_bank_imports_what_a_partner_has_and_nothing_of_ours():
    found = {name for file in FILES for name in imported_by(file)} - sys.stdlib_module_names
    assert found <= A_PARTNER_HAS
    assert not found & {*PACKAGES, "tests"}


def test_the_bank_s_files_are_short():
    assert [file.name for file in FILES if len(file.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE] == []


def test_pages_ask_nobody_else():
    texts = [file.read_text(encoding="utf-8") for file in (*FOLDER.glob("templates/*"), *FOLDER.glob("static/*"))]
    assert texts
    assert not any("//" in text.replace("// ", "") for text in texts)


# ── Starting ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("told", "environment"),
    [
        ({"environment": "production"}, {}),
        ({}, {"BANK_ENVIRONMENT": "production"}),
        ({}, {"ECARD_ENVIRONMENT": "production"}),
    ],
)
def test_the_bank_refuses_to_run_in_production(tmp_path, told, environment):
    home = make_home(tmp_path, **told)
    with pytest.raises(NotReady, match="production"):
        read_partner(home, environment)


@pytest.mark.parametrize(
    "told",
    [
        {"issuer": "https://card.gov.cn"},
        {"issuer": "http://10.0.0.7:8460"},
        {"issuer": "http://card.gov.cn", "environment": "sandbox"},
    ],
)
def test_example_keys_are_for_a_card_service_on_this_machine_or_a_sandbox_over_tls(tmp_path, told):
    with pytest.raises(NotReady):
        read_partner(make_home(tmp_path, **told), {})


@pytest.mark.parametrize(
    "told", [{}, {"issuer": "http://127.0.0.1:8460"}, {"issuer": "https://card.gov.cn", "environment": "sandbox"}]
)
def test_such_a_card_service_will_do(tmp_path, told):
    assert read_partner(make_home(tmp_path, **told), {}).channel


def test_a_customer_who_may_be_real_is_refused_without_being_named(tmp_path):
    number = "11010519491231002X"
    home = make_home(tmp_path, [customer_row(1, social_security_number=number)])
    with pytest.raises(NotReady) as refused:
        read_customers(home)
    assert number not in str(refused.value)


def test_only_the_owner_reads_what_the_bank_keeps(tmp_path):
    home = make_home(tmp_path / "bank")
    Database(home.database)
    files = [path for path in home.folder.rglob("*") if path.is_file()]
    assert {"bank.sqlite3", "signing.pem", "client.pem", "tls.pem"} <= {path.name for path in files}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_without_the_ministry_s_certificate_the_bank_does_not_start(tmp_path):
    home = make_home(tmp_path)
    with pytest.raises(NotReady, match="ministry"):
        open_proofs(home, read_partner(home, {}), Calling(httpx.Client()))


# ── Calling ──────────────────────────────────────────────────────────────────────────────────────────────────────


def calling(answers, seen):
    def answer(request):
        seen.append(request)
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="https://card.example")
    return Calling(http, pause=lambda _seconds: None)


def sign_by_count():
    tries = iter(range(10))
    return lambda _call: {"Authorization": f"try {next(tries)}"}


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectTimeout("late"),
        httpx.ReadError("cut"),
        httpx.Response(503),
        httpx.Response(429, json={"code": "limited"}),
        httpx.Response(409, json={"code": "request_in_progress"}),
        httpx.Response(200, text="<html>"),
    ],
    ids=lambda fault: getattr(fault, "status_code", type(fault).__name__),
)
def test_a_call_is_sent_again_under_its_key_and_signed_anew(fault):
    seen = []
    sent = calling([fault, httpx.Response(200, json={"id": "crg_1"})], seen).send(Call("POST", "/x"), sign_by_count())
    assert sent == {"id": "crg_1"}
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 1
    assert [request.headers["Authorization"] for request in seen] == ["try 0", "try 1"]


def test_a_refusal_is_not_asked_again():
    seen = []
    refusal = httpx.Response(403, json={"code": "scope_missing", "title": "缺少权限", "request_id": "req_1"})
    with pytest.raises(CardServiceRefused) as refused:
        calling([refusal], seen).send(Call("POST", "/x"), sign_by_count())
    assert (refused.value.code, refused.value.title, refused.value.request_id) == ("scope_missing", "缺少权限", "req_1")
    assert len(seen) == 1


def test_after_three_tries_the_card_service_is_silent():
    seen = []
    with pytest.raises(CardServiceSilent):
        calling([httpx.Response(500)] * 3, seen).send(Call("GET", "/x"), sign_by_count())
    assert len(seen) == 3


# ── Signed calls ─────────────────────────────────────────────────────────────────────────────────────────────────


def registered(bank):
    """Let the card centre know the bank's own key: give back proofs that sign as a live channel."""
    channel = apply(bank.service)
    detail = {"public_key": bank.proofs.key.public_key.hex(), "days": 30}
    serial = change(bank.service, channel, "certificate", detail).outcome["serial"]
    for step in WAY_UP["live"]:
        move(bank.service, channel, step)
    return replace(bank.proofs, partner=replace(bank.proofs.partner, channel=channel, serial=serial))


def tampering(bank, change):
    """Let somebody on the way change the answer to a call of the bank's."""

    def answer(request):
        given = bank.service.http.send(httpx.Request(request.method, request.url, headers=request.headers))
        body, headers = change(given.content, dict(given.headers))
        return httpx.Response(given.status_code, content=body, headers=headers)

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url=ISSUER)
    return Calling(http, pause=lambda _seconds: None)


def without(name):
    return lambda body, headers: (body, {key: value for key, value in headers.items() if key != name})


def test_the_card_service_takes_the_bank_s_signature_and_the_bank_its_answer(bank):
    proofs = registered(bank)
    assert proofs.call(Call("GET", "/v1/channel"))["id"] == proofs.partner.channel
    assert proofs.call(Call("GET", "/v1/news?after=0&limit=5"))["items"] == []


@pytest.mark.parametrize(
    "change",
    [lambda body, headers: (body.replace(b"live", b"dead"), headers), without("essc-signature")],
    ids=["another body", "no signature"],
)
def test_an_answer_that_was_changed_on_its_way_is_no_answer(bank, change):
    proofs = registered(bank)
    with pytest.raises(AnswerNotProven):
        replace(proofs, calling=tampering(bank, change)).call(Call("GET", "/v1/channel"))


def test_another_ministry_is_not_believed(bank):
    body = json.dumps(bank.question()).encode()
    other = city_keys.read_hierarchy(test_store()).ministry
    bank.proofs.published.platform = AnswerKeys(write_pem("CERTIFICATE", other.der))
    assert bank.ask(body, bank.sign(body)).status_code == 401


# ── The switches ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_switches_show_how_they_stand(bank):
    bank.control("POST", body={"name": "port", "fault": "slow", "seconds": 5})
    assert bank.control("GET").get_json() == {"port": "slow", "webhooks": "ok"}


@pytest.mark.parametrize(
    "headers",
    [{"Control-Token": "wrong"}, {"Control-Token": ""}, {"Origin": "http://127.0.0.1:8472"}, {"Host": "bank.example"}],
)
def test_nobody_but_a_program_with_the_token_reaches_the_switches(bank, headers):
    assert bank.control("GET", **headers).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"name": "port", "fault": "burn"},
        {"name": "x", "fault": "ok"},
        {"name": "port", "fault": "ok", "seconds": 1e9},
    ],
)
def test_there_are_no_other_switches(bank, body):
    assert bank.control("POST", body=body).status_code == 400


# ── Pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def signed_in(bank):
    with bank.desk.database.transaction() as connection:
        cookie = begin_session(connection, "62000001", bank.desk.seconds)
    bank.front.set_cookie(COOKIE, cookie, domain="bank.example", secure=True)


def open_page(bank, path):
    return bank.front.get(path, base_url=ORIGIN)


def post(bank, path, origin=ORIGIN, **form):
    headers = {"Origin": origin} if origin else {}
    return bank.front.post(path, data=form, headers=headers, base_url=ORIGIN)


@pytest.mark.parametrize("path", ["/", "/card", "/card/uses", "/card/back?state=x&code=y"])
def test_a_page_needs_a_session(bank, path):
    told = open_page(bank, path)
    assert (told.status_code, told.headers["Location"]) == (303, "/sign-in")


def test_every_page_has_a_strict_policy_and_is_kept_nowhere(bank):
    signed_in(bank)
    for path in ("/sign-in", "/", "/card", "/nowhere"):
        told = open_page(bank, path)
        policy = told.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self' https://card.example;" in policy
    assert open_page(bank, "/card").headers["Cache-Control"] == "no-store"


def test_signing_in_sets_a_cookie_for_this_host_alone(bank):
    told = post(bank, "/sign-in", customer="62000001")
    cookie = told.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


def test_another_site_signs_nobody_in(bank):
    assert "Set-Cookie" not in post(bank, "/sign-in", origin="https://evil.example", customer="62000001").headers


@pytest.mark.parametrize("origin", [ORIGIN, "https://evil.example", "null", None])
@pytest.mark.parametrize("path", ["/card/sign", "/card/loss", "/card/end", "/card/issue", "/card/code", "/sign-out"])
def test_a_form_without_the_session_s_token_does_nothing(bank, path, origin):
    signed_in(bank)
    assert post(bank, path, origin, form_token="guessed").status_code == 400
    assert bank.rows("SELECT count(*) FROM acts") == [(0,)]


def test_a_login_that_is_too_old_is_made_again(bank):
    signed_in(bank)
    bank.service.clock.step(FRESH_SECONDS - 1)
    assert open_page(bank, "/").status_code == 200
    bank.service.clock.step(1)
    assert open_page(bank, "/").headers["Location"] == "/sign-in?error=sign_in_again"


def test_a_customer_s_number_is_shown_masked(bank):
    signed_in(bank)
    shown = open_page(bank, "/card").text
    assert customer_row(1)["social_security_number"] not in shown
    assert customer_row(1)["name"] not in shown


def test_an_answer_to_a_journey_that_was_not_begun_here_does_nothing(bank):
    signed_in(bank)
    told = open_page(bank, "/card/back?state=x&code=y&iss=https://card.example")
    assert told.status_code == 409
    assert bank.rows("SELECT count(*) FROM links") == [(0,)]


def test_errors_are_told_in_both_languages(bank):
    signed_in(bank)
    told = open_page(bank, "/card/uses")
    assert told.status_code == 409
    assert "您还没有关联电子社保卡。" in told.text
    assert "No card is linked yet." in told.text


def test_a_card_service_that_is_away_is_told_and_nothing_is_lost(bank):
    def away(_request):
        raise httpx.ConnectError("away")

    signed_in(bank)
    bank.desk.service.authorization.calling.http = httpx.Client(
        transport=httpx.MockTransport(away), base_url="https://c"
    )
    token = bank.rows("SELECT form_token FROM sessions")[0][0]
    told = post(bank, "/card/issue", form_token=token)
    assert told.status_code == 503
    assert bank.rows("SELECT act, state FROM acts") == [("issue", "open")]
