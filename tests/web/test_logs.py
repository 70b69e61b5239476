"""The log's allow-list: what a line may hold, and what is masked wherever it stands."""

import io
import json

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.auth.forging import jws
from tests.persons import make_person
from web.logs import _ALLOWED, configure_logs, keep_allowed

NUMBER = make_person(1).social_security_number
TOKEN = jws({"alg": "ES256"}, {"sub": "dev_1"}, bytes(64))


@pytest.fixture
def lines():
    """Log into memory and give back what was written, as it was written."""
    stream, before = io.StringIO(), structlog.get_config()
    configure_logs(as_json=True, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.configure(**before)


def test_a_line_keeps_what_is_allowed_and_drops_the_rest(lines):
    structlog.get_logger("x").info("request", status=200, holder_name="测试甲", number=NUMBER, body={"a": 1}, ms=1.5)
    (line,) = lines()
    assert set(line) == {"event", "level", "timestamp", "status", "ms"}
    assert (line["event"], line["level"], line["status"], line["ms"]) == ("request", "info", 200, 1.5)


CODES = ["81" + "0" * 18, "82" + "1" * 220]
SECRETS = [NUMBER, NUMBER[:15], NUMBER.lower(), "13800138000", *CODES, TOKEN, TOKEN.rpartition(".")[0]]


@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
@pytest.mark.parametrize("text", ["{}", "number={} x", "{}!", "({})", "a {} and {}"])
def test_what_looks_like_a_secret_is_masked_in_every_allowed_place(lines, secret, text):
    written = text.replace("{}", secret)
    structlog.get_logger("x").warning(written, error=written, hint=[written], where={"a": written})
    (line,) = lines()
    for name in ("event", "error", "hint", "where"):
        assert secret not in line[name]
        assert "***" in line[name]


HARMLESS = ["crd_" + "0123456789" * 2 + "012345", "2026-03-02T08:00:00Z", "a" * 64, "12345678901234", "/v1/<card>"]


@pytest.mark.parametrize("harmless", HARMLESS)
def test_ids_hashes_and_times_are_not_masked(lines, harmless):
    structlog.get_logger("x").info("request", route=harmless)
    assert lines()[0]["route"] == harmless


@given(st.sampled_from(sorted(_ALLOWED)), st.integers(1, 5000))
def test_no_citizen_number_passes_in_any_allowed_place(name, number):
    citizen = make_person(number).social_security_number
    assert citizen not in str(keep_allowed(None, "", {name: f"x {citizen} y"}))


def test_a_fault_is_told_by_its_place_and_never_by_its_text(lines):
    try:
        try:
            int("测试甲")
        except ValueError as cause:
            raise KeyError(NUMBER) from cause
    except KeyError as fault:
        structlog.get_logger("x").error("fault", exc_info=fault)
    (line,) = lines()
    assert line["kind"] == "KeyError"
    assert "test_logs" in line["where"]
    assert "ValueError" in line["where"]
    assert "测试" not in json.dumps(line, ensure_ascii=False)
    assert NUMBER not in json.dumps(line)


def test_lines_below_info_are_not_written(lines):
    structlog.get_logger("x").debug("apdu", hint=NUMBER)
    assert lines() == []


def test_people_may_read_the_log_without_json():
    stream, before = io.StringIO(), structlog.get_config()
    configure_logs(as_json=False, stream=stream)
    structlog.get_logger("x").info("request", status=200, hint=NUMBER)
    structlog.configure(**before)
    assert "request" in stream.getvalue()
    assert NUMBER not in stream.getvalue()
