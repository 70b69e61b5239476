"""What the measurements say, as Markdown, and whether it is what was promised."""

from dataclasses import dataclass, field

from bench.rounds import Costs, Spread, spread

SLACK = 0.75
"""A ratio holds within 20 to 30 % from one machine to another: below this part of a goal the run fails."""


@dataclass
class Report:
    """Prints as it goes, and remembers what it said and which goals were missed."""

    lines: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def note(self, text: str = "") -> None:
        """Say a line."""
        print(text, flush=True)
        self.lines.append(text)

    def heading(self, text: str) -> None:
        """Begin a section."""
        for line in ("", f"### {text}", ""):
            self.note(line)

    def table(self, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        """Show a table."""
        if self.lines and self.lines[-1]:
            self.note()
        self.note(f"| {' | '.join(head)} |")
        self.note("|" + "---|" * len(head))
        for row in rows:
            self.note(f"| {' | '.join(row)} |")
        self.note()

    def costs(self, costs: Costs, what: str) -> None:
        """Show CPU microseconds for each operation: the middle of the rounds, and their middle half."""
        self.table((what, "CPU µs"), [(name, wide(spread(values))) for name, values in costs.items()])

    def at_least(self, what: str, found: Spread, goal: float) -> None:
        """Hold a ratio against its goal."""
        line = f"{what}: {wide(found, '×')}, goal ≥ {goal:g}×"
        self._judge(line, met=found.middle >= goal, failed=found.middle < goal * SLACK)

    def at_most(self, what: str, found: float, goal: float, unit: str) -> None:
        """Hold an amount against its goal."""
        line = f"{what}: {found:,.{0 if found >= 100 else 1}f} {unit}, goal ≤ {goal:,g} {unit}"
        self._judge(line, met=found <= goal, failed=found > goal / SLACK)

    def at_least_each_second(self, what: str, found: float, goal: float) -> None:
        """Hold a speed against its goal."""
        line = f"{what}: {found:,.0f} a second, goal ≥ {goal:,g}"
        self._judge(line, met=found >= goal, failed=found < goal * SLACK)

    def _judge(self, line: str, *, met: bool, failed: bool) -> None:
        verdict = "met" if met else "missed"
        self.note(f"- {line}: **{verdict}**")
        if not met:
            self.missed.append(line)
        if failed:
            self.failed.append(line)


def wide(found: Spread, unit: str = "") -> str:
    """Write a middle with its bounds."""
    digits = 0 if found.middle >= 1000 else 1 if found.middle >= 10 else 2
    return f"{found.middle:,.{digits}f}{unit} ({found.least:,.{digits}f}–{found.most:,.{digits}f})"
