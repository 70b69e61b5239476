"""The same pictures drawn by ``qrcode``: slow, written by others, and therefore the reference in tests and benches."""

import io
from typing import Any

import qrcode
from qrcode.constants import ERROR_CORRECT_L, ERROR_CORRECT_M
from qrcode.image.pil import PilImage
from qrcode.image.svg import SvgPathImage

from qr.image import DEFAULT_SCALE, QUIET_ZONE, Level

_LEVELS = {Level.LOW: ERROR_CORRECT_L, Level.MEDIUM: ERROR_CORRECT_M}


def draw_reference_png(text: str, *, level: Level = Level.MEDIUM, scale: int = DEFAULT_SCALE) -> bytes:
    """Draw a QR code as PNG by ``qrcode`` and Pillow."""
    return _saved(_reference(text, level, scale, None).make_image(image_factory=PilImage))


def draw_reference_svg(text: str, *, level: Level = Level.MEDIUM, scale: int = DEFAULT_SCALE) -> str:
    """Draw a QR code as SVG by ``qrcode``, its one-path form."""
    return _saved(_reference(text, level, scale, None).make_image(image_factory=SvgPathImage)).decode()


def reference_modules(text: str, *, level: Level = Level.MEDIUM, mask: int | None = None) -> tuple[int, bytes]:
    """Compute the symbol by ``qrcode`` in the form of ``qr.image.qr_modules``, under one mask or the one it chooses."""
    rows = _reference(text, level, 1, mask).modules
    return len(rows), b"".join(b"\x00" if dark else b"\xff" for row in rows for dark in row)


def _reference(text: str, level: Level, scale: int, mask: int | None) -> qrcode.QRCode[Any]:
    drawing = qrcode.QRCode(error_correction=_LEVELS[level], box_size=scale, border=QUIET_ZONE, mask_pattern=mask)
    drawing.add_data(text)
    drawing.make(fit=True)
    return drawing


def _saved(picture: PilImage | SvgPathImage) -> bytes:
    stream = io.BytesIO()
    picture.save(stream)
    return stream.getvalue()
