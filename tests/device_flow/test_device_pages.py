"""The pages at /device without a script: the whole story over HTTP, and what is refused on the way."""

import re
from string import Formatter

import pytest
import sqlalchemy as sa

from auth.login.models import logins
from auth.oauth.models import device_authorizations
from auth.parties import PURPOSES, set_purposes
from tests.device_flow.terminals_of_tests import Software, Town
from tests.login.robot import RobotHolder
from tests.pages.visitors import Browser
from tests.service import ISSUER
from web.device.texts import DEVICE_TEXTS

DETAILS = {"name": "3 号收银台", "site": "示范路 1 号", "purpose.medical": "yes", "compared": "yes"}


def at_the_page(town: Town, address: str = "/device", **headers: str) -> Browser:
    """Bring a browser of the operator to the page behind the login."""
    browser = Browser(town.service, RobotHolder(town.service, town.phone), **headers)
    browser.open(address).send("/sign-in")
    browser.answer = browser.robot.log_in(browser.http, browser.path)
    return browser


def scanned(software: Software) -> str:
    """The address in the terminal's QR code, as the operator's browser opens it."""
    address: str = software.asked["verification_uri_complete"]
    return address.removeprefix(ISSUER)


def button(browser: Browser, ending: str) -> str:
    """Find the address of a form's second button."""
    form = browser.form("/allow")
    return next(given["formaction"] for given in form.buttons if given.get("formaction", "").endswith(ending))


def refuse(browser: Browser) -> Browser:
    form = browser.form("/allow")
    return browser.open(browser.robot.submit(browser.http, form, button(browser, "/refuse")).headers["Location"])


# ── The story ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_pharmacy_enrols_its_own_scanner(both):
    software = both.software()
    software.ask()
    browser = at_the_page(both).send("/code", user_code=software.asked["user_code"].lower())
    assert software.asked["user_code"] in browser.answer.text
    assert software.poll().json()["error"] == "authorization_pending"
    browser.send("/allow", **DETAILS)
    assert (browser.path, browser.answer.status_code) == ("/device/allowed", 200)
    assert software.poll().status_code == 200
    made = software.register().json()
    assert (made["name"], made["purposes"]) == ("3 号收银台", ["medical"])
    till = software.till(made)
    assert till.redeem(both.phone.code("medical").json()["code"], "medical").status_code == 201


def test_the_terminal_s_qr_code_leads_to_the_page_that_shows_its_code_for_comparison(town, software):
    software.ask()
    start = Browser(town.service, RobotHolder(town.service, town.phone)).open(scanned(software))
    assert software.asked["user_code"] in start.answer.text
    browser = at_the_page(town, scanned(software))
    assert software.asked["user_code"] in browser.answer.text
    assert browser.form("/allow")
    assert software.asked["user_code"] not in str(browser.answer.url)
    browser.send("/allow", **DETAILS)
    assert software.poll().status_code == 200


def test_an_operator_refuses(town, software):
    software.ask()
    browser = refuse(at_the_page(town, scanned(software)))
    assert (browser.path, browser.answer.status_code) == ("/device/refused", 200)
    assert software.poll().json()["error"] == "access_denied"


def test_one_login_lets_in_one_terminal(town, software):
    software.ask()
    browser = at_the_page(town, scanned(software))
    page = browser.path
    browser.send("/allow", **DETAILS)
    assert browser.open(page).answer.status_code == 410


def test_nothing_is_allowed_before_the_operator_says_that_he_compared(town, software):
    software.ask()
    browser = at_the_page(town, scanned(software))
    browser.send("/allow", **{**DETAILS, "compared": "no"})
    assert browser.answer.status_code == 409
    assert software.poll().json()["error"] == "authorization_pending"
    kept = browser.form("/allow").fields
    assert (kept["name"], kept["site"], kept["purpose.medical"]) == ("3 号收银台", "示范路 1 号", "yes")
    assert "compared" not in kept
    assert browser.send("/allow", **DETAILS).path == "/device/allowed"


