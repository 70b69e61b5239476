"""Pictures of codes over HTTP, for phones that cannot draw; what they show is read back as a scanner would."""

from xml.etree import ElementTree as ET

import pytest

from core.errors import Malformed
from qr.errors import PictureUnfit
from qr.scanning import scan_picture
from tests.redemption.counter import Counter, require_accepted, require_verdict, take


def draw(counter: Counter, code: str, **more: object):
    return counter.phone.call("POST", "/v1/code-images", {"code": code, **more})


@pytest.mark.parametrize("scale", [2, 6, 20])
@pytest.mark.parametrize(
    ("kind", "symbology"), [("signed", "qr"), ("counter", "qr"), ("counter", "code128")], ids=lambda name: name
)
def test_a_scanner_reads_the_digits_and_they_are_redeemed(
    sqlite_counter: Counter, kind: str, symbology: str, scale: int
) -> None:
    code = sqlite_counter.show(kind=kind)
    answer = draw(sqlite_counter, code, symbology=symbology, scale=scale)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.headers["Cache-Control"] == "no-store"
    scanned = scan_picture(answer.content)
    assert scanned == [code]
    require_accepted(take(sqlite_counter.till(), scanned[0]))


@pytest.mark.parametrize(("kind", "symbology"), [("signed", "qr"), ("counter", "qr"), ("counter", "code128")])
def test_an_svg_is_drawn_too_and_does_not_spell_the_digits(sqlite_counter: Counter, kind: str, symbology: str) -> None:
    code = sqlite_counter.show(kind=kind)
    answer = draw(sqlite_counter, code, symbology=symbology, format="svg")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert ET.fromstring(answer.text).tag == "{http://www.w3.org/2000/svg}svg"
    assert code not in answer.text


def test_a_signed_code_is_too_long_for_bars(sqlite_counter: Counter) -> None:
    require_verdict(draw(sqlite_counter, sqlite_counter.show(), symbology="code128"), PictureUnfit)


@pytest.mark.parametrize(
    "wrong", [{"scale": 0}, {"scale": 21}, {"scale": 1.5}, {"format": "gif"}, {"symbology": "aztec"}, {"more": 1}]
)
def test_other_pictures_are_not_drawn(sqlite_counter: Counter, wrong: dict[str, object]) -> None:
    require_verdict(draw(sqlite_counter, sqlite_counter.show(), **wrong), Malformed)


@pytest.mark.parametrize("text", ["8" * 19, "8" * 513])
def test_a_text_of_another_length_is_no_code(sqlite_counter: Counter, text: str) -> None:
    sqlite_counter.show()
    require_verdict(draw(sqlite_counter, text), Malformed)


@pytest.mark.parametrize("text", ["社" * 20, "8" * 20 + "\n"])
def test_a_picture_carries_printable_characters_only(sqlite_counter: Counter, text: str) -> None:
    sqlite_counter.show()
    require_verdict(draw(sqlite_counter, text), PictureUnfit)


def test_nobody_draws_without_a_phone(sqlite_counter: Counter) -> None:
    answer = sqlite_counter.phone.http.post("/v1/code-images", json={"code": "8" * 20})
    assert answer.status_code == 401
