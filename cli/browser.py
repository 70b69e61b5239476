"""A holder's browser that runs no script: pages with forms, cookies, redirects. Used by the story and the tests."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx


@dataclass
class PageForm:
    """A form as a browser sees it; ``fields`` are those that would be sent as they stand."""

    action: str
    id: str = ""
    marks: set[str] = field(default_factory=set)
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[dict[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """What of an answer a holder can use: forms, links, the code of a login, the way ``onward`` to a client's site."""

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
        """Keep what can be sent or followed."""
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
        """Keep the code."""
        if self._in_code:
            self.code, self._in_code = data, False

    def form(self, ending: str) -> PageForm | None:
        """Find the form whose address ends so, or None."""
        return next((form for form in self.forms if urlsplit(form.action).path.endswith(ending)), None)


class Browser:
    """A browser at the pages of one service.

    Args:
        http: keeps the cookies and follows no redirect by itself.
        origin: of the service; where a redirect leaves it, the browser stops.
    """

    def __init__(self, http: httpx.Client, origin: str) -> None:
        self.http = http
        self.origin = origin.rstrip("/")

    def open(self, address: str) -> httpx.Response:
        """Open a page and follow redirects within the service; the answer is a page or the redirect that leaves it."""
        return self._followed(self.get(address))

    def get(self, address: str) -> httpx.Response:
        """Open one address and follow nothing."""
        return self.http.get(urljoin(self.origin, address), headers={"Accept": "text/html"}, follow_redirects=False)

    def send(self, form: PageForm, action: str | None = None, **fields: str) -> httpx.Response:
        """Send a form with what the holder typed in, and follow redirects within the service."""
        return self._followed(self.post(form, action, **fields))

    def post(self, form: PageForm, action: str | None = None, **fields: str) -> httpx.Response:
        """Send a form and follow nothing."""
        headers = {"Accept": "text/html", "Origin": self.origin}
        sent = {**form.fields, **fields}
        return self.http.post(action or form.action, data=sent, headers=headers, follow_redirects=False)

    def _followed(self, answer: httpx.Response) -> httpx.Response:
        while answer.is_redirect:
            to = urljoin(str(answer.url), answer.headers["Location"])
            if not self.is_at_home(to):
                return answer
            answer = self.get(to)
        return answer

    def is_at_home(self, address: str) -> bool:
        """Tell whether an address is the service's."""
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.netloc}" == self.origin
