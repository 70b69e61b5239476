import hashlib
import io
import re
import struct
import zlib
from xml.etree import ElementTree as ET

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from qr.code_class import CodeClass
from qr.counter_code import mint_counter_code
from qr.errors import CodeMalformed, PictureUnfit
from qr.image import MAX_SCALE, Level, Symbology, draw_png, draw_svg, draw_terminal, qr_modules
from qr.reference_image import draw_reference_png, draw_reference_svg, reference_modules
from qr.scanning import scan_picture


def random_looking(seed):
    """Write 222 digits that look like a real code's; the reference fails on long runs of zeros."""
    return f"82{int.from_bytes(hashlib.shake_256(seed).digest(91), 'big'):0220d}"


SIGNED = random_looking(b"what a picture shows does not depend on who signed it")
COUNTER = mint_counter_code(CodeClass.MEDICAL, lambda size: bytes(range(size)))
signed_codes = st.binary(max_size=16).map(random_looking)
counter_codes = st.binary(min_size=16, max_size=16).map(
    lambda drawn: mint_counter_code(CodeClass.GATE, lambda _: drawn)
)
SVG = "{http://www.w3.org/2000/svg}"


def scanned(picture):
    return [(found.text, str(found.format)) for found in zxingcpp.read_barcodes(picture)]


def opened(png):
    return Image.open(io.BytesIO(png))


def painted(svg, scale=4):
    """Rasterise the strokes of an SVG of ours, in modules, the way a browser would."""
    root = ET.fromstring(svg)
    width, height = (int(number) for number in root.attrib["viewBox"].split()[2:])
    picture = Image.new("L", (width * scale, height * scale), "white")
    stroke = root.findall(f"{SVG}path")[1]
    half, brush = float(stroke.attrib["stroke-width"]) / 2, ImageDraw.Draw(picture)
    x = y = 0.0
    for act, numbers in re.findall(r"([Mmh])([^Mmh]*)", stroke.attrib["d"]):
        values = [float(number) for number in numbers.split()]
        if act == "M":
            x, y = values
        elif act == "m":
            x, y = x + values[0], y + values[1]
        else:
            box = (x * scale, (y - half) * scale, (x + values[0]) * scale - 1, (y + half) * scale - 1)
            brush.rectangle(box, fill="black")
            x += values[0]
    return picture


@settings(max_examples=30, deadline=None)
@given(st.one_of(signed_codes, counter_codes))
def test_both_pictures_show_the_same_digits_as_the_reference_drawing(code):
    assert scanned(opened(draw_png(code))) == [(code, "QR Code")]
    assert scanned(painted(draw_svg(code))) == [(code, "QR Code")]
    assert scanned(opened(draw_reference_png(code))) == [(code, "QR Code")]


def masked_references(code, level):
    return [reference_modules(code, level=level, mask=mask) for mask in range(8)]


@settings(max_examples=20, deadline=None)
@given(st.one_of(signed_codes, counter_codes), st.sampled_from(Level))
def test_every_module_is_that_of_the_reference_under_one_of_the_eight_masks(code, level):
    """Which mask is the prettiest the standard leaves to penalty points that writers count differently."""
    assert qr_modules(code, level) in masked_references(code, level)


def test_the_two_drawings_are_equal_pixel_by_pixel_under_the_same_mask():
    ours, (width, modules) = opened(draw_png(SIGNED, scale=3)), qr_modules(SIGNED)
    assert (width, modules) in masked_references(SIGNED, Level.MEDIUM)
    reference = Image.new("L", (width + 8, width + 8), 255)
    reference.paste(Image.frombytes("L", (width, width), modules), (4, 4))
    assert ours.convert("L").tobytes() == reference.resize(ours.size, Image.Resampling.NEAREST).tobytes()
    assert painted(draw_svg(SIGNED), scale=3).tobytes() == ours.convert("L").tobytes()


@pytest.mark.parametrize(
    ("code", "level", "version"),
    [(SIGNED, Level.MEDIUM, 6), (SIGNED, Level.LOW, 5), (COUNTER, Level.MEDIUM, 1), (COUNTER, Level.LOW, 1)],
)
def test_a_code_is_one_numeric_segment_in_the_smallest_symbol(code, level, version):
    assert qr_modules(code, level)[0] == 17 + 4 * version
    [found] = zxingcpp.read_barcodes(opened(draw_png(code, level=level)))
    assert found.ec_level == level.value
    assert found.symbology_identifier == "]Q1"  # no ECI, no structured append


