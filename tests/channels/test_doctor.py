"""The signature doctor: each mistake that developers make, planted and found by name."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import pytest

from channels.doctor.base_strings import Parts, list_variants
from channels.doctor.claimed import claimed_request
from channels.doctor.comparing import escaped, first_difference
from channels.doctor.examination import Doctor, Examined, KnownApp, KnownKey, examine
from channels.doctor.mistakes import MISTAKES
from core.clock import from_millis
from sm.der import signature_to_der
from sm.digest import sm3
from sm.sm2 import USER_ID_DEFAULT, random_private_key
from tests.service import ISSUER, PROVIDER, START

APP, SERIAL, OTHER_SERIAL = "chn_" + "0" * 26, "5f1c0a9be27d4e63", "77aa"
NOW = int(START.timestamp())
KEY, OTHER_KEY = random_private_key(), random_private_key()
BODY = '{"out_request_no":"A-1","reason":"挂失 / 丢失","amount":12}'.encode()
TARGET = "/v1/carriages?state=active&after=crg%2F1&limit=10"


@dataclass(frozen=True)
class Sent:
    """A request as a developer's program made it: what it signed, and what it sent."""

    method: str = "POST"
    target: str = TARGET
    timestamp: str = str(NOW)
    nonce: str = "n" * 32
    body: bytes = BODY
    signed: bytes | None = None
    key: Any = KEY
    user_id: bytes = USER_ID_DEFAULT
    serial: str = SERIAL
    spell: Callable[[bytes], str] = lambda raw: base64.b64encode(signature_to_der(raw)).decode()
    sign: Callable[[Any, bytes], bytes] | None = None
    write: Callable[[dict[str, str]], str] | None = None
    follows: tuple[str, ...] = ()

    def base(self) -> bytes:
        return lines(self.method, self.target, self.timestamp, self.nonce, self.body)

    def header(self) -> str:
        signer = PROVIDER.signer(self.key, self.user_id)
        what = self.base() if self.signed is None else self.signed
        raw = self.sign(signer, what) if self.sign else signer.sign(what)
        given = {
            "app_id": APP,
            "serial_no": self.serial,
            "timestamp": self.timestamp,
            "nonce": self.nonce,
            "signature": self.spell(raw),
        }
        if self.write:
            return self.write(given)
        return "ESSC-SM2-SM3 " + ",".join(f'{name}="{value}"' for name, value in given.items())

    def but(self, **changes: Any) -> "Sent":
        return replace(self, **changes)


GOOD = Sent()
LINES = ("POST", TARGET, str(NOW), "n" * 32)


def lines(*given: bytes | str, end: bytes = b"\n") -> bytes:
    return b"".join((one.encode() if isinstance(one, str) else one) + end for one in given)


def rewritten(**how: Any) -> bytes:
    return json.dumps(json.loads(BODY), **how).encode()


def unquoted(given: dict[str, str]) -> str:
    return "ESSC-SM2-SM3 " + ",".join(f"{name}={value}" for name, value in given.items())


def with_blanks(given: dict[str, str]) -> str:
    return "ESSC-SM2-SM3 " + ", ".join(f'{name}="{value}"' for name, value in given.items())


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(signature_to_der(raw)).decode().rstrip("=")


def spelt_otherwise(signer: Any, base: bytes) -> bytes:
    """Sign until it shows: one signature in twenty has neither - nor _ and is base64 as well."""
    return next(raw for raw in (signer.sign(base) for _ in range(1000)) if {"-", "_"} & set(base64url(raw)))


