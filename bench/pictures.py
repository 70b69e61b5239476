"""Pictures of a signed code, against the package `qrcode` with the same size, level and quiet zone."""

import secrets

from bench.report import Report
from bench.rounds import ratio, repeat, take_turns
from qr.image import draw_png, draw_svg
from qr.reference_image import draw_reference_png, draw_reference_svg

_ROUNDS = 9


def run(report: Report) -> None:
    """Measure PNG and SVG of 222 digits."""
    report.heading("Picture of a signed code (222 digits, QR version 6-M, 8 pixels a module)")
    digits = "82" + "".join(str(secrets.randbelow(10)) for _ in range(220))
    png = take_turns(
        {"ours": repeat(lambda: draw_png(digits), 60), "qrcode": repeat(lambda: draw_reference_png(digits), 5)},
        _ROUNDS,
    )
    svg = take_turns(
        {"ours": repeat(lambda: draw_svg(digits), 60), "qrcode": repeat(lambda: draw_reference_svg(digits), 5)},
        _ROUNDS,
    )
    for what, costs, goal in (("PNG", png, 12), ("SVG", svg, 8)):
        report.costs(costs, what)
        report.at_least(f"{what} against qrcode", ratio(costs, "qrcode", "ours"), goal)
