"""Neither log lines nor refusals hold a login's code, its number, a browser's secret or a token."""

import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import structlog

from auth.login.errors import NumberWrong
from tests.login.browser import Town, approve
from tests.oauth.conftest import MANY_A_MINUTE
from tests.service import running_service
from web.logs import configure_logs

LOGINS = 12
NOT_SAID_BY_US = {"timestamp", "ms", "request_id"}


@dataclass
class Told:
    """The log of many logins, and what must not be in it."""

    lines: list[dict]
    codes: set[str]
    numbers: set[str]
    tokens: set[str]


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Iterator[Told]:
    stream, before, home = io.StringIO(), structlog.get_config(), tmp_path_factory.mktemp("canaries")
    handler, root, level = logging.StreamHandler(stream), logging.getLogger(), logging.getLogger().level
    handler.addFilter(lambda line: not line.name.startswith("http"))  # httpx is the caller's, not the service's
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    configure_logs(as_json=True, stream=stream)
    try:
        with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **MANY_A_MINUTE) as service:
            codes, numbers, tokens = log_in_often(Town(service))
    finally:
        structlog.configure(**before)
        root.removeHandler(handler)
        root.setLevel(level)
    lines = [json.loads(line) for line in stream.getvalue().splitlines() if line.startswith("{")]
    yield Told(lines, codes, numbers, tokens)


def log_in_often(town: Town) -> tuple[set[str], set[str], set[str]]:
    codes, numbers, tokens = set(), set(), {town.service.http.cookies.get("__Host-essc_browser") or "none"}
    for number in range(LOGINS):
        browser = town.browser(str(number)).begin_for(town.relying_party())
        codes |= {browser.code, browser.code.replace("-", "")}
        typed = approve(town.phone, browser)
        numbers.add(typed)
        tokens |= {town.phone.token, town.service.http.cookies["__Host-essc_browser"]}
        with pytest.raises(NumberWrong):
            browser.type(f"{(int(typed) + 1) % 10_000:04d}")
        browser.type(typed)
        for path in (f"/login/{browser.id}?number={typed}", f"/app/login/{browser.code}", f"/x/{browser.code}"):
            town.service.http.get(path)
        town.phone.approve_login(browser.code)
        town.phone.deny_login(browser.id if number % 2 else typed)
    return codes, numbers, tokens


def test_the_canaries_were_there(told):
    assert len(told.lines) > 5 * LOGINS
    assert len(told.codes) == 2 * LOGINS
    assert len(told.tokens) > LOGINS


def test_no_log_line_holds_a_code_or_a_token(told):
    text = json.dumps(told.lines)
    assert [secret for secret in told.codes | told.tokens if secret in text] == []


def test_no_log_line_holds_a_number(told):
    said = [str(value) for line in told.lines for name, value in line.items() if name not in NOT_SAID_BY_US]
    text = "\n".join(said)
    assert [number for number in told.numbers if re.search(rf"(?<![0-9a-z]){number}(?![0-9a-z])", text)] == []
