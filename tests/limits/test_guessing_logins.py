"""The same for logins, terminals' codes and what a holder can end: unknown, another's and over look alike."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import sqlalchemy as sa

from cli.phone import Phone
from core.ids import new_id
from tests.device_flow.terminals_of_tests import settle
from tests.limits.town import MANY, Town, look
from tests.login.browser import Browser
from tests.oauth.clients_of_tests import make_partner, make_relying_party
from tests.oauth.holder import Holder
from tests.servers import free_port
from tests.service import ISSUER, running_service

UNKNOWN_CODE = "BCDF-GHJK"
LOGIN_SECONDS = 600


class City(Town):
    """A town whose holder has her phone at hand, and somebody else with another one."""

    def __init__(self, service: object) -> None:
        self.phone, self.other = (service.enroll(card=service.make_card(number)) for number in (1, 2))
        super().__init__(service, Holder(service, self.phone.card, self.phone.device))


@pytest.fixture
def city(sqlite_url: str, tmp_path: Path) -> Iterator[City]:
    limits = {"wrong_login_codes_per_phone_hour": 1000, "wrong_login_codes_per_address_hour": 1000}
    with running_service(sqlite_url, tmp_path, **MANY, **limits) as service:
        yield City(service)


def assert_alike(*answers: httpx.Response, status: int, but: dict[str, str] | None = None) -> None:
    """Compare answers; ``but`` names what a page repeats of its own address, to be left out."""
    seen = [look(answer, but or {}) for answer in answers]
    assert seen[0][0] == status, seen[0]
    assert all(one == seen[0] for one in seen), seen


def seen_by(city: City, phone: Phone, name: str) -> Browser:
    """Begin a login in a browser of this name and have a phone scan it."""
    browser = Browser(city.service, name).begin(reference=name)
    assert phone.scan_login(browser.code).status_code == 200
    return browser


def test_a_login_code_that_is_unknown_another_phone_s_answered_or_over(city):
    phone = city.phone
    over = Browser(city.service).begin(reference="over").code
    city.service.clock.step(LOGIN_SECONDS)
    phone.sign_in()
    city.other.sign_in()
    theirs = seen_by(city, city.other, "theirs").code
    denied = seen_by(city, phone, "denied")
    used_up = denied.code
    assert phone.deny_login(denied.id).status_code == 200
    assert_alike(*(phone.scan_login(code) for code in (UNKNOWN_CODE, theirs, used_up, over)), status=410)


@pytest.mark.parametrize("act", ["approve_login", "deny_login"])
def test_a_login_that_is_unknown_another_phone_s_not_seen_or_over(city, act):
    over = seen_by(city, city.phone, "over").id
    city.service.clock.step(LOGIN_SECONDS)
    city.phone.sign_in()
    city.other.sign_in()
    theirs = seen_by(city, city.other, "theirs").id
    unseen = Browser(city.service, "unseen").begin(reference="unseen").id
    given = (new_id("lgn"), theirs, unseen, "lgn_", "x", *((over,) if act == "approve_login" else ()))
    assert_alike(*(getattr(city.phone, act)(login) for login in given), status=410)


def test_the_page_behind_a_login_code_does_not_say_whether_it_is_one(city):
    code = Browser(city.service).begin(reference="x").code
    answers = [city.service.http.get(f"/app/login/{given}") for given in (code, UNKNOWN_CODE)]
    assert_alike(*answers, status=200, but={code: "…", UNKNOWN_CODE: "…"})


@pytest.mark.parametrize("rest", ["", "/state"])
def test_a_login_page_that_is_unknown_another_browser_s_or_over(city, rest):
    http, names = city.service.http, []
    for _ in range(2):
        http.cookies.clear()
        names.append(begun(city))
        city.service.clock.step(LOGIN_SECONDS / 2)
    over = names[0]
    http.cookies.clear()
    own = begun(city)
    city.service.clock.step(LOGIN_SECONDS / 2)  # the second one is over as well, and this browser's is not
    assert http.get(f"/login/{own}{rest}").status_code == 200
    theirs = begun_elsewhere(city)
    given = (new_id("lgn"), theirs, over, names[1])
    answers = [http.get(f"/login/{login}{rest}") for login in given]
    assert_alike(*answers, status=answers[0].status_code, but=dict.fromkeys(given, "…"))


def begun(city: City, http: httpx.Client | None = None) -> str:
    """Go from an authorization request to the login page; return the login's id."""
    browser, party = http or city.service.http, make_relying_party(city.service)
    asked = browser.get("/oauth/authorize?" + urlencode(party.parameters()))
    led = browser.get(asked.headers["Location"])
    assert led.is_redirect, led.text
    return led.headers["Location"].partition("?")[0].rpartition("/")[2]


