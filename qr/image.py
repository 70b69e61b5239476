"""Pictures of a code, drawn fast: one call of zxing-cpp for the modules, the PNG and the SVG written here.

Both drawings work on eight modules at a time, looked up in small tables. ``qr.reference_image`` draws the same the
slow way, for comparison.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import zxingcpp

from qr.errors import PictureUnfit

QUIET_ZONE = 4  # modules: ISO/IEC 18004:2015, 6.3.8
CODE128_QUIET_ZONE = 10  # modules: ISO/IEC 15417
CODE128_BAR_HEIGHT = 50  # modules
CODE128_LENGTH = 20  # the counter code: ten pairs in code set C; a signed code would be wider than any counter
MAX_TEXT_LENGTH = 512
MAX_SCALE = 32  # 1,568 pixels for a signed code
DEFAULT_SCALE = 8

_ZLIB_LEVEL = 2  # the scaled rows repeat: a higher level doubles the time and saves 300 bytes
_GREY_ONE_BIT = bytes((1, 0, 0, 0, 0))  # bit depth, colour type, compression, filter, interlace: PNG, 11.2.2


class Symbology(Enum):
    QR = "qr"
    CODE128 = "code128"


class Level(Enum):
    """How much of a QR symbol may be lost: L 7 %, M 15 %."""

    LOW = "L"
    MEDIUM = "M"


@dataclass(frozen=True, slots=True)
class _Symbol:
    """Modules with their quiet zone: eight to a byte, dark = 1, rows padded with light."""

    width: int
    rows: list[bytes]
    row_height: int
    margin: int
    """Rows of quiet zone, each one module high, above and below."""

    @property
    def height(self) -> int:
        return len(self.rows) * self.row_height + 2 * self.margin


def draw_png(
    text: str, symbology: Symbology = Symbology.QR, *, level: Level = Level.MEDIUM, scale: int = DEFAULT_SCALE
) -> bytes:
    """Draw a PNG, black on white with its quiet zone, ``scale`` pixels for each module; raise PictureUnfit."""
    _require_scale(scale)
    symbol = _symbol(text, symbology, level)
    margin = _png_row(bytes(len(symbol.rows[0])), symbol.width, scale) * (symbol.margin * scale)
    repeated = scale * symbol.row_height
    body = b"".join(_png_row(row, symbol.width, scale) * repeated for row in symbol.rows)
    return _png(symbol.width * scale, symbol.height * scale, margin + body + margin)


def draw_svg(
    text: str, symbology: Symbology = Symbology.QR, *, level: Level = Level.MEDIUM, scale: int = DEFAULT_SCALE
) -> str:
    """Draw an SVG, one path on a white ground, ``scale`` CSS pixels for each module; raise PictureUnfit."""
    _require_scale(scale)
    symbol = _symbol(text, symbology, level)
    middle = symbol.margin + symbol.row_height / 2
    path = "".join(
        f"M0 {middle + number * symbol.row_height:g}" + "".join(map(_svg_byte, row))
        for number, row in enumerate(symbol.rows)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{symbol.width * scale}" height="{symbol.height * scale}"'
        f' viewBox="0 0 {symbol.width} {symbol.height}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{symbol.width}v{symbol.height}H0z"/>'
        f'<path fill="none" stroke="#000" stroke-width="{symbol.row_height}" d="{path}"/></svg>'
    )


def draw_terminal(text: str, *, level: Level = Level.LOW) -> str:
    """Draw a QR code in half blocks, two modules to a character, for a dark terminal; raise PictureUnfit."""
    symbol = _symbol(text, Symbology.QR, level)
    light = bytes(len(symbol.rows[0]))
    rows = [light] * symbol.margin + symbol.rows + [light] * (symbol.margin + 1)
    pairs = zip(rows[::2], rows[1::2], strict=True)  # 17 + 4 · version rows, and nine: an even number
    return "\n".join(_half_blocks(_bits(upper), _bits(lower), symbol.width) for upper, lower in pairs)


def qr_modules(text: str, level: Level = Level.MEDIUM) -> tuple[int, bytes]:
    """Compute a QR symbol: its width in modules and width × width bytes, 0 dark and 255 light, without quiet zone."""
    _require_text(text)
    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=level.value)
    return _modules(barcode)


def _symbol(text: str, symbology: Symbology, level: Level) -> _Symbol:
    if symbology is Symbology.CODE128:
        bars = _code128_bars(text)
        row = _pack(bars, CODE128_QUIET_ZONE)
        return _Symbol(len(bars) + 2 * CODE128_QUIET_ZONE, [row], CODE128_BAR_HEIGHT, CODE128_QUIET_ZONE)
    width, modules = qr_modules(text, level)
    rows = [_pack(modules[start : start + width], QUIET_ZONE) for start in range(0, width * width, width)]
    return _Symbol(width + 2 * QUIET_ZONE, rows, 1, QUIET_ZONE)


def _code128_bars(text: str) -> bytes:
    if len(text) != CODE128_LENGTH or not (text.isascii() and text.isdigit()):
        raise PictureUnfit(f"Code 128 is drawn for {CODE128_LENGTH} digits only")
    width, modules = _modules(zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.Code128))
    return modules[:width]


def _modules(barcode: zxingcpp.Barcode) -> tuple[int, bytes]:
    picture: Any = barcode.to_image(scale=1, add_quiet_zones=False)  # a buffer, which its type stub does not know
    return picture.shape[1], memoryview(picture).tobytes()


def _require_text(text: str) -> None:
    if not (0 < len(text) <= MAX_TEXT_LENGTH and text.isascii() and text.isprintable()):
        raise PictureUnfit(f"a picture carries 1 to {MAX_TEXT_LENGTH} printable ASCII characters")


def _require_scale(scale: int) -> None:
    if not 1 <= scale <= MAX_SCALE:
        raise PictureUnfit(f"the scale is 1 to {MAX_SCALE}")


def _pack(modules: bytes, quiet: int) -> bytes:
    width = len(modules) + 2 * quiet
    size = (width + 7) // 8
    dark = int(modules.replace(b"\xff", b"0").replace(b"\x00", b"1"), 2)
    return (dark << (size * 8 - width + quiet)).to_bytes(size, "big")


def _png_row(row: bytes, width: int, scale: int) -> bytes:
    table = _png_table(scale)
    pixels = b"".join([table[byte] for byte in row])
    return b"\0" + pixels[: (width * scale + 7) // 8]  # the leading byte: no filter (PNG, 9.2)


@lru_cache(maxsize=MAX_SCALE)
def _png_table(scale: int) -> list[bytes]:
    """For each byte of eight modules the ``scale`` bytes of their pixels, light = 1."""
    return [
        int("".join(("0" if bit == "1" else "1") * scale for bit in f"{byte:08b}"), 2).to_bytes(scale, "big")
        for byte in range(256)
    ]


def _png(width: int, height: int, rows: bytes) -> bytes:
    header = struct.pack(">II", width, height) + _GREY_ONE_BIT
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, _ZLIB_LEVEL)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(name, data) for name, data in chunks)


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@lru_cache(maxsize=256)
def _svg_byte(byte: int) -> str:
    """Write eight modules as relative strokes and moves: whatever stands beside them, they join without a seam."""
    runs = f"{byte:08b}".replace("01", "0 1").replace("10", "1 0").split()
    return "".join(f"h{len(run)}" if run[0] == "1" else f"m{len(run)} 0" for run in runs)


def _bits(row: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in row)


def _half_blocks(upper: str, lower: str, width: int) -> str:
    blocks = {"00": "█", "01": "▀", "10": "▄", "11": " "}  # light is drawn: the terminal is dark
    return "".join(blocks[above + below] for above, below in zip(upper[:width], lower[:width], strict=True))
