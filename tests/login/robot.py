"""A holder at the login pages with a browser that runs no script: forms, cookies, and the phone beside it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from cli.phone import Phone

_MOST_STEPS = 20


@dataclass
class PageForm:
    """A form as a browser sees it; ``fields`` are those that would be sent as they stand."""

    action: str
    id: str = ""
    marks: set[str] = field(default_factory=set)
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[dict[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """What of an answer a holder can use: forms, links, the code."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.address = str(answer.url)
        self.forms: list[PageForm] = []
        self.links: list[str] = []
        self.code = ""
        self.onward = ""
        self._in_code = False
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            marks = {name for name in given if name.startswith("data-")}
            self.forms.append(PageForm(urljoin(self.address, given["action"]), given.get("id", ""), marks))
        elif tag == "input" and self.forms and "name" in given and "disabled" not in given:
            if given.get("type") != "checkbox" or "checked" in given:
                self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append(given)
        elif tag == "a":
            self.links.append(urljoin(self.address, given.get("href", "")))
            self.onward = self.links[-1] if given.get("id") == "onward" else self.onward
        self._in_code = tag == "code" and given.get("id") == "code"

    def handle_data(self, data: str) -> None:
        if self._in_code:
            self.code, self._in_code = data, False

    def form(self, ending: str) -> PageForm | None:
        """Find the form whose address ends so, or None."""
        return next((form for form in self.forms if urlsplit(form.action).path.endswith(ending)), None)


class RobotHolder:
    """Somebody with a phone who logs in wherever a browser leads.

    Args:
        service: a service of the tests, or the base URL of one that runs; the browser stays within it.
        phone: the holder's, bound to a card.
    """

    def __init__(self, service: Any, phone: Phone) -> None:
        issuer = service if isinstance(service, str) else service.runtime.ground.settings.issuer
        self.origin = issuer.rstrip("/")
        self.phone = phone
        self._number = ""

    def log_in(
        self, http: httpx.Client, address: str, *, allow: bool = True, password: str | None = None
    ) -> httpx.Response:
        """Go from an address of this service through the pages of a login.

        Returns the redirect that leaves this service, not followed, also where a page leads back to the client without
        one; otherwise the page where nothing of a login is left to do.

        Args:
            http: the browser; it keeps cookies and follows no redirect by itself.
            address: of an authorization request, of a login, or of any page that leads to one.
            allow: whether to approve on the phone and agree on the page; otherwise the phone refuses.
            password: the electronic card's, where one is asked for; without it the chip card must have been read.
        """
        answer = self.get(http, address)
        for _ in range(_MOST_STEPS):
            if answer.is_redirect:
                to = urljoin(str(answer.url), answer.headers["Location"])
                if not self._is_ours(to):
                    return answer
                answer = self.get(http, to)
                continue
            if onward := Page(answer).onward:
                return httpx.Response(303, headers={"Location": onward}, request=answer.request)
            taken = self._take_step(http, Page(answer), allow=allow, password=password)
            if taken is None:
                return answer
            answer = taken
        raise AssertionError(f"the login does not end: {answer.status_code} {answer.url}")

    def get(self, http: httpx.Client, address: str) -> httpx.Response:
        """Open a page."""
        return http.get(urljoin(self.origin, address), headers={"Accept": "text/html"}, follow_redirects=False)

    def submit(self, http: httpx.Client, form: PageForm, action: str | None = None, **fields: str) -> httpx.Response:
        """Send a form as the page has it, with what the holder has typed in."""
        headers = {"Accept": "text/html", "Origin": self.origin}
        sent = {**form.fields, **fields}
        return http.post(action or form.action, data=sent, headers=headers, follow_redirects=False)

    def answer_on_phone(self, code: str, *, allow: bool = True) -> str:
        """Scan a login's code with the phone; say yes and read the number, or say no."""
        assert self.phone.sign_in().status_code == 200
        seen = self.phone.scan_login(code)
        assert seen.status_code == 200, seen.text
        login = seen.json()["id"]
        if not allow:
            assert self.phone.deny_login(login).status_code == 200
            return ""
        approved = self.phone.approve_login(login)
        assert approved.status_code == 200, approved.text
        number: str = approved.json()["number"]
        return number

    def _take_step(self, http: httpx.Client, page: Page, *, allow: bool, password: str | None) -> httpx.Response | None:
        if page.code:
            self._number = self.answer_on_phone(page.code, allow=allow)
            return self.get(http, page.address)
        if form := page.form("/number"):
            return self.submit(http, form, number=self._number)
        if form := page.form("/password") if password is not None else page.form("/chip"):
            return self.submit(http, form, **({} if password is None else {"password": password}))
        if form := page.form("/consent"):
            return self.submit(http, form, None if allow else str(form.buttons[-1]["formaction"]))
        if form := page.form("/deny"):
            return self.submit(http, form)
        return None

    def _is_ours(self, address: str) -> bool:
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.netloc}" == self.origin