def test_what_is_allowed_is_what_the_page_has_shown(town, software):
    """In another window, or by a link that was sent, the same login may have taken another terminal's code."""
    stranger = town.software()
    software.ask(), stranger.ask()
    browser = at_the_page(town).send("/code", user_code=software.asked["user_code"])
    form, page = browser.form("/allow"), browser.path
    again = {"form_token": form.fields["form_token"], "user_code": stranger.asked["user_code"]}
    assert browser.http.post(f"{page}/code", data=again).status_code == 303
    browser.follow(browser.robot.submit(browser.http, form, **DETAILS))
    assert (browser.answer.status_code, browser.path) == (409, f"{page}/allow")
    assert stranger.asked["user_code"] in browser.answer.text
    for each in (software, stranger):
        assert each.poll().json()["error"] == "authorization_pending"


@pytest.mark.parametrize("shown", [None, "", "x", "BCDF-GHJK"])
def test_a_permission_without_the_code_that_was_shown_is_none(town, software, shown):
    software.ask()
    browser = at_the_page(town, scanned(software))
    fields = {**browser.form("/allow").fields, **DETAILS, "user_code": shown}
    sent = {name: value for name, value in fields.items() if value is not None}
    assert browser.http.post(f"{browser.path}/allow", data=sent).status_code == 409
    assert software.poll().json()["error"] == "authorization_pending"


def test_going_back_to_the_login_does_not_bring_the_code_of_the_link_again(town, software):
    stranger = town.software()
    software.ask(), stranger.ask()
    browser = at_the_page(town, scanned(stranger))
    typed = {**browser.form("/allow").fields, "user_code": software.asked["user_code"]}
    assert browser.http.post(f"{browser.path}/code", data=typed).status_code == 303
    browser.open(browser.path.replace("/device/", "/login/"))
    assert browser.path.startswith("/device/")
    assert software.asked["user_code"] in browser.answer.text
    assert stranger.asked["user_code"] not in browser.answer.text


def test_an_institution_of_letters_that_no_database_keeps_is_refused(both):
    software = both.software()
    software.ask()
    browser = at_the_page(both, scanned(software)).send("/allow", **{**DETAILS, "institution": "ins_\x00"})
    assert browser.answer.status_code == 403


def test_the_page_says_from_where_the_terminal_asks(fresh):
    software = fresh.software()
    software.ask()
    assert "与本浏览器同一网络" in at_the_page(fresh, scanned(software)).answer.text
    with fresh.service.database.transaction() as connection:
        connection.execute(device_authorizations.update().values(address="203.0.113.9", login=None))
    elsewhere = at_the_page(fresh, scanned(software)).answer.text
    assert "203.0.113.9" in elsewhere
    assert "如果终端不在您面前，请拒绝。" in elsewhere


@pytest.mark.parametrize(("authentication", "said"), [("none", "无法核实"), ("private_key_jwt", "登记的密钥")])
def test_the_page_says_whether_the_software_has_proven_itself(town, authentication, said):
    software = town.software(authentication)
    software.ask()
    assert said in at_the_page(town, scanned(software)).answer.text


def test_the_page_speaks_english(town, software):
    software.ask()
    browser = at_the_page(town, scanned(software), **{"Accept-Language": "en"})
    assert browser.answer.headers["Content-Language"] == "en"
    assert "Let this terminal in?" in browser.answer.text
    assert "Example Till" in browser.answer.text
    assert "终端" not in re.sub(r"<a class=\"switch\".*?</a>", "", browser.answer.text)


# ── Institutions and purposes ────────────────────────────────────────────────────────────────────────────────────


def test_an_operator_of_two_institutions_chooses(fresh):
    other = fresh.service.add_institution("hospital", purposes=["identity"])
    fresh.appoint(fresh.phone.card, other)
    software = fresh.software()
    software.ask()
    browser = at_the_page(fresh, scanned(software))
    chosen = next(link for link in browser.page.links if other in link)
    browser.open(chosen.removeprefix(ISSUER))
    assert "purpose.identity" in browser.answer.text
    assert "purpose.medical" not in browser.answer.text
    browser.send("/allow", **{**DETAILS, "purpose.medical": "no", "purpose.identity": "yes"})
    assert browser.path == "/device/allowed"
    software.poll()
    assert software.register().json()["institution"]["id"] == other


