"""The project's documents as text: their links, their anchors and the tables in them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_ID = re.compile(r'<a id="([^"]+)"></a>')
_CODE = re.compile(r"`([^`\n]+)`")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", text_of(page))


def fenced(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def links_of(page: Path) -> list[str]:
    return _LINK.findall(prose_of(page))


def anchors_of(page: Path) -> set[str]:
    """Return what a link may name behind #: ids that stand in the page, and its headings as GitHub spells them."""
    prose = prose_of(page)
    return {*_ID.findall(prose), *(slug(heading) for heading in _HEADING.findall(prose))}


def slug(heading: str) -> str:
    plain = re.sub(r"[`*]", "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def code_in(text: str) -> list[str]:
    """Return what stands in backticks."""
    return _CODE.findall(text)


def rows_of(page: Path, section: str) -> Iterator[list[str]]:
    """Yield the cells of the table rows below one heading, header and rule left out."""
    parts = re.split(r"^#{1,6} ", prose_of(page), flags=re.MULTILINE)
    (text,) = [part for part in parts if part.startswith(f"{section}\n")]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
