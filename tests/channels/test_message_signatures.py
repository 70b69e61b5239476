"""HTTP message signatures (RFC 9421): the one way of writing them that is taken."""

from collections.abc import Callable

import pytest

from tests.channels.forms_of_partners import CONTENT, COVERED, MISSING, PROBE, WRONG, as_message_signature, code_of
from tests.channels.partners import PartnerApp


@pytest.mark.parametrize(
    "covered",
    [
        COVERED,
        tuple(reversed(COVERED)),
        (*COVERED, "@authority", "@path", "@query"),
        (*COVERED, "content-type", "idempotency-key"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("digest", ["sha-256", "sm3"])
def test_a_message_signature_may_cover_more_in_any_order(partner, covered, digest):
    more = {"Idempotency-Key": "key-00000001", "Content-Type": "application/json"}
    headers = more if "idempotency-key" in covered else {}
    request = as_message_signature(partner, "POST", PROBE, CONTENT, covered=covered, digest=digest, headers=headers)
    assert request.send(partner).status_code == 200


def test_a_header_that_is_covered_cannot_be_changed(partner):
    covered = (*COVERED, "idempotency-key")
    headers = {"Idempotency-Key": "key-00000001"}
    request = as_message_signature(partner, "POST", PROBE, CONTENT, covered=covered, headers=headers)
    changed = request.but(headers={**request.headers, "Idempotency-Key": "key-00000002"})
    assert code_of(changed.send(partner)) == WRONG
    gone = request.but(headers={name: value for name, value in request.headers.items() if name != "Idempotency-Key"})
    assert code_of(gone.send(partner)) == MISSING


@pytest.mark.parametrize("left_out", COVERED)
def test_method_address_and_digest_are_always_covered(partner, left_out):
    covered = tuple(name for name in COVERED if name != left_out)
    assert code_of(as_message_signature(partner, "POST", PROBE, CONTENT, covered=covered).send(partner)) == MISSING


def test_without_a_body_the_digest_is_asked_for_too(partner):
    request = as_message_signature(partner, "GET", PROBE)
    gone = request.but(headers={name: value for name, value in request.headers.items() if name != "Content-Digest"})
    assert code_of(gone.send(partner)) == MISSING
    assert request.send(partner).status_code == 200


def test_a_digest_of_another_body_is_a_wrong_signature(partner):
    request = as_message_signature(partner, "POST", PROBE, CONTENT)
    assert code_of(request.but(body=CONTENT + b" ").send(partner)) == WRONG


def parameters(partner: PartnerApp, **changes: str | None) -> str:
    given_ = {
        "created": str(int(partner.service.clock().timestamp())),
        "keyid": f'"{partner.channel}/{partner.serial}"',
        "alg": '"sm2-sm3"',
        "nonce": '"0123456789abcdef"',
        **changes,
    }
    return "".join(f";{name}={value}" for name, value in given_.items() if value is not None)


@pytest.mark.parametrize(
    "change",
    [
        {"created": None},
        {"keyid": None},
        {"alg": None},
        {"nonce": None},
        {"created": '"1772438400"'},
        {"created": "01772438400"},
        {"created": "-1"},
        {"created": "1772438400.0"},
        {"alg": '"ecdsa-p256-sha256"'},
        {"alg": '"hmac-sha256"'},
        {"alg": '"none"'},
        {"alg": "sm2-sm3"},
        {"keyid": '"only-the-app"'},
        {"keyid": '"a/b/c"'},
        {"keyid": '"https://evil.example/key"'},
        {"nonce": '"short"'},
        {"nonce": '"' + "x" * 65 + '"'},
        {"expires": "1772438500"},
        {"tag": '"app"'},
    ],
    ids=str,
)
def test_a_parameter_of_another_form_is_refused(partner, change):
    request = as_message_signature(partner, "POST", PROBE, CONTENT, parameters=parameters(partner, **change))
    assert code_of(request.send(partner)) == MISSING


def test_parameters_may_stand_in_any_order(partner):
    turned = ";".join(["", *reversed(parameters(partner).removeprefix(";").split(";"))])
    assert as_message_signature(partner, "POST", PROBE, CONTENT, parameters=turned).send(partner).status_code == 200


INPUTS: dict[str, Callable[[str], str]] = {
    "empty": lambda _i: "",
    "two signatures": lambda i: f"{i}, sig2={i.partition('=')[2]}",
    "another label": lambda i: i.replace("sig1=", "sig2="),
    "a label in capitals": lambda i: i.replace("sig1=", "Sig1="),
    "no label": lambda i: i.partition("=")[2],
    "two blanks": lambda i: i.replace('" "', '"  "', 1),
    "a blank after the bracket": lambda i: i.replace("(", "( "),
    "a blank before a parameter": lambda i: i.replace(";created", "; created"),
    "a component twice": lambda i: i.replace("(", '("@method" '),
    "a component with a parameter": lambda i: i.replace('"@method"', '"@method";req'),
    "a structured component": lambda i: i.replace('"content-digest"', '"content-digest";sf'),
    "an unknown component": lambda i: i.replace('"@method"', '"@method" "@status"'),
    "a header that proxies rewrite": lambda i: i.replace('"@method"', '"@method" "host"'),
    "no quotes": lambda i: i.replace('"@method"', "@method"),
    "a parameter twice": lambda i: i + ";created=1",
    "a bare parameter": lambda i: i + ";x",
    "no parameters": lambda i: i.partition(")")[0] + ")",
    "too long": lambda i: i + ";x=" + "1" * 640,
    "an item instead of a list": lambda i: 'sig1="x"' + i.partition(")")[2],
}


@pytest.mark.parametrize("name", INPUTS)
def test_signature_input_in_another_form_is_refused(partner, name):
    request = as_message_signature(partner, "POST", PROBE, CONTENT)
    bad = INPUTS[name](request.headers["Signature-Input"])
    changed = request.but(headers={**request.headers, "Signature-Input": bad})
    assert code_of(changed.send(partner)) == MISSING


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "sig1=",
        "sig1=::",
        "sig1=:AA==:",
        "sig1=:AA:",
        "sig1=AA==",
        "sig1=:!:",
        "sig2=:AA==:",
        "sig1=:AA==:, sig1=:AA==:",
    ],
    ids=str,
)
def test_a_signature_in_another_form_is_refused(partner, bad):
    request = as_message_signature(partner, "POST", PROBE, CONTENT)
    assert code_of(request.but(headers={**request.headers, "Signature": bad}).send(partner)) == MISSING


@pytest.mark.parametrize("digest", ["", "sha-256=", "sha-256=:AA:", "md5=:AA==:", "sha-256=AA==", "SHA-256=:AA==:"])
def test_a_digest_in_another_form_is_refused(partner, digest):
    request = as_message_signature(partner, "POST", PROBE, CONTENT)
    assert code_of(request.but(headers={**request.headers, "Content-Digest": digest}).send(partner)) == MISSING


def test_two_digests_are_refused_even_where_both_are_right(partner):
    request = as_message_signature(partner, "POST", PROBE, CONTENT)
    other = as_message_signature(partner, "POST", PROBE, CONTENT, digest="sm3")
    two = f"{request.headers['Content-Digest']}, {other.headers['Content-Digest']}"
    assert code_of(request.but(headers={**request.headers, "Content-Digest": two}).send(partner)) == MISSING


def test_a_weak_digest_is_refused(partner):
    assert code_of(as_message_signature(partner, "POST", PROBE, CONTENT, digest="sha-512").send(partner)) == MISSING
