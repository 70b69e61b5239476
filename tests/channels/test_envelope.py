"""The JSON envelope: canonical form alone, sealed data that opens in its own envelope alone."""

import base64
import json
from collections.abc import Callable

import pytest

from sm.der import signature_to_der
from sm.sm2 import N
from tests.channels.forms_of_partners import (
    CONTENT,
    MISSING,
    PROBE,
    Request,
    b64,
    code_of,
    compact,
    in_an_envelope,
    sealed,
    secret_of,
)
from tests.channels.partners import PartnerApp


def test_sealed_data_opens_for_the_view(partner):
    request = in_an_envelope(partner, "POST", PROBE, CONTENT, secret=secret_of(partner))
    assert "甲".encode() not in request.body
    assert request.send(partner).json()["content"] == json.loads(CONTENT)


def test_each_certificate_has_a_secret_of_its_own(partner):
    other = partner.with_new_key()
    assert secret_of(partner) != secret_of(other)
    request = in_an_envelope(partner, "POST", PROBE, CONTENT, secret=secret_of(other))
    assert code_of(request.send(partner)) == MISSING


def test_sealed_data_does_not_move_to_another_envelope(partner):
    one, other = (in_an_envelope(partner, "POST", PROBE, CONTENT, secret=secret_of(partner)) for _ in range(2))
    members = json.loads(one.body) | {"encData": json.loads(other.body)["encData"]}
    assert code_of(one.but(body=compact(members).encode()).send(partner)) == MISSING


@pytest.mark.parametrize(
    "change",
    [
        {"signType": "RSA"},
        {"signType": "none"},
        {"version": "2.0.1"},
        {"encType": "SM4-ECB"},
        {"encType": "SM4"},
        {"timestamp": "1772438400000"},
        {"timestamp": "20260302160000Z"},
        {"timestamp": 20260302160000},
        {"nonce": "short"},
        {"nonce": None},
        {"appId": "chn_\u0000"},
        {"appId": 5},
        {"serialNo": ""},
        {"extra": "1"},
        {"jku": "https://evil.example"},
    ],
    ids=str,
)
def test_an_envelope_that_is_not_of_the_form_is_refused(partner, change):
    request = in_an_envelope(partner, "POST", PROBE)
    body = compact(json.loads(request.body) | change).encode()
    assert code_of(request.but(body=body).send(partner)) == MISSING


ENVELOPE_BODIES: dict[str, Callable[[bytes], bytes]] = {
    "a blank": lambda body: body.replace(b",", b", ", 1),
    "a newline at the end": lambda body: body + b"\n",
    "a member twice": lambda body: body[:-1] + b',"version":"1.0"}',
    "members out of order": lambda body: compact_unsorted(json.loads(body)),
    "a needless escape": lambda body: body.replace(b'"SM2"', b'"\\u0053M2"'),
    "no data": lambda body: body.replace(b'"data":{},', b""),
    "data of another kind": lambda body: body.replace(b'"data":{}', b'"data":[]'),
    "data as text": lambda body: body.replace(b'"data":{}', b'"data":"{}"'),
    "data and encData": lambda body: body.replace(b'"encType"', b'"encData":"","encType"'),
    "a fraction": lambda body: body.replace(b'"data":{}', b'"data":{"a":1.0e0}'),
    "not UTF-8": lambda body: body.replace(b'"data":{}', b'"data":{"a":"\xff"}'),
    "a lone surrogate": lambda body: body.replace(b'"data":{}', b'"data":{"a":"\\ud800"}'),
    "cut short": lambda body: body[:-1],
    "a signature as DER": lambda body: with_signature(body, signature_to_der(b"\x01" * 64)),
    "a signature too long": lambda body: with_signature(body, b"\x01" * 65),
    "a signature of nought": lambda body: with_signature(body, bytes(64)),
    "r and s to n": lambda body: with_signature(body, (1).to_bytes(32, "big") + (N - 1).to_bytes(32, "big")),
}


def compact_unsorted(value: dict) -> bytes:
    return json.dumps(dict(reversed(value.items())), separators=(",", ":"), ensure_ascii=False).encode()


def with_signature(body: bytes, raw: bytes) -> bytes:
    return compact(json.loads(body) | {"signData": base64.b64encode(raw).decode()}).encode()


@pytest.mark.parametrize("name", ENVELOPE_BODIES)
def test_an_envelope_in_another_spelling_is_refused(partner, name):
    request = in_an_envelope(partner, "POST", PROBE)
    bad = ENVELOPE_BODIES[name](request.body)
    assert bad != request.body
    assert code_of(request.but(body=bad).send(partner)) == MISSING
    assert request.send(partner).status_code == 200


def test_what_was_sealed_is_in_canonical_form_too(partner):
    secret = secret_of(partner)
    for content in (b'{"b":1,"a":2}', b'{"a": 1}', b"[]", b"no json"):
        request = sealed_as_it_is(partner, content, secret)
        assert code_of(request.send(partner)) == MISSING


def sealed_as_it_is(partner: PartnerApp, content: bytes, secret: str) -> Request:
    """Seal bytes that are not canonical, under a signature that fits them."""
    request = in_an_envelope(partner, "POST", PROBE, b"{}", secret=secret)
    members = json.loads(request.body)
    members["encData"] = b64(sealed(partner, members["nonce"], content, secret))
    signed = {name: value for name, value in members.items() if name not in {"signData", "encData"}}
    signed["data"] = content.decode()
    line = PROBE + "?" + "&".join(f"{name}={signed[name]}" for name in sorted(signed))
    members["signData"] = b64(partner.signer.sign(line.encode()))
    return request.but(body=compact(members).encode())
