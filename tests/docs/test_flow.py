"""docs/flow.md and docs/glossary.md speak of what is there."""

import importlib
import re
from collections.abc import Iterator

import pytest

from tests.docs.pages import ROOT, code_in, prose_of
from tests.docs.tables import PACKAGES

FLOW = ROOT / "docs" / "flow.md"
GLOSSARY = ROOT / "docs" / "glossary.md"
DOTTED = re.compile(r"[a-z_]+(?:\.\w+)+")


def steps() -> Iterator[tuple[str, str]]:
    for line in prose_of(FLOW).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"\d+\.\d+", cells[0]):
            yield cells[0], cells[2]


def find(name: str) -> object:
    """Find what a dotted name means: the longest part that is a module, then attributes of it."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def test_the_story_has_all_its_acts():
    assert {int(step.split(".")[0]) for step, _ in steps()} == set(range(1, 11))


@pytest.mark.parametrize(("step", "cell"), list(steps()), ids=[step for step, _ in steps()])
def test_each_step_names_one_function_that_exists(step, cell):
    (name,) = code_in(cell)
    assert DOTTED.fullmatch(name), f"step {step} gives no module"
    assert name.split(".")[0] in PACKAGES
    assert callable(find(name))


def test_no_function_is_named_twice():
    names = [cell for _, cell in steps()]
    assert sorted(names) == sorted(set(names))


def test_each_word_of_the_glossary_is_spelt_so_in_the_code():
    sources = "\n".join(path.read_text("utf-8") for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    words = {word for line in prose_of(GLOSSARY).splitlines() if line.startswith("|") for word in code_in(line)}
    assert [word for word in sorted(words) if not re.search(rf"\b{re.escape(word)}\b", sources)] == []