PLANTED: dict[str, tuple[str, Sent]] = {
    "nonce before timestamp": (
        "lines_reordered",
        GOOD.but(signed=lines("POST", TARGET, "n" * 32, str(NOW), BODY)),
    ),
    "body first": ("lines_reordered", GOOD.but(signed=lines(BODY, *LINES))),
    "no last newline": ("last_newline_missing", GOOD.but(signed=GOOD.base()[:-1])),
    "no line for an empty body": ("last_newline_missing", GOOD.but(body=b"", signed=lines(*LINES))),
    "a newline too many": ("newline_too_many", GOOD.but(signed=GOOD.base() + b"\n")),
    "lines of Windows": ("crlf", GOOD.but(signed=lines(*LINES, BODY, end=b"\r\n"))),
    "a backslash and an n": ("newline_escaped", GOOD.but(signed=lines(*LINES, BODY, end=b"\\n"))),
    "signed in GB18030": ("body_encoding", GOOD.but(signed=lines(*LINES, BODY.decode().encode("gb18030")))),
    "sent in GB18030, signed in UTF-8": (
        "body_encoding",
        GOOD.but(body=BODY.decode().encode("gb18030"), signed=lines(*LINES, BODY)),
    ),
    "signed with a byte order mark": ("body_encoding", GOOD.but(signed=lines(*LINES, b"\xef\xbb\xbf" + BODY))),
    "blanks in the JSON": ("body_reserialised", GOOD.but(signed=lines(*LINES, rewritten(ensure_ascii=False)))),
    "sorted keys": (
        "body_reserialised",
        GOOD.but(signed=lines(*LINES, rewritten(sort_keys=True, separators=(",", ":"), ensure_ascii=False))),
    ),
    "escaped Chinese": ("body_reserialised", GOOD.but(signed=lines(*LINES, rewritten(separators=(",", ":"))))),
    "no body": ("body_missing", GOOD.but(signed=lines(*LINES, b""))),
    "the body's hash": ("body_hashed", GOOD.but(signed=lines(*LINES, hashlib.sha256(BODY).hexdigest()))),
    "no query": ("query_missing", GOOD.but(signed=GOOD.but(target="/v1/carriages").base())),
    "sorted query": (
        "query_reordered",
        GOOD.but(signed=GOOD.but(target="/v1/carriages?after=crg%2F1&limit=10&state=active").base()),
    ),
    "unescaped query": ("query_escaping", GOOD.but(signed=GOOD.but(target=unquote(TARGET)).base())),
    "small escapes": ("query_escaping", GOOD.but(signed=GOOD.but(target=TARGET.replace("%2F", "%2f")).base())),
    "the whole address": ("target_absolute", GOOD.but(signed=GOOD.but(target=ISSUER + TARGET).base())),
    "a small method": ("method_case", GOOD.but(signed=GOOD.but(method="post").base())),
    "another method": ("method_differs", GOOD.but(signed=GOOD.but(method="GET").base())),
    "a clock that is slow": ("clock_off", GOOD.but(timestamp=str(NOW - 301))),
    "a clock in Beijing": ("clock_off", GOOD.but(timestamp=str(NOW + 8 * 3600))),
    "milliseconds": ("timestamp_milliseconds", GOOD.but(timestamp=str(NOW * 1000))),
    "a date": ("timestamp_malformed", GOOD.but(timestamp="2026-03-02T08:00:00Z")),
    "an unknown serial": ("serial_unknown", GOOD.but(serial="abc123")),
    "a serial in decimal digits": ("serial_spelling", GOOD.but(serial=str(int(SERIAL, 16)))),
    "a serial with colons": ("serial_spelling", GOOD.but(serial="5F1C0A9BE27D4E63")),
    "the other certificate's key": ("key_of_other_certificate", GOOD.but(key=OTHER_KEY)),
    "no user id": ("user_id", GOOD.but(user_id=b"")),
    "the app as user id": ("user_id", GOOD.but(user_id=APP.encode())),
    "a hash in hex": ("hash_signed", GOOD.but(signed=sm3(GOOD.base()).hex().encode())),
    "a hash": ("hash_signed", GOOD.but(signed=sm3(GOOD.base()))),
    "no Z": ("digest_without_z", GOOD.but(sign=lambda signer, base: signer.sign_digest(sm3(base)))),
    "SHA-256": ("sha256", GOOD.but(sign=lambda signer, base: signer.sign_digest(hashlib.sha256(base).digest()))),
    "r and s together": ("signature_raw", GOOD.but(spell=lambda raw: base64.b64encode(raw).decode())),
    "base64url": (
        "signature_base64url",
        GOOD.but(sign=spelt_otherwise, spell=base64url),
    ),
    "hex": ("signature_hex", GOOD.but(spell=lambda raw: signature_to_der(raw).hex())),
    "lines of base64": (
        "signature_not_base64",
        GOOD.but(spell=lambda raw: base64.encodebytes(signature_to_der(raw)).decode()),
    ),
    "s before r": ("halves_swapped", GOOD.but(sign=lambda signer, base: swapped(signer.sign(base)))),
    "no quotes": ("header_quoting", GOOD.but(write=unquoted)),
    "blanks behind commas": ("header_quoting", GOOD.but(write=with_blanks)),
    "another's names": (
        "header_field_unknown",
        GOOD.but(
            write=lambda given: with_blanks(given).replace("app_id", "mchid").replace(", ", ","),
            follows=("header_field_missing",),
        ),
    ),
    "a field too few": (
        "header_field_missing",
        GOOD.but(write=lambda given: with_blanks({k: v for k, v in given.items() if k != "nonce"}).replace(", ", ",")),
    ),
    "another's scheme": (
        "scheme_misspelt",
        GOOD.but(write=lambda given: "WECHATPAY2-SM2-WITH-SM3 " + with_blanks(given)[13:].replace(", ", ",")),
    ),
    "a short nonce": ("nonce_malformed", GOOD.but(nonce="12345")),
}