def test_a_form_that_names_more_than_the_page_offered_is_refused(town, software):
    software.ask()
    browser = at_the_page(town, scanned(software))
    for more in ({"purpose.gate": "yes"}, {"institution": town.service.add_institution()}, {"name": "x" * 101}):
        browser.send("/allow", **{**DETAILS, **more})
        assert browser.answer.status_code in {400, 403}
    assert software.poll().json()["error"] == "authorization_pending"


def test_where_no_purposes_are_allowed_the_page_says_so(fresh):
    with fresh.service.database.transaction() as connection:
        set_purposes(connection, fresh.institution, [])
    software = fresh.software()
    software.ask()
    assert "仅可作为读卡终端" in at_the_page(fresh, scanned(software)).answer.text


# ── Who may not ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_holder_whom_nobody_appointed_is_told_so(fresh):
    software = fresh.software()
    software.ask()
    stranger = Town(fresh.service, fresh.service.enroll(card=fresh.service.make_card(2)), fresh.institution)
    browser = at_the_page(stranger, scanned(software))
    assert browser.answer.status_code == 403
    assert "社保卡中心未指定" in browser.answer.text
    assert software.asked["user_code"] not in browser.answer.text


def test_a_wrong_code_is_said_to_be_one_and_counted(fresh):
    browser = at_the_page(fresh)
    for number in range(10):
        browser.send("/code", user_code="BCDF-GHJ" + "BCDFGHJKLM"[number])
        assert browser.answer.status_code == 404
    browser.send("/code", user_code="BCDF-GHJN")
    assert (browser.answer.status_code, browser.answer.headers["Retry-After"]) == (429, "3600")
    software = fresh.software()
    software.ask()
    assert browser.send("/code", user_code=software.asked["user_code"]).answer.status_code == 429


def test_a_link_whose_code_is_over_asks_for_the_code_of_now(town, software):
    software.ask()
    address = scanned(software)
    town.service.clock.step(601)
    browser = at_the_page(town, address)
    assert "链接中的代码已失效" in browser.answer.text
    software.ask()
    assert browser.send("/code", user_code=software.asked["user_code"]).form("/allow")


def test_another_browser_cannot_go_on_with_the_login(town, software):
    software.ask()
    page = at_the_page(town, scanned(software)).path
    other = Browser(town.service, RobotHolder(town.service, town.phone)).open("/device")
    for path in (page, f"{page}/code"):
        assert other.open(path).answer.status_code == 410
    sent = other.http.post(f"{page}/allow", data=DETAILS, headers={"Accept": "text/html", "Origin": ISSUER})
    assert sent.status_code == 403


def test_whoever_had_the_browser_before_cannot_wait_at_the_operator_s_login(town, software):
    """On a machine that many use somebody may know the cookie; the login has a name that he cannot know."""
    software.ask()
    thief = Browser(town.service, RobotHolder(town.service, town.phone)).open("/device").send("/sign-in")
    operator = Browser(town.service, RobotHolder(town.service, town.phone))
    operator.http.cookies = thief.http.cookies
    operator.open("/device").send("/sign-in")
    assert operator.login != thief.login
    operator.answer = operator.robot.log_in(operator.http, operator.path)
    assert thief.open(thief.path).answer.status_code == 410
    thief.open("/device").send("/sign-in")
    assert thief.login != operator.login
    assert thief.open(f"/device/{thief.login}").path == f"/login/{thief.login}"


