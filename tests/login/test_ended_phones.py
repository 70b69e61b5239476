"""A phone that was ended is refused at every route that takes its token, at once."""

import pytest

from auth.guard import Phone
from tests.login.browser import Town, approve
from tests.web.test_openapi import GOOD

DRAWS_WHAT_THE_CALLER_BRINGS = "/v1/code-images"
ONLY_SAYS_NO = "/v1/login-requests/<login>/deny"


def routes_of_phones(town: Town) -> list[tuple[str, str]]:
    app = town.service.app
    return [
        (method, str(route))
        for route in app.url_map.iter_rules()
        if getattr(app.view_functions[route.endpoint], "rule", None)
        and app.view_functions[route.endpoint].rule.caller is Phone
        for method in sorted(route.methods - {"HEAD", "OPTIONS"})
    ]


@pytest.mark.parametrize("by", ["holder", "another phone"])
def test_an_ended_phone_is_refused_everywhere(town, by):
    browser = town.browser().begin()
    approve(town.phone, browser)
    if by == "holder":
        town.phone.call("POST", f"/v1/cards/{town.phone.card}/devices/{town.phone.device}/end")
    else:
        town.service.enroll(card=town.card)
    ids = {"card": town.phone.card, "login": browser.id, "device": town.phone.device}
    routes = routes_of_phones(town)
    assert len(routes) >= 16
    for method, route in routes:
        if route in {DRAWS_WHAT_THE_CALLER_BRINGS, ONLY_SAYS_NO}:
            continue
        path = route
        for name in ("card", "login", "device", "grant", "client"):
            path = path.replace(f"<{name}>", ids.get(name, f"{name[:3]}_" + "0" * 26))
        body = GOOD.get(f"{method} {route.replace('<', '{').replace('>', '}')}")
        answer = town.phone.call(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "device_ended"), (method, route, answer.text)
    assert town.phone.deny_login(browser.id).json()["state"] == "denied"  # as it is already
    assert browser.look().ended_because == "device_ended"
