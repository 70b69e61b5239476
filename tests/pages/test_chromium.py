"""The pages in a real browser: its script, its policy, its sizes. One browser for the file, each test a visit."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.device_flow.terminals_of_tests import settle
from tests.oauth.clients_of_tests import OAuthClient, answer_of
from tests.oauth.conftest import MANY_A_MINUTE
from tests.pages.chromium import HOSTS, Sites, look_as, run_chromium, serve_over_tls
from tests.pages.visitors import Visitors, request_of
from tests.service import ISSUER, START, running_service

PARTNER, FURTHER = f"https://{HOSTS[1]}", f"https://{HOSTS[2]}"
WITHIN = 20.0  # seconds
SMALLEST_TARGET = 44  # CSS pixels: WCAG 2.2, success criterion 2.5.5
LEAST_CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3
CONTRAST = """
const channels = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (rgb) => {
  const [r, g, b] = rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const rgba = channels(getComputedStyle(at).backgroundColor);
    if (rgba.length < 4 || rgba[3] > 0) return rgba.slice(0, 3);
  }
  return [255, 255, 255];
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.getClientRects().length) continue;
  const pair = [light(channels(getComputedStyle(element).color).slice(0, 3)), light(ground(element))];
  const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  if (ratio < arguments[0]) found.push(`${walker.currentNode.textContent.trim()}: ${ratio.toFixed(2)}`);
}
return found;
"""
SMALL_TARGETS = """
return [...document.querySelectorAll("button, .button, .switch, [type=text], [type=password], .scopes label")]
  .filter((element) => element.getClientRects().length)
  .map((element) => [element.outerHTML, element.getBoundingClientRect()])
  .filter(([, box]) => box.height < arguments[0] || box.width < arguments[0] / 2)
  .map(([text, box]) => `${text} ${box.width} x ${box.height}`);
"""
TOO_WIDE = """
return [...document.querySelectorAll("body *")]
  .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map((element) => element.outerHTML.slice(0, 80))
  .concat(document.documentElement.scrollWidth > document.documentElement.clientWidth ? ["the page"] : []);
"""


@dataclass
class Visit:
    """A browser in front of the service, and the phone of a holder beside it."""

    visitors: Visitors
    sites: Sites
    driver: webdriver.Chrome

    def open(self, address: str) -> None:
        self.driver.get(address if address.startswith("https:") else ISSUER + address)

    def come_from(self, client: OAuthClient, **changes: Any) -> str:
        """Be sent here by a client; return the path of the login."""
        self.open(request_of(client, **changes))
        return self.path

    @property
    def path(self) -> str:
        return self.driver.current_url.removeprefix(ISSUER).partition("?")[0].partition("#")[0]

    @property
    def text(self) -> str:
        return self.find("main").text

    def find(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def wait_for(self, selector: str) -> Any:
        unready = (NoSuchElementException, StaleElementReferenceException)
        return WebDriverWait(self.driver, WITHIN, 0.05, unready).until(lambda _: self.find(selector))

    def wait_until_at(self, address: str) -> str:
        WebDriverWait(self.driver, WITHIN, 0.05).until(lambda driver: driver.current_url.startswith(address))
        return str(self.driver.current_url)

    def approve(self) -> tuple[str, str]:
        """Scan the page's code with the phone and say yes; give number and address for a browser on the phone."""
        phone = self.visitors.phone
        assert phone.sign_in().status_code == 200
        login = phone.scan_login(self.find("#code").text).json()["id"]
        said = phone.approve_login(login).json()
        return said["number"], said["return_to"]

    def confirm(self) -> None:
        """Go on to the consent page; the chip card was read just now."""
        number, _ = self.approve()
        self.open(self.path)
        self.find("#number").send_keys(number, Keys.ENTER)
        self.raise_level()

    def raise_level(self) -> None:
        """Use the chip card where more than the phone is asked for, up to the consent page."""
        self.wait_for("#chip-form, form[data-consent]")
        for button in self.driver.find_elements(By.CSS_SELECTOR, "#chip-form button"):
            button.click()
        self.wait_for("form[data-consent]")

    def complaints(self) -> list[str]:
        """What the browser has to say, but for statuses that are meant and hints about style."""
        meant = ("the server responded with a status of 4", "[DOM]")
        said = [entry["message"] for entry in self.driver.get_log("browser")]
        return [message for message in said if not any(part in message for part in meant)]


