"""The header of a signed request: one spelling, each field covered by the signature (threats.md C3, C4)."""

import base64
import itertools
import secrets
from collections.abc import Callable

import pytest

from sm.der import signature_to_der
from sm.sm2 import N
from tests.channels.forms_of_partners import code_of
from tests.channels.partners import PartnerApp, make_partner
from tests.channels.test_guard import NOW, PATH, ask
from tests.service import Service


@pytest.fixture
def partner(city: Service) -> PartnerApp:
    return make_partner(city)


def _field(header: str, name: str) -> str:
    return header.partition(f'{name}="')[2].partition('"')[0]


def _with(name: str, change_: Callable[[str], str]) -> Callable[[str], str]:
    return lambda header: header.replace(
        f'{name}="{_field(header, name)}"', f'{name}="{change_(_field(header, name))}"'
    )


def _signature(raw: bytes) -> Callable[[str], str]:
    return _with("signature", lambda _old: base64.b64encode(raw).decode())


def _numbers(r: int, s: int) -> bytes:
    return signature_to_der(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


HOSTILE: dict[str, Callable[[str], str]] = {
    "empty": lambda _h: "",
    "the scheme alone": lambda _h: "ESSC-SM2-SM3",
    "the scheme and a space": lambda _h: "ESSC-SM2-SM3 ",
    "small letters": lambda h: h.replace("ESSC-SM2-SM3", "essc-sm2-sm3"),
    "another's scheme": lambda h: h.replace("ESSC-SM2-SM3", "WECHATPAY2-SM2-WITH-SM3"),
    "a weaker scheme": lambda h: h.replace("ESSC-SM2-SM3", "ESSC-RSA-SHA1"),
    "no algorithm": lambda h: h.replace("ESSC-SM2-SM3", "none"),
    "bearer": lambda h: h.replace("ESSC-SM2-SM3", "Bearer"),
    "basic": lambda h: "Basic " + base64.b64encode(h.encode()).decode(),
    "DPoP": lambda _h: "DPoP eyJhbGciOiJub25lIn0.e30.",
    "a JWT": lambda _h: "ESSC-SM2-SM3 eyJhbGciOiJub25lIn0.e30.",
    "two spaces": lambda h: h.replace("ESSC-SM2-SM3 ", "ESSC-SM2-SM3  "),
    "a tab": lambda h: h.replace("ESSC-SM2-SM3 ", "ESSC-SM2-SM3\t"),
    "space after commas": lambda h: h.replace(",", ", "),
    "semicolons": lambda h: h.replace(",", ";"),
    "a comma at the end": lambda h: h + ",",
    "a comma before": lambda h: h.replace("SM3 ", "SM3 ,"),
    "a nonce twice": lambda h: h + ',nonce="0123456789abcdef"',
    "a signature twice": lambda h: h + f',signature="{_field(h, "signature")}"',
    "an app twice": lambda h: h + f',app_id="{_field(h, "app_id")}"',
    "something beside": lambda h: h + ',extra="1"',
    "an algorithm of its own": lambda h: h + ',alg="none"',
    "a key address": lambda h: h + ',jku="https://evil.example/keys"',
    "a certificate": lambda h: h + ',x5c="MIIB"',
    "another name": lambda h: h.replace("app_id", "appid"),
    "capital letters": lambda h: h.replace("app_id", "APP_ID"),
    "no app": lambda h: h.replace(f'app_id="{_field(h, "app_id")}",', ""),
    "no serial": lambda h: h.replace(f'serial_no="{_field(h, "serial_no")}",', ""),
    "no timestamp": lambda h: h.replace(f'timestamp="{_field(h, "timestamp")}",', ""),
    "no nonce": lambda h: h.replace(f'nonce="{_field(h, "nonce")}",', ""),
    "no signature": lambda h: h.partition(",signature")[0],
    "single quotes": lambda h: h.replace('"', "'"),
    "no quotes": lambda h: h.replace('"', ""),
    "an escaped quote": _with("nonce", lambda old: old[:20] + '\\"'),
    "an empty app": _with("app_id", lambda _old: ""),
    "an app with a path": _with("app_id", lambda old: f"../{old}"),
    "an app too long": _with("app_id", lambda _old: "x" * 65),
    "a timestamp with zeros": _with("timestamp", lambda old: f"0{old}"),
    "a negative timestamp": _with("timestamp", lambda old: f"-{old}"),
    "a fraction": _with("timestamp", lambda old: f"{old}.0"),
    "milliseconds": _with("timestamp", lambda old: f"{old}000"),
    "a timestamp of other digits": _with("timestamp", lambda old: old.replace("1", "１")),
    "a short nonce": _with("nonce", lambda _old: "short"),
    "a long nonce": _with("nonce", lambda _old: "x" * 65),
    "a nonce with a newline": _with("nonce", lambda old: f"{old}\\n"),
    "an empty signature": _with("signature", lambda _old: ""),
    "no base64": _with("signature", lambda _old: "!" * 96),
    "base64url": _with("signature", lambda old: "-_" + old[2:]),
    "base64 cut short": _with("signature", lambda old: old[:-1]),
    "base64 with padding inside": _with("signature", lambda old: old[:10] + "=" + old[11:]),
    "raw r and s": _signature(b"\x01" * 64),
    "a third integer": _signature(b"\x30\x09" + b"\x02\x01\x01" * 3),
    "a padded integer": _signature(b"\x30\x07\x02\x02\x00\x01\x02\x01\x01"),
    "a long length": _signature(b"\x30\x81\x06\x02\x01\x01\x02\x01\x01"),
    "bytes behind": _signature(_numbers(1, 1) + b"\x00"),
    "r of nought": _signature(b"\x30\x06\x02\x01\x00\x02\x01\x01"),
    "s of n": _signature(_numbers(1, N)),
    "r and s to n": _signature(_numbers(1, N - 1)),
    "all noughts": _signature(bytes(72)),
    "too long": lambda h: h + " " * 512,
    "twice with a comma": lambda h: f"{h},{h}",
}


def test_there_are_at_least_forty_hostile_headers():
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_no_signature(partner, name):
    good = partner.sign("GET", PATH)
    bad = HOSTILE[name](good)
    assert bad != good
    answer = partner.service.app.test_client().get(PATH, headers={"Authorization": bad.encode().decode("latin-1")})
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (401, "signature_missing")
    assert ask(partner, good).status_code == 200


def test_without_a_header_there_is_no_signature(partner):
    assert code_of(ask(partner, None)) == (401, "signature_missing")


@pytest.mark.parametrize("field", ["app_id", "serial_no", "timestamp", "nonce", "signature"])
def test_each_field_is_covered_by_the_signature(partner, field):
    other = make_partner(partner.service)
    fields = {
        "timestamp": str(NOW + 1),
        "nonce": secrets.token_hex(16),
        "app_id": other.channel,
        "serial_no": other.serial,
    }
    fields["signature"] = _field(partner.sign("GET", PATH), "signature")
    header = partner.sign("GET", PATH)
    answer = ask(partner, header.replace(_field(header, field), fields[field]))
    assert code_of(answer) == (401, "signature_wrong")


def test_a_signature_does_not_move_to_another_address_or_query(partner):
    header = partner.sign("GET", PATH)
    for path in (f"{PATH}?x=1", "/v1/terminal-sessions/ts_" + "0" * 26):
        assert code_of(ask(partner, header, path=path))[0] == 401
    assert ask(partner, partner.sign("GET", f"{PATH}?x=1"), path=f"{PATH}?x=1").status_code == 200


def test_every_flipped_bit_of_a_signature_is_refused(partner):
    raw = base64.b64decode(_field(partner.sign("GET", PATH), "signature"))
    codes = set()
    for place, bit in itertools.product(range(0, len(raw), 3), (0, 5)):
        header = partner.sign("GET", PATH)
        flipped = bytearray(base64.b64decode(_field(header, "signature")))
        flipped[place % len(flipped)] ^= 1 << bit
        codes.add(code_of(ask(partner, _signature(bytes(flipped))(header))))
    assert codes <= {(401, "signature_wrong"), (401, "signature_missing")}