def begun_elsewhere(city: City) -> str:
    with httpx.Client(transport=httpx.WSGITransport(app=city.service.app), base_url=ISSUER) as another:
        return begun(city, another)


def test_a_login_request_that_is_unknown_another_browser_s_or_over_leads_to_one_page(city):
    http, party = city.service.http, make_relying_party(city.service)

    def interaction() -> str:
        return party.authorize(**party.parameters()).headers["Location"].partition("?")[0].rpartition("/")[2]

    theirs = interaction()
    http.cookies.clear()
    over = interaction()
    city.service.clock.step(LOGIN_SECONDS)
    given = (new_id("int"), theirs, over)
    answers = [http.get(f"/login/for/{one}") for one in given]
    assert_alike(*answers, status=410, but=dict.fromkeys(given, "…"))


def test_a_device_code_that_is_unknown_another_client_s_or_spent(city):
    pharmacy = settle(city.service, city.phone)
    software, other = pharmacy.software(), pharmacy.software()
    other.ask()
    theirs = other.asked["device_code"]
    pharmacy.let_in(software)
    spent = software.asked["device_code"]
    given = ("x", theirs, spent)
    answers = []
    for code in given:
        city.service.clock.step(5)
        answers.append(software.poll(device_code=code))
    assert_alike(*answers, status=400)


def ended_by(city: City, table: str, column: str) -> list[str]:
    """List what somebody else could end."""
    query = sa.text(f"SELECT {column} FROM {table} WHERE card = :card")
    with city.service.database.transaction() as connection:
        return list(connection.execute(query, {"card": city.other.card}).scalars())


@pytest.mark.parametrize(
    ("kind", "prefix", "table", "column"),
    [
        ("devices", "dev", "devices", "id"),
        ("links", "grt", "oauth_grants", "id"),
        ("consents", "cli", "consents", "client"),
    ],
)
def test_what_a_holder_can_end_is_unknown_or_another_s_alike(city, kind, prefix, table, column):
    for phone in (city.phone, city.other):
        bank = make_partner(city.service, scopes=("openid", "offline_access"))
        for client in (bank, make_relying_party(city.service)):
            Browser(city.service, client.id).begin_for(client).log_in(phone).agree()
    theirs = ended_by(city, table, column)
    assert theirs
    card = f"/v1/cards/{city.phone.card}/{kind}"
    given = (*theirs, new_id(prefix), f"{prefix}_", "x")
    assert_alike(*(city.phone.call("POST", f"{card}/{name}/end") for name in given), status=404)


# ── Nothing that counts is there ─────────────────────────────────────────────────────────────────────────────────


def test_where_nothing_counts_no_login_and_no_terminal_can_be_guessed(sqlite_url, tmp_path):
    away = f"redis://127.0.0.1:{free_port()}/0"
    with running_service(sqlite_url, tmp_path, redis_url=away, **MANY) as service:
        city = City(service)
        browser, software = Browser(service).begin(reference="x"), settle(service, city.phone).software()
        software.ask()
        seen = seen_by(city, city.phone, "seen")
        code = browser.code
        with city.service.database.transaction() as connection:
            connection.execute(sa.text("DROP TABLE ephemeral"))
        answers = [
            city.phone.scan_login(code),
            city.phone.scan_login(UNKNOWN_CODE),
            city.phone.approve_login(seen.id),
            software.ask(),
            software.poll(),
            service.http.get(f"/login/for/{new_id('int')}"),
        ]
        assert [answer.status_code for answer in answers] == [503] * len(answers)
        assert all("Retry-After" in answer.headers for answer in answers)
