"""Run the measurements and compare them with what was promised; ends with 1 where a goal is missed by far.

``--write`` also puts the figures of a whole run into docs/performance.md.
"""

import sys
from pathlib import Path

from bench import audit, channels, oauth, pictures, profiles, routes, server_choice, sm2
from bench.machine import describe_machine
from bench.report import SLACK, Report

_MEASUREMENTS = {
    "sm2": sm2.run,
    "pictures": pictures.run,
    "routes": routes.run,
    "oauth": oauth.run,
    "channels": channels.run,
    "servers": server_choice.run,
    "audit": audit.run,
    "profiles": profiles.run,
}
_PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
_BEGIN, _END = "<!-- figures of `make bench ARGS=--write` -->", "<!-- end of figures -->"


def main(arguments: list[str]) -> int:
    """Run the named measurements, or all of them."""
    names = [argument for argument in arguments if argument != "--write"]
    unknown = set(names) - set(_MEASUREMENTS)
    writing = "--write" in arguments
    if unknown or (writing and names):
        print(f"usage: python -m bench [--write | {' | '.join(_MEASUREMENTS)} ...]")
        return 2
    report = _measure(names or list(_MEASUREMENTS))
    if writing:
        _write(report)
    return 1 if report.failed else 0


def _measure(names: list[str]) -> Report:
    report = Report()
    report.heading("Machine")
    for line in describe_machine():
        report.note(f"- {line}")
    for name in names:
        _MEASUREMENTS[name](report)
    report.heading("Verdict")
    for line in report.missed:
        report.note(f"- missed: {line}")
    report.note(f"- {len(report.missed)} goals missed, {len(report.failed)} of them by more than {1 - SLACK:.0%}")
    return report


def _write(report: Report) -> None:
    before, _, rest = _PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    figures = "\n".join(report.lines).strip()
    _PAGE.write_text(f"{before}{_BEGIN}\n\n{figures}\n\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
