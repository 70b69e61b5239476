"""The H5 form: seven parameters in one spelling, what is meant encrypted and signed in clear."""

import base64
import json
from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth.errors import SignatureMissing
from auth.signed_forms.choice import read_signed
from auth.signed_forms.received import Received
from sm.der import signature_to_der
from tests.channels.forms_of_partners import (
    CONTENT,
    MISSING,
    PROBE,
    WRONG,
    Request,
    as_an_h5_entry,
    b64,
    code_of,
    compact,
    form_request,
    sealed,
    secret_of,
    signed_h5,
    through_the_gateway,
)
from tests.channels.partners import PartnerApp
from tests.service import ISSUER

NAMES = (
    "_api_access_id",
    "_api_name",
    "_api_nonce",
    "_api_serial_no",
    "_api_signature",
    "_api_timestamp",
    "security",
)


def parameters_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def test_what_is_meant_is_encrypted_and_nothing_stands_in_the_address(partner):
    request = as_an_h5_entry(partner, "POST", PROBE, CONTENT)
    assert tuple(sorted(parameters_of(request))) == NAMES
    assert b"amount" not in request.body
    assert request.target == PROBE
    assert request.send(partner).json()["content"] == json.loads(CONTENT)


def test_the_name_of_the_interface_is_the_act(partner):
    told = as_an_h5_entry(partner, "POST", PROBE, b'{"act":"report_loss","state":"s"}').send(partner).json()
    assert told["content"] == {"act": "report_loss", "state": "s"}


@pytest.mark.parametrize(
    "change",
    [
        {"_api_name": ""},
        {"_api_name": "Sign"},
        {"_api_name": "sign.card"},
        {"_api_name": "sign&_api_name=unlink"},
        {"_api_name": "x" * 41},
        {"_api_access_id": ""},
        {"_api_access_id": "chn_x/../y"},
        {"_api_serial_no": "a b"},
        {"_api_serial_no": "a=b"},
        {"_api_nonce": "short"},
        {"_api_nonce": "x" * 65},
        {"_api_timestamp": "1772438400"},
        {"_api_timestamp": "01772438400000"},
        {"_api_timestamp": "17724384000000"},
        {"_api_timestamp": "1772438400.000"},
        {"_api_timestamp": "-772438400000"},
        {"_api_timestamp": "2026-03-02 16:00:00"},
        {"_api_timestamp": "１７７２４３８４０００００"},
        {"extra": "1"},
        {"_api_version": "1.0"},
        {"name": "甲"},
    ],
    ids=str,
)
def test_a_parameter_that_is_not_of_the_form_is_refused(partner, change):
    assert code_of(as_an_h5_entry(partner, "POST", PROBE, **change).send(partner)) == MISSING


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_needed(partner, name):
    request = as_an_h5_entry(partner, "POST", PROBE)
    left = {key: value for key, value in parameters_of(request).items() if key != name}
    assert code_of(form_request(PROBE, left).send(partner)) == MISSING
    assert code_of(form_request(PROBE, left | {name: ""}).send(partner)) == MISSING


BODIES: dict[str, Callable[[str], str]] = {
    "a parameter twice": lambda body: body + "&_api_name=probe",
    "an ampersand at the end": lambda body: body + "&",
    "no equals": lambda body: body + "&x",
    "a name escaped": lambda body: body.replace("_api_name", "%5Fapi_name"),
    "a needless escape": lambda body: body.replace("probe", "pr%6Fbe"),
    "an escape in small letters": lambda body: body.replace("%3D", "%3d"),
    "no escape": lambda body: body.replace("%3D", "="),
    "a blank for a plus": lambda body: body.replace("%2B", "+"),
    "half an escape": lambda body: body.replace("probe", "probe%6"),
    "not UTF-8": lambda body: body.replace("probe", "%FF"),
    "semicolons": lambda body: body.replace("&", ";"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_in_another_spelling_is_refused(partner, name):
    plus = (as_an_h5_entry(partner, "POST", PROBE) for _ in range(200))
    request = next(one for one in plus if b"%2B" in one.body and b"%3D" in one.body)
    bad = BODIES[name](request.body.decode()).encode()
    assert bad != request.body
    assert code_of(request.but(body=bad).send(partner)) == MISSING
    assert request.send(partner).status_code == 200


# ── What is encrypted ────────────────────────────────────────────────────────────────────────────────────────────


def with_security(request: Request, change: Callable[[bytes], bytes]) -> Request:
    given_ = parameters_of(request)
    given_["security"] = b64(change(base64.b64decode(given_["security"])))
    return form_request(request.target, given_)


def test_ciphertext_that_is_cut_short_opens_nowhere(partner):
    request = as_an_h5_entry(partner, "POST", PROBE, CONTENT)
    size = len(base64.b64decode(parameters_of(request)["security"]))
    for kept in range(size):
        bad = with_security(request, lambda raw, kept=kept: raw[:kept])
        assert code_of(bad.send(partner)) == MISSING, kept
    for change in (lambda raw: raw + b"\0", lambda raw: raw[1:], lambda raw: raw[:12] + raw[13:]):
        assert code_of(with_security(request, change).send(partner)) == MISSING
    assert request.send(partner).status_code == 200


def test_ciphertext_opens_under_its_own_nonce_certificate_and_secret_alone(partner):
    one, other = (as_an_h5_entry(partner, "POST", PROBE, CONTENT) for _ in range(2))
    moved = parameters_of(one) | {"security": parameters_of(other)["security"]}
    assert code_of(form_request(PROBE, moved).send(partner)) == MISSING
    renewed = partner.with_new_key()
    request = as_an_h5_entry(renewed, "POST", PROBE, CONTENT, secret=secret_of(partner))
    assert code_of(request.send(partner)) == MISSING
    assert as_an_h5_entry(renewed, "POST", PROBE, CONTENT).send(partner).status_code == 200


def test_a_signature_over_what_was_sent_is_not_one_over_what_was_meant(partner):
    """The signature is over what is meant, or nobody could be shown what the partner has signed."""
    request = as_an_h5_entry(partner, "POST", PROBE, CONTENT)
    sent = parameters_of(request)
    line = PROBE + "?" + "&".join(f"{name}={sent[name]}" for name in NAMES if name != "_api_signature")
    sent["_api_signature"] = b64(signature_to_der(partner.signer.sign(line.encode())))
    assert code_of(form_request(PROBE, sent).send(partner)) == WRONG


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1,"a":1}',
        b'{"a":1.0e0}',
        b'{"a":"\xff"}',
        b"{",
    ],
    ids=repr,
)
def test_what_was_encrypted_is_an_object_in_canonical_form(partner, plain):
    given_ = parameters_of(as_an_h5_entry(partner, "POST", PROBE))
    del given_["security"], given_["_api_signature"]
    line = (PROBE + "?" + "&".join(f"{name}={given_[name]}" for name in sorted(given_)) + "&security=").encode()
    given_["security"] = b64(sealed(partner, given_["_api_nonce"], plain, secret_of(partner)))
    given_["_api_signature"] = b64(signature_to_der(partner.signer.sign(line + plain)))
    assert code_of(form_request(PROBE, given_).send(partner)) == MISSING