@pytest.fixture(scope="module")
def shared_visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    home = tmp_path_factory.mktemp("chromium")
    many = {**MANY_A_MINUTE, "logins_per_holder_hour": 1000, "threads": 16}
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **many) as service:
        sites = Sites(service.app)
        with serve_over_tls(sites) as port, run_chromium(port, language="zh-CN") as driver:
            yield Visit(Visitors(service), sites, driver)


@pytest.fixture
def visit(shared_visit: Visit) -> Iterator[Visit]:
    """A new visitor: no cookie, the size of a desk, nothing said yet."""
    shared_visit.visitors.service.clock.now = START
    shared_visit.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    look_as(shared_visit.driver, 1280, 800)
    shared_visit.complaints()
    shared_visit.sites.seen.clear()
    yield shared_visit
    assert shared_visit.complaints() == []


def test_a_whole_login_with_the_number_typed_in(visit):
    client = visit.visitors.partner()
    visit.come_from(client)
    number, _ = visit.approve()
    visit.wait_for("#number").send_keys(number)  # the page has noticed by itself
    visit.find("form[data-number] button").click()
    visit.raise_level()
    visit.find("form[data-consent] button").click()
    tokens = client.redeem(answer_of(visit.wait_until_at(PARTNER))["code"])
    assert tokens.json()["scope"] == client.scope
    assert visit.find("#back").text == "Back at the partner"


def test_a_whole_login_with_the_number_behind_the_address(visit):
    client = visit.visitors.relying_party()
    visit.come_from(client)
    _, address = visit.approve()
    visit.open("/app/login/BCDF-GHJK")
    visit.open(address)
    visit.wait_for("form[data-consent] button").click()
    assert client.redeem(answer_of(visit.wait_until_at(PARTNER))["code"]).status_code == 200


def test_the_app_may_come_back_to_the_page_that_is_still_open(visit):
    visit.come_from(visit.visitors.relying_party())
    number, address = visit.approve()
    visit.driver.execute_script("location.href = arguments[0]", address)
    visit.wait_for("form[data-consent]")
    assert number not in visit.driver.current_url


def test_the_number_goes_to_no_server_and_stays_in_no_address(visit):
    visit.come_from(visit.visitors.relying_party())
    number, address = visit.approve()
    assert address.endswith(f"#{number}")
    visit.open(address)
    visit.wait_for("form[data-consent]")
    assert visit.driver.execute_script("return location.hash") == ""


def test_a_number_for_another_browser_is_of_no_use_here(visit):
    visit.come_from(visit.visitors.relying_party())
    _, address = visit.approve()
    visit.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    visit.open(address)
    assert "本次登录已结束" in visit.text


def test_a_phone_that_says_no_is_seen_on_the_page(visit):
    visit.come_from(visit.visitors.relying_party())
    visit.visitors.robot.answer_on_phone(visit.find("#code").text, allow=False)
    visit.wait_for("form[data-leave] button").click()
    assert answer_of(visit.wait_until_at(PARTNER))["error"] == "access_denied"


def test_refusing_the_consent_goes_back_with_access_denied(visit):
    visit.come_from(visit.visitors.partner())
    visit.confirm()
    visit.wait_for("button[data-refuse]").click()
    assert answer_of(visit.wait_until_at(PARTNER))["error"] == "access_denied"


def test_what_is_unticked_is_not_granted(visit):
    client = visit.visitors.partner()
    visit.come_from(client)
    visit.confirm()
    visit.wait_for("input[name='scope.card.present']").click()
    visit.wait_for("input[name='scope.card.pay']").click()
    visit.find("form[data-consent] button").click()
    tokens = client.redeem(answer_of(visit.wait_until_at(PARTNER))["code"]).json()
    assert tokens["scope"] == "openid offline_access card.read"


