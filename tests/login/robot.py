"""A holder at the login pages with a browser that runs no script: forms, cookies, and the phone beside it."""

from typing import Any
from urllib.parse import urljoin

import httpx

from cli.browser import Browser, Page, PageForm
from cli.phone import Phone

_MOST_STEPS = 20


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
                if not Browser(http, self.origin).is_at_home(to):
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
        return Browser(http, self.origin).get(address)

    def submit(self, http: httpx.Client, form: PageForm, action: str | None = None, **fields: str) -> httpx.Response:
        """Send a form as the page has it, with what the holder has typed in."""
        return Browser(http, self.origin).post(form, action, **fields)

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
