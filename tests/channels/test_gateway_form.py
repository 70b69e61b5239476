"""The gateway form: one spelling of the parameters, and no two requests under one line."""

import base64
import json
from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest

from sm.der import signature_to_der
from tests.channels.forms_of_partners import (
    MISSING,
    PROBE,
    Request,
    beijing,
    code_of,
    compact,
    gateway_request,
    through_the_gateway,
)


@pytest.mark.parametrize(
    "change",
    [
        {"sign_type": "RSA2"},
        {"sign_type": "none"},
        {"sign_type": ""},
        {"charset": "GBK"},
        {"charset": "utf-8"},
        {"format": "xml"},
        {"timestamp": "2026-03-02T16:00:00"},
        {"timestamp": "2026-3-2 16:00:00"},
        {"timestamp": "2026-03-02 16:00:00.000"},
        {"timestamp": "2026-02-30 16:00:00"},
        {"timestamp": "1772438400"},
        {"timestamp": "２026-03-02 16:00:00"},
        {"msg_id": "short"},
        {"msg_id": "x" * 65},
        {"app_id": "chn_x/../y"},
        {"app_id": ""},
        {"serial_no": "a b"},
        {"extra": "1"},
        {"encrypt_type": "AES"},
    ],
    ids=str,
)
def test_a_gateway_parameter_that_is_not_of_the_form_is_refused(partner, change):
    assert code_of(through_the_gateway(partner, "POST", PROBE, b"{}", **change).send(partner)) == MISSING


GATEWAY_BODIES: dict[str, Callable[[str], str]] = {
    "a parameter twice": lambda body: body + "&charset=UTF-8",
    "a parameter gone": lambda body: body.replace("&format=json", ""),
    "nothing": lambda _body: "",
    "an ampersand at the end": lambda body: body + "&",
    "two ampersands": lambda body: body.replace("&", "&&", 1),
    "no equals": lambda body: body + "&x",
    "a name in capitals": lambda body: body.replace("charset=", "Charset="),
    "a name escaped": lambda body: body.replace("charset=", "%63harset="),
    "a needless escape": lambda body: body.replace("json", "%6Ason"),
    "an escape in small letters": lambda body: body.replace("%7B", "%7b"),
    "half an escape": lambda body: body.replace("json", "jso%6"),
    "no escape": lambda body: body.replace("%7B%7D", "{}"),
    "not UTF-8": lambda body: body.replace("%7B%7D", "%FF"),
    "overlong UTF-8": lambda body: body.replace("%7B%7D", "%C1%BB%C1%BD"),
    "semicolons": lambda body: body.replace("&", ";"),
    "too many": lambda body: body + "".join(f"&a{'x' * n}=1" for n in range(30)),
}


@pytest.mark.parametrize("name", GATEWAY_BODIES)
def test_a_gateway_body_in_another_spelling_is_refused(partner, name):
    request = through_the_gateway(partner, "POST", PROBE, b"{}")
    bad = GATEWAY_BODIES[name](request.body.decode()).encode()
    assert bad != request.body
    assert code_of(request.but(body=bad).send(partner)) == MISSING
    assert request.send(partner).status_code == 200


def test_parameters_of_a_post_stand_in_its_body_and_those_of_a_get_in_its_query(partner):
    request = through_the_gateway(partner, "POST", PROBE, b"{}")
    text = request.body.decode()
    form = request.headers
    assert code_of(Request("POST", f"{PROBE}?{text}", form).send(partner)) == MISSING
    assert code_of(Request("GET", f"{PROBE}?{text}").send(partner)) == MISSING
    half, _, rest = text.partition("&")
    assert code_of(Request("POST", f"{PROBE}?{half}", form, rest.encode()).send(partner)) == MISSING


def test_a_value_cannot_pretend_to_be_two_parameters(partner):
    """The line that is signed is not escaped: `a=1&b=2` must not be the value of `a`."""
    request = through_the_gateway(partner, "GET", f"{PROBE}?after=x&limit=5")
    joined = dict(parse_qsl(request.target.partition("?")[2]))
    joined["after"] = f"x&app_id={joined.pop('app_id')}"
    assert code_of(gateway_request("GET", PROBE, joined).send(partner)) == MISSING


def test_content_that_looks_like_parameters_is_content(partner):
    content = compact({"x": "&sign_type=none&app_id=chn_other"}).encode()
    assert through_the_gateway(partner, "POST", PROBE, content).send(partner).json()["content"] == json.loads(content)


@pytest.mark.parametrize(
    "raw", [b"", b"\x30\x00", b"\x01" * 64, signature_to_der(b"\x01" * 64) + b"\x00"], ids=bytes.hex
)
def test_a_gateway_signature_has_one_spelling(partner, raw):
    request = through_the_gateway(partner, "POST", PROBE, b"{}")
    given_ = dict(parse_qsl(request.body.decode())) | {"sign": base64.b64encode(raw).decode() or "="}
    assert code_of(gateway_request("POST", PROBE, given_).send(partner)) == MISSING


def test_gateway_content_that_is_no_json_is_refused_after_the_signature(partner):
    answer = through_the_gateway(partner, "POST", PROBE, b"{").send(partner)
    assert code_of(answer) == (400, "malformed_request")


def test_beijing_is_eight_hours_ahead(partner):
    assert beijing(partner, "%Y-%m-%d %H:%M:%S") == "2026-03-02 16:00:00"