def test_the_act_is_not_named_a_second_time(partner):
    given_ = parameters_of(as_an_h5_entry(partner, "POST", PROBE))
    del given_["security"], given_["_api_signature"]
    for plain in ({"act": "probe"}, {"act": "unlink"}):
        request = signed_h5(partner, PROBE, given_, compact(plain).encode(), secret_of(partner))
        assert code_of(request.send(partner)) == MISSING


# ── Neither two forms nor a half ─────────────────────────────────────────────────────────────────────────────────


def test_the_parameters_of_two_forms_in_one_body_are_signed_in_none(partner):
    h5, gateway = as_an_h5_entry(partner, "POST", PROBE), through_the_gateway(partner, "POST", PROBE, b"{}")
    for body in (h5.body + b"&" + gateway.body, gateway.body + b"&" + h5.body, h5.body + b"&sign=AA"):
        assert code_of(h5.but(body=body).send(partner)) == MISSING
    assert code_of(h5.but(target=f"{PROBE}?{gateway.body.decode()}").send(partner)) == MISSING


def test_today_s_address_with_its_parameters_is_no_request(partner):
    """Addresses stand in logs, histories and referrers: what is signed is sent in a body."""
    request = as_an_h5_entry(partner, "POST", PROBE)
    text = request.body.decode()
    for bad in (
        Request("GET", f"{PROBE}?{text}"),
        Request("POST", f"{PROBE}?{text}"),
        request.but(headers={"Content-Type": "application/json"}),
        request.but(headers={"Content-Type": "text/plain"}),
    ):
        assert code_of(bad.send(partner)) == MISSING


@pytest.mark.parametrize(
    "raw", [b"", b"\x30\x00", b"\x01" * 64, signature_to_der(b"\x01" * 64) + b"\x00"], ids=bytes.hex
)
def test_a_signature_has_one_spelling(partner, raw):
    bad = parameters_of(as_an_h5_entry(partner, "POST", PROBE)) | {"_api_signature": b64(raw)}
    assert code_of(form_request(PROBE, bad).send(partner)) == MISSING


HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["chn_" + "0" * 26, "1772438400000", "sign", "0" * 32, "1f", "e30=", "MAYCAQECAQE="]),
)


def read(request: Request, secret: str) -> None:
    headers = {name.lower(): [value] for name, value in request.headers.items()}
    whole = Received("POST", PROBE, "", lambda name: headers.get(name.lower(), []), request.body, ISSUER)
    read_signed(whole, lambda _app, _serial: secret)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), HOSTILE, min_size=5), st.binary(max_size=80))
def test_no_parameters_break_the_reader(given_, more):
    form = form_request(PROBE, given_)
    for body in (form.body, form.body + b"&" + more, more + b"&_api_signature=MAYCAQECAQE="):
        with pytest.raises(SignatureMissing):
            read(form.but(body=body), "secret")


def test_a_reader_without_the_secret_says_no_more_than_that_it_does_not_open(partner: PartnerApp):
    with pytest.raises(SignatureMissing, match="does not open"):
        read(as_an_h5_entry(partner, "POST", PROBE, CONTENT), "another secret")