def test_a_counter_code_as_code_128_uses_the_double_digit_set():
    picture = opened(draw_png(COUNTER, Symbology.CODE128, scale=2))
    # start, ten pairs and check of 11 modules, stop of 13, and ten of quiet zone on either side
    assert picture.width == (11 * 12 + 13 + 20) * 2
    assert scanned(picture) == scanned(painted(draw_svg(COUNTER, Symbology.CODE128))) == [(COUNTER, "Code 128")]


@pytest.mark.parametrize("scale", [1, 2, 3, 5, 8, 13, MAX_SCALE])
def test_a_picture_has_its_scale_and_a_quiet_zone_of_four_modules(scale):
    picture = opened(draw_png(SIGNED, scale=scale))
    assert (picture.mode, picture.size) == ("1", (49 * scale, 49 * scale))
    dark = picture.convert("L").point(lambda grey: 255 - grey).getbbox()
    assert dark == (4 * scale, 4 * scale, 45 * scale, 45 * scale)
    svg = ET.fromstring(draw_svg(SIGNED, scale=scale))
    assert (svg.attrib["width"], svg.attrib["height"], svg.attrib["viewBox"]) == (
        str(49 * scale),
        str(49 * scale),
        "0 0 49 49",
    )


def test_the_svg_is_one_path_on_a_white_ground_and_tells_no_digits():
    svg = draw_svg(SIGNED)
    assert len(svg) < len(draw_reference_svg(SIGNED)) / 4
    assert svg.count("<path") == 2
    assert SIGNED[:12] not in svg
    assert "<text" not in draw_svg(COUNTER, Symbology.CODE128)


def test_a_terminal_shows_the_code_in_half_blocks():
    text = draw_terminal(SIGNED)
    lines = text.split("\n")
    rows = [[mark in upper for mark in line] for line in lines for upper in ("█▀", "█▄")]
    assert set(text) <= set("█▀▄ \n")
    assert {len(line) for line in lines} == {37 + 8}
    picture = Image.new("L", (len(rows[0]), len(rows)))
    picture.putdata([255 if light else 0 for row in rows for light in row])
    large = picture.resize((picture.width * 4, picture.height * 4), Image.Resampling.NEAREST)
    assert scanned(large) == [(SIGNED, "QR Code")]


@pytest.mark.parametrize("scale", [0, -1, MAX_SCALE + 1, 10**9])
def test_a_scale_beyond_the_limits_is_refused(scale):
    for draw in (draw_png, draw_svg):
        with pytest.raises(PictureUnfit):
            draw(SIGNED, scale=scale)


@pytest.mark.parametrize("text", ["", "8" * 513, "电子", "8\n", "٨٢"])
def test_a_text_that_no_code_has_is_not_drawn(text):
    for draw in (draw_png, draw_svg, draw_terminal):
        with pytest.raises(PictureUnfit):
            draw(text)


@pytest.mark.parametrize("text", [SIGNED, COUNTER[:-1], "A" * 20, "٠" * 20])
def test_bars_are_drawn_for_counter_codes_alone(text):
    for draw in (draw_png, draw_svg):
        with pytest.raises(PictureUnfit):
            draw(text, Symbology.CODE128)


def test_a_camera_scanner_reads_our_pictures():
    assert scan_picture(draw_png(SIGNED)) == [SIGNED]
    assert scan_picture(draw_png(COUNTER, Symbology.CODE128)) == [COUNTER]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@pytest.mark.parametrize(
    "given_bytes",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a" + bytes(60),
        draw_png(COUNTER)[:-40],
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">II", 100_000, 100_000) + b"\x01\0\0\0\0"),
    ],
    ids=["nothing", "only a signature", "a GIF", "cut short", "a bomb"],
)
def test_what_is_no_modest_png_is_malformed(given_bytes):
    with pytest.raises(CodeMalformed):
        scan_picture(given_bytes)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(draw_png(COUNTER)) - 1), st.integers(1, 255))
def test_no_damaged_picture_breaks_the_scanner(place, change):
    damaged = bytearray(draw_png(COUNTER))
    damaged[place] ^= change
    try:
        texts = scan_picture(bytes(damaged))
    except CodeMalformed:
        return
    assert all(isinstance(text, str) for text in texts)
