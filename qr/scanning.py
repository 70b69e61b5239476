"""Read codes out of a picture, as a camera scanner would."""

import io
import struct

import zxingcpp
from PIL import Image

from qr.errors import CodeMalformed

MAX_SIZE = 16 * 1024 * 1024  # bytes
MAX_SIDE = 4096  # pixels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">8s4x4sII")  # signature, length, IHDR, width, height: PNG, 5.2 and 11.2.2


def scan_picture(given: bytes) -> list[str]:
    """Find the texts of the QR codes and Code 128 bars in a PNG; raise CodeMalformed without a picture or a code."""
    _require_modest_png(given)
    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Code128])
    found = zxingcpp.read_barcodes(_grey(given), formats=formats)
    if not found:
        raise CodeMalformed("no code in the picture")
    return [barcode.text for barcode in found]


def _require_modest_png(given: bytes) -> None:
    # Before Pillow sees it: a few bytes can claim a picture that fills the memory.
    if not _HEADER.size <= len(given) <= MAX_SIZE:
        raise CodeMalformed("not a PNG, or too large")
    signature, name, width, height = _HEADER.unpack_from(given)
    if signature != _SIGNATURE or name != b"IHDR" or max(width, height) > MAX_SIDE:
        raise CodeMalformed("not a PNG, or too large")


def _grey(given: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(given), formats=("PNG",)) as picture:
            return picture.convert("L")
    except (OSError, SyntaxError, ValueError, EOFError, struct.error):
        raise CodeMalformed("a damaged PNG") from None
