"""What the story looks like in a terminal."""

import json
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text


class Teller:
    """Writes the story step by step."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._step = 0

    def step(self, zh: str, en: str) -> None:
        """Begin a step."""
        self._step += 1
        self.console.print(f"\n[bold cyan]{self._step:>2}[/] [bold]{zh}[/]  {en}")

    def sent(self, who: str, what: str, content: Any = None) -> None:
        """Show who sent what."""
        self._line("→", "blue", who, what, content)

    def answered(self, who: str, what: str, content: Any = None) -> None:
        """Show what came back."""
        self._line("←", "magenta", who, what, content)

    def checked(self, what: str) -> None:
        """Show what was proven."""
        self.console.print(Text("   ✓ ", style="green").append(what, style="default"))

    def refused(self, what: str) -> None:
        """Show a refusal that belongs to the story."""
        self.console.print(Text("   ✗ ", style="yellow").append(what, style="default"))

    def note(self, what: str) -> None:
        """Say something beside the story."""
        self.console.print(Text(f"   {what}", style="dim"))

    def picture(self, drawn: str, title: str) -> None:
        """Show a QR code."""
        self.console.print(Panel(Text(drawn, style="black on white"), title=title, expand=False, border_style="dim"))

    def _line(self, arrow: str, colour: str, who: str, what: str, content: Any) -> None:
        line = Text(f"   {arrow} ", style=colour).append(f"{who}: ", style="bold").append(what)
        if content is not None:
            line.append("  " + _shortened(content), style="dim")
        self.console.print(line, overflow="fold")


def _shortened(content: Any) -> str:
    if isinstance(content, dict):
        return json.dumps({name: _cut(value) for name, value in content.items()}, ensure_ascii=False)
    return str(_cut(content))


def _cut(value: Any) -> Any:
    return value[:28] + "…" if isinstance(value, str) and len(value) > 32 else value