def test_pressing_twice_sends_once(visit):
    client = visit.visitors.relying_party()
    visit.come_from(client)
    visit.confirm()
    press = "const b = document.querySelector('form[data-consent] button'); b.click(); b.click(); b.click();"
    visit.driver.execute_script(press)
    assert client.redeem(answer_of(visit.wait_until_at(PARTNER))["code"]).status_code == 200


def test_a_site_may_lead_its_visitor_on_to_its_other_host(visit):
    client = visit.visitors.relying_party(redirect_uris=[f"{PARTNER}/further"])
    visit.come_from(client)
    visit.confirm()
    visit.wait_for("form[data-consent] button").click()
    assert visit.wait_until_at(FURTHER) == f"{FURTHER}/there"
    assert client.redeem(answer_of(visit.sites.seen[0])["code"]).status_code == 200


def test_an_app_is_reached_by_the_redirect_that_the_policy_names(visit):
    client = visit.visitors.native(redirect_uris=[f"{PARTNER}/app"], scopes=["openid"])
    visit.open("/oauth/authorize?" + urlencode(client.parameters()))
    visit.confirm()
    visit.wait_for("form[data-consent] button").click()
    assert client.redeem(answer_of(visit.wait_until_at(f"{PARTNER}/app"))["code"]).status_code == 200


def test_without_a_script_the_page_goes_on_by_itself(visit):
    visit.come_from(visit.visitors.relying_party())
    path = visit.path
    number, _ = visit.approve()
    visit.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        visit.open(path)
        visit.wait_for("#number").send_keys(number, Keys.ENTER)
        visit.wait_for("form[data-consent]")
        visit.open("/account")
        visit.find("main button").click()
        visit.visitors.robot.answer_on_phone(visit.wait_for("#code").text, allow=False)
        visit.wait_for("form[data-leave]")
    finally:
        visit.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_browser_keeps_its_secrets_from_scripts_and_from_other_sites(visit):
    visit.open("/account")
    visit.find("main button").click()
    visit.wait_for("#code")
    visit.open(visit.approve()[1])
    visit.wait_for("form[action='/account/sign-out']")
    cookies = {cookie["name"]: cookie for cookie in visit.driver.get_cookies()}
    assert set(cookies) == {"__Host-essc_browser", "__Host-essc_account"}
    for cookie in cookies.values():
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (True, True, "Lax", "/")
        assert cookie["expiry"] - time.time() < 3700
    assert visit.driver.execute_script("return document.cookie") == ""


def test_a_form_that_somebody_put_into_a_page_leads_nowhere(visit):
    visit.come_from(visit.visitors.relying_party())
    path = visit.path
    visit.driver.execute_script(
        "const f = document.createElement('form'); f.action = arguments[0]; f.method = 'post';"
        "document.body.append(f); HTMLFormElement.prototype.submit.call(f);",
        f"{PARTNER}/stolen",
    )
    assert [message for message in visit.complaints() if "form-action" in message]
    assert (visit.path, visit.sites.seen) == (path, [])


# ── Sizes, colours, fingers ──────────────────────────────────────────────────────────────────────────────────────