def swapped(raw: bytes) -> bytes:
    return raw[32:] + raw[:32]


def key(serial: str, private: Any, **more: Any) -> KnownKey:
    begins, ends = from_millis((NOW - 100) * 1000), from_millis((NOW + 100) * 1000)
    return KnownKey(serial, PROVIDER.public_key_of(private), **{"not_before": begins, "not_after": ends, **more})


KEYS = (key(SERIAL, KEY), key(OTHER_SERIAL, OTHER_KEY))


def ask(
    sent: Sent, their_base: bytes | None = None, keys: tuple[KnownKey, ...] = KEYS, *, deep: bool = False
) -> Examined:
    app = KnownApp(keys, frozenset({"ESSC-SM2-SM3"}))
    doctor = Doctor(PROVIDER, START, {APP: app}.get, lambda *_: "", deep=deep)
    headers = [("Authorization", sent.header()), ("Content-Type", "application/json")]
    return examine(doctor, claimed_request(sent.method, sent.target, headers, sent.body, ISSUER), their_base)


def codes(examined: Examined) -> list[str]:
    return [finding.code for finding in examined.findings]


def test_nothing_is_found_in_a_right_request():
    examined = ask(GOOD, GOOD.base())
    assert (examined.signature, codes(examined), examined.difference) == ("right", [], None)
    assert examined.base == GOOD.base()


def test_more_than_ten_typical_mistakes_are_planted():
    assert len({code for code, _ in PLANTED.values()}) > 10


@pytest.mark.parametrize("name", PLANTED)
def test_each_typical_mistake_is_found_from_the_request_alone(name):
    code, sent = PLANTED[name]
    assert codes(ask(sent)) == [code, *sent.follows]


@pytest.mark.parametrize("name", PLANTED)
def test_each_typical_mistake_is_found_beside_the_developer_s_own_base_string(name):
    code, sent = PLANTED[name]
    their_base = sent.base() if sent.signed is None or code == "hash_signed" else sent.signed
    examined = ask(sent, their_base)
    assert code in codes(examined)
    assert (examined.difference is None) == (examined.base == their_base)


@pytest.mark.parametrize("name", [name for name, (_, sent) in PLANTED.items() if sent.signed not in {None, b""}])
def test_without_the_key_their_own_base_string_tells_the_mistake(name):
    code, sent = PLANTED[name]
    if code != "hash_signed":
        assert codes(ask(sent, sent.signed, keys=())) == [code, "serial_unknown"]


