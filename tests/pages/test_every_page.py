"""What holds on every page: policy, headers, language, nothing from outside, no script in its text."""

import re
import tomllib
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.docs.pages import ROOT
from tests.pages.every_page import gather
from tests.service import ISSUER
from web.login.files import page_files
from web.login.page import form_target

POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
LEAVES_BY_REDIRECT = {"waiting for an app"}
LEADS_AWAY = {"onward"}
STATUS = {
    "wrong number": 403,
    "chip not read": 409,
    "ended": 410,
    "over": 410,
    "no request": 410,
    "bad request": 400,
    "no code": 404,
    "forged form": 403,
    "account over": 410,
    "device wrong code": 404,
}
VOID = {"meta", "link", "input", "img", "path", "rect", "br"}


class Inspector(HTMLParser):
    """Gathers what rules are about, and that what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def all(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in tags]


@pytest.fixture(scope="module", params=["zh-CN", "en"])
def language(request):
    return request.param


@pytest.fixture(scope="module")
def pages(shared_visitors, language):
    return gather(shared_visitors, language)


def policy_of(answer: Any) -> dict[str, str]:
    parts = [part.strip().partition(" ") for part in answer.headers["Content-Security-Policy"].split(";")]
    return {name: sources for name, _, sources in parts}


def test_every_page_has_its_status(pages):
    assert {name: answer.status_code for name, answer in pages.items()} == {
        name: STATUS.get(name, 200) for name in pages
    }


def test_the_policy_of_every_page_lets_in_nothing_but_our_own_files(pages):
    for name, answer in pages.items():
        expected = POLICY | ({"form-action": "'self' http://127.0.0.1"} if name in LEAVES_BY_REDIRECT else {})
        assert policy_of(answer) == expected, name


def test_no_page_may_be_kept_framed_sniffed_or_tell_others_where_it_was(pages):
    for name, answer in pages.items():
        kept = {header: answer.headers[header] for header in ("Cache-Control", "X-Frame-Options", "Referrer-Policy")}
        expected = {"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin"}
        assert kept == expected, name
        assert answer.headers["X-Content-Type-Options"] == "nosniff", name


def test_every_page_is_in_one_language_says_which_and_leads_to_the_other(pages, language):
    for name, answer in pages.items():
        assert answer.headers["Content-Language"] == language, name
        page = Inspector(answer.text)
        assert page.all("html") == [{"lang": language}], name
        (switch,) = [link for link in page.all("a") if link.get("class") == "switch"]
        assert switch["hreflang"] == ("en" if language == "zh-CN" else "zh-CN"), name


def test_an_english_page_has_no_chinese_but_the_switch_and_the_names_of_clients(pages, language):
    if language != "en":
        assert all(re.search(r"[\u4e00-\u9fff]", answer.text) for answer in pages.values())
        return
    for name, answer in pages.items():
        chinese = set(re.findall(r"[\u3000-\u9fff\uff00-\uffef]+", answer.text)) - {"中文"}
        assert chinese <= {"示范"}, name  # of an institution, which has one name


def test_no_page_names_an_address_outside_but_the_one_it_leads_to(pages):
    for name, answer in pages.items():
        addresses = set(re.findall(r"https?://[^\s\"'<>;&]+", answer.text))
        foreign = {address for address in addresses if not address.startswith(f"{ISSUER}/")}
        allowed = {"http://www.w3.org/2000/svg"} | (
            {"https://partner.example/cb?code="} if name in LEADS_AWAY else set()
        )
        assert {address.partition("=")[0] for address in foreign} <= {item.partition("=")[0] for item in allowed}, name


def test_no_script_and_no_style_stands_in_a_page(pages):
    for name, answer in pages.items():
        page = Inspector(answer.text)
        assert [script for script in page.all("script") if "src" not in script] == [], name
        assert page.all("style") == [], name
        inline = [key for _, attributes in page.tags for key in attributes if key == "style" or key.startswith("on")]
        assert inline == [], name


def test_every_page_loads_our_own_files_and_they_are_there(pages, shared_visitors):
    for name, answer in pages.items():
        page = Inspector(answer.text)
        loaded = {tag.get("src") or tag.get("href") for tag in page.all("script", "link", "img")}
        assert loaded == set(page_files().values()), name
    for address in page_files().values():
        answer = shared_visitors.service.http.get(address)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_every_page_is_well_formed_and_says_what_it_is(pages):
    for name, answer in pages.items():
        page = Inspector(answer.text)
        assert (page.open, page.faults) == ([], []), name
        for tag in ("title", "h1", "main", "header", "footer"):
            assert len(page.all(tag)) == 1, (name, tag)
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids)), name


def test_every_field_has_a_label_and_every_picture_a_text(pages):
    for name, answer in pages.items():
        page = Inspector(answer.text)
        labelled = {label["for"] for label in page.all("label") if "for" in label}
        typed = [field for field in page.all("input") if field["type"] in {"text", "password"}]
        assert [field for field in typed if field["id"] not in labelled] == [], name
        described = {key for attributes in typed for key in attributes.get("aria-describedby", "").split()}
        assert described <= {attributes.get("id") for _, attributes in page.tags}, name
        assert [picture for picture in page.all("img") if "alt" not in picture] == [], name
        assert all("aria-label" in part for part in page.all("div") if part.get("role") == "img"), name


def test_every_form_is_posted_with_a_token(pages):
    for name, answer in pages.items():
        page = Inspector(answer.text)
        tokens = [field for field in page.all("input") if field.get("name") == "form_token"]
        assert len(tokens) == len(page.all("form")), name
        assert all(form["method"] == "post" and form["action"].startswith("/") for form in page.all("form")), name


def test_what_went_wrong_is_said_as_an_alert(pages):
    for name in STATUS:
        assert 'role="alert"' in pages[name].text, name


def test_files_are_known_by_their_content_and_nothing_else_is_served(shared_visitors):
    http = shared_visitors.service.http
    for name in ("pages.css", "pages.0000000000000000.js", "..%2fpage.py", "%2e%2e%2fpage.py", "routes.py", ""):
        assert http.get(f"/login/files/{name}").status_code in {404, 410}


def test_style_sheet_and_script_name_no_other_place(shared_visitors):
    for name, address in page_files().items():
        text = shared_visitors.service.http.get(address).text
        found = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+|@import|url\(", text)
        assert found == (["http://www.w3.org"] if name == "icon.svg" else []), name
        for unwanted in ("innerHTML", "eval(", "document.write", "new Function"):
            assert unwanted not in text


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("https://partner.example/cb?x=1", "https://partner.example"),
        ("https://partner.example:8443/cb", "https://partner.example:8443"),
        ("http://127.0.0.1:51004/cb", "http://127.0.0.1:51004"),
        ("http://[::1]:51004/cb", "http:"),
    ],
)
def test_the_one_address_outside_is_named_by_its_origin(address, source):
    assert form_target(address) == source


@pytest.mark.parametrize("package", ["web", "web.login", "web.device"])
def test_what_pages_are_made_of_ships_with_its_package(package):
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"][
        package
    ]
    folder = ROOT.joinpath(*package.split("."))
    inner = [path.parent for path in folder.rglob("__init__.py") if path.parent != folder]
    files = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    own = {path for path in files if not any(path.is_relative_to(other) for other in inner)}
    assert own == {path for pattern in patterns for path in folder.glob(pattern)}