def walk(visit: Visit, look: Callable[[str], None]) -> None:
    """Come to every page and look at it."""
    visitors = visit.visitors
    visitors.service.clock.step(601)
    client = visitors.partner(
        name_zh="示范城市商业银行股份有限公司", name_en="Example City Commercial Bank Incorporated"
    )
    path = visit.come_from(client)
    look("waiting")
    visitors.phone.sign_in()
    login = visitors.phone.scan_login(visit.find("#code").text).json()["id"]
    visit.open(path)
    look("seen")
    number = visitors.phone.approve_login(login).json()["number"]
    visit.open(path)
    look("number")
    visit.find("#number").send_keys("0000" if number != "0000" else "1111", Keys.ENTER)
    visit.wait_for("[role=alert]")
    look("wrong number")
    visit.find("#number").send_keys(number, Keys.ENTER)
    visit.wait_for("#chip-form")
    look("raise")
    visitors.service.enroll(card=visitors.card, phone=visitors.phone)
    visit.find("#chip-form button").click()
    visit.wait_for("form[data-consent]")
    look("consent")
    visit.find("form[data-consent] button").click()
    visit.wait_until_at(PARTNER)
    path = visit.come_from(client)
    visitors.robot.answer_on_phone(visit.find("#code").text, allow=False)
    visit.open(path)
    look("ended")
    for name, address in (
        ("over", "/login/x"),
        ("bad request", "/oauth/authorize?client_id=x"),
        ("app", "/app/login/BCDF-GHJK"),
        ("start", "/account"),
    ):
        visit.open(address)
        look(name)
    visit.find("main button").click()
    visit.wait_for("#code")
    visit.open(visit.approve()[1])
    visit.wait_for("form[action^='/account/sign-out']")
    look("account")
    visit.find(".things button").click()
    visit.wait_for("[name=sure]")
    look("sure")
    walk_device(visit, look)


def walk_device(visit: Visit, look: Callable[[str], None]) -> None:
    software = settle(visit.visitors.service, visit.visitors.phone).software()
    assert software.ask().status_code == 200
    visit.open("/device")
    look("device start")
    visit.find("main button").click()
    visit.wait_for("#code")
    visit.open(visit.approve()[1])
    visit.wait_for("form[action*='/code'] input[type=text]")
    look("device code")
    visit.find("main input[type=text]").send_keys(software.asked["user_code"], Keys.ENTER)
    visit.wait_for("[name=compared]")
    look("device asking")


def test_every_page_fits_a_narrow_phone_and_large_letters_and_can_be_read_and_touched(visit):
    faults: list[tuple[object, ...]] = []

    def look(name: str) -> None:
        for width, height, phone, dark, letters in (
            (320, 640, True, False, "100%"),
            (320, 640, True, True, "200%"),
            (1280, 800, False, False, "100%"),
            (640, 400, False, True, "100%"),  # 1280 × 800 at a zoom of 200 %
        ):
            look_as(visit.driver, width, height, phone=phone, dark=dark)
            visit.driver.execute_script("document.documentElement.style.fontSize = arguments[0]", letters)
            for fault in (
                visit.driver.execute_script(TOO_WIDE),
                visit.driver.execute_script(CONTRAST, LEAST_CONTRAST),
                visit.driver.execute_script(SMALL_TARGETS, SMALLEST_TARGET),
            ):
                faults.extend((name, width, letters, said) for said in fault)
        visit.driver.execute_script("document.documentElement.style.fontSize = ''")

    walk(visit, look)
    assert faults == []


def test_every_page_fits_in_english_as_well(visit):
    faults: list[tuple[str, str]] = []

    def look(name: str) -> None:
        look_as(visit.driver, 320, 640, phone=True)
        faults.extend((name, said) for said in visit.driver.execute_script(TOO_WIDE))
        assert visit.find("html").get_attribute("lang") == "en"

    visit.driver.execute_cdp_cmd("Network.enable", {})
    visit.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"Accept-Language": "en"}})
    try:
        walk(visit, look)
    finally:
        visit.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
    assert faults == []


def test_allow_and_refuse_weigh_the_same(visit):
    visit.come_from(visit.visitors.partner())
    visit.confirm()
    visit.wait_for("form[data-consent]")
    looks = "return [...document.querySelectorAll('.choice button')].map((b) => { const s = getComputedStyle(b);"
    looks += "return [b.offsetWidth, b.offsetHeight, s.color, s.backgroundColor, s.fontWeight, s.borderColor] })"
    for width in (320, 1280):
        look_as(visit.driver, width, 800)
        allow, refuse = visit.driver.execute_script(looks)
        assert allow == refuse


def test_the_field_for_the_number_has_the_focus(visit):
    visit.come_from(visit.visitors.relying_party())
    visit.approve()
    visit.open(visit.path)
    visit.wait_for("#number:focus")
    visit.driver.switch_to.active_element.send_keys("12345")
    assert visit.find("#number").get_attribute("value") == "1234"