@pytest.mark.parametrize("ending", ["code", "allow", "refuse"])
@pytest.mark.parametrize(
    "change",
    [
        {"form_token": None},
        {"form_token": "x" * 43},
        {"form_token": "é"},
        {"Origin": "https://elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_forms_that_our_page_did_not_send_do_nothing(town, software, ending, change):
    software.ask()
    browser = at_the_page(town, scanned(software))
    fields = {**browser.form("/allow").fields, **DETAILS}
    headers = {"Accept": "text/html", "Origin": ISSUER}
    for name, value in change.items():
        (fields if name == "form_token" else headers)[name] = value
    sent = {name: value for name, value in fields.items() if value is not None}
    assert browser.http.post(f"{browser.path}/{ending}", data=sent, headers=headers).status_code == 403
    assert software.poll().json()["error"] == "authorization_pending"


def test_the_page_of_a_login_that_is_not_confirmed_leads_to_the_login(town):
    browser = Browser(town.service, RobotHolder(town.service, town.phone)).open("/device").send("/sign-in")
    login = browser.login
    answer = browser.robot.get(browser.http, f"/device/{login}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/login/{login}")


def test_a_login_for_something_else_lets_no_terminal_in(town, software):
    software.ask()
    browser = at_the_page(town, scanned(software))
    with town.service.database.transaction() as connection:
        mine = logins.update().where(logins.c.id == browser.login)
        connection.execute(mine.values(purpose="account"))
    assert browser.open(browser.path).answer.status_code == 410


@pytest.mark.parametrize("login", ["x", "lgn_" + "0" * 26, "allowed.", "..", "%00", "é"])
def test_pages_that_never_were_are_over(town, login):
    browser = Browser(town.service, RobotHolder(town.service, town.phone))
    assert browser.open(f"/device/{login}").answer.status_code in {400, 404, 410}


@pytest.mark.parametrize(
    "given",
    ["<script>alert(1)</script>", "BCDF-GHJ", "x" * 3000, "%ff", "%00", "BCDF-GHJ%3Cb%3E", "BCDF-GHJK&user_code=z"],
)
def test_what_an_address_carries_is_shown_only_if_it_is_a_code(town, given):
    answer = Browser(town.service, RobotHolder(town.service, town.phone)).open(f"/device?user_code={given}").answer
    assert answer.status_code in {200, 400}
    assert "<script>alert" not in answer.text
    assert "GHJ<" not in answer.text.replace("GHJK<", "")


def test_an_operator_who_cancels_the_login_begins_again(town):
    browser = Browser(town.service, RobotHolder(town.service, town.phone)).open("/device").send("/sign-in")
    assert browser.send("/deny").path == "/device"


def test_the_pages_load_nothing_from_elsewhere(town, software):
    software.ask()
    browser = at_the_page(town, scanned(software))
    policy = browser.answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert browser.answer.headers["Cache-Control"] == "no-store"


# ── Nothing is given away ────────────────────────────────────────────────────────────────────────────────────────


def test_no_code_and_no_name_stands_in_logs_or_rows(fresh, capsys):
    software = fresh.software()
    software.ask()
    browser = at_the_page(fresh, scanned(software))
    browser.send("/allow", **{**DETAILS, "compared": "no"})
    browser.send("/allow", **DETAILS)
    software.poll()
    software.register()
    written = "".join(capsys.readouterr())
    code = software.asked["user_code"]
    secrets = {code, code.replace("-", ""), software.asked["device_code"], software.granted["access_token"]}
    assert [secret for secret in {*secrets, "3 号收银台", "示范路 1 号"} if secret in written] == []
    with fresh.service.database.transaction() as connection:
        tables = [name for name in sa.inspect(connection).get_table_names() if name != "alembic_version"]
        rows = "".join(str(connection.execute(sa.text(f'SELECT * FROM "{name}"')).all()) for name in tables)
    assert [secret for secret in secrets if secret in rows] == []
    for told in (repr(software.service.runtime.oauth.desk), str(browser.answer.url)):
        assert code not in told


def test_every_sentence_is_there_in_both_languages():
    for name, text in DEVICE_TEXTS.items():
        assert text.zh
        assert text.en, name
        assert not any(field for sentence in (text.zh, text.en) for _, field, _, _ in Formatter().parse(sentence)), name
    assert {name.partition(".")[2] for name in DEVICE_TEXTS if name.startswith("purpose.")} == set(PURPOSES)