def test_the_first_byte_that_differs_is_shown_with_its_line():
    theirs = lines("POST", TARGET, str(NOW), "n" * 20 + "m" + "n" * 11, BODY)
    found = ask(GOOD.but(signed=theirs), theirs).difference
    assert found == first_difference(GOOD.base(), theirs)
    assert (found.offset, found.line) == (GOOD.base().index(b"n" * 32) + 20, "nonce")
    assert (found.ours, found.theirs) == ("n" * 12 + "»" + "n" * 12, "n" * 12 + "»m" + "n" * 11)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"timestamp": "1772438401"}, "timestamp_differs"),
        ({"nonce": "m" * 32}, "nonce_differs"),
        ({"target": "/v1/other"}, "target_differs"),
        ({"body": b"{}"}, "body_differs"),
        ({"method": "PATCH"}, "method_differs"),
        ({"method": "PATCH", "nonce": "m" * 32}, "base_differs"),
    ],
)
def test_another_value_in_a_line_is_named_by_the_line(change, code):
    theirs = GOOD.but(**change).base()
    assert codes(ask(GOOD.but(signed=theirs), theirs)) == [code]


def test_the_end_of_a_base_string_differs_too():
    assert first_difference(b"abc\n", b"abc").theirs == "abc»end"


def test_every_byte_is_shown_in_one_way():
    shown = [escaped(bytes([byte])) for byte in range(256)]
    assert len(set(shown)) == 256
    assert escaped(b"a\n\r\t\\\x00\xe6") == "a\\n\\r\\t\\\\\\x00\\xe6"


def test_two_mistakes_at_once_are_found_by_a_deep_search():
    sent = GOOD.but(signed=GOOD.base()[:-1], user_id=b"")
    assert codes(ask(sent)) == ["unexplained"]
    assert codes(ask(sent, deep=True)) == ["last_newline_missing", "user_id"]


def test_what_cannot_be_explained_is_said_to_be_so():
    stranger = GOOD.but(key=random_private_key())
    assert codes(ask(stranger)) == ["unexplained"]
    assert codes(ask(stranger, GOOD.base())) == ["other_key"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"is_withdrawn": True}, "key_withdrawn"),
        ({"not_after": START}, "key_expired"),
        ({"not_before": from_millis((NOW + 1) * 1000)}, "key_not_yet_valid"),
    ],
)
def test_a_key_that_does_not_count_is_told_though_its_signature_is_right(more, code):
    examined = ask(GOOD, keys=(key(SERIAL, KEY, **more),))
    assert (examined.signature, codes(examined)) == ("right", [code])


@pytest.mark.parametrize(("off", "found"), [(-301, True), (-300, False), (300, False), (301, True)])
def test_the_clock_is_judged_to_the_second(off, found):
    assert ("clock_off" in codes(ask(GOOD.but(timestamp=str(NOW + off))))) is found


@pytest.mark.parametrize("header", ["", "x", "ESSC-SM2-SM3", "ESSC-SM2-SM3 " + "=" * 3000, 'ESSC app_id="' + '"' * 99])
def test_no_header_breaks_the_doctor(header):
    examined = ask(GOOD.but(write=lambda _given: header))
    assert examined.findings
    assert examined.signature in {"not_checked", "unreadable"}


def test_no_variant_is_ours_and_none_comes_twice():
    parts = Parts("POST", TARGET, str(NOW), "n" * 32, BODY, ISSUER)
    variants = [variant.base for variant in list_variants(parts)]
    assert len(set(variants)) == len(variants)
    assert parts.base() not in variants
    assert {variant.code for variant in list_variants(parts)} <= set(MISTAKES)


def test_every_mistake_is_told_in_both_languages():
    assert all(one.zh and one.en and one.zh != one.en for one in MISTAKES.values())


def test_a_deeply_nested_body_is_not_written_anew_in_megabytes():
    nested = b"[" + b",".join([b"[" * 29 + b"]" * 29] * 1000) + b"]"
    parts = Parts("POST", "/v1/carriages", "1772438400", "0" * 16, nested)
    assert max(len(variant.base) for variant in list_variants(parts)) < 3 * len(nested)
