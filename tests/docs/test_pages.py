"""What the documents link to, name and print is there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli import VERSION, main
from tests.docs.pages import PAGES, ROOT, anchors_of, code_in, fenced, links_of, name_of, prose_of, rows_of, text_of

TARGETS = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
CALL = re.compile(r"(?:^|[\s(;|])ecard((?:[ \t]+[^|;&()#\n]+)?)")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_link_leads_somewhere(page):
    assert [link for link in links_of(page) if not is_good(page, link)] == []


def is_good(page: Path, link: str) -> bool:
    if re.match(r"https?://", link):
        return True  # outside; nothing here asks the network
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or ROOT not in (target, *target.parents):
        return False
    return not anchor or anchor in anchors_of(target)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_command_of_ours_exists_with_its_options(page):
    assert [fault for call in calls_in(page) if (fault := fault_of(call))] == []


def calls_in(page: Path) -> Iterator[str]:
    """Yield what stands after `ecard` in shell blocks and in backticks."""
    in_prose = [code for code in code_in(prose_of(page)) if code.startswith("ecard ")]
    for text in [*fenced(page, "sh"), *fenced(page, "ini"), *in_prose]:
        yield from (found.strip() for found in CALL.findall(text) if "…" not in found)


def fault_of(call: str) -> str | None:
    command: click.Command = main
    context = click.Context(main, info_name="ecard")
    words = shlex.split(call.replace("$(", "").replace(")", ""))
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return f"ecard {call}: no command {words[0]}"
        command, context = found, click.Context(found, info_name=words.pop(0), parent=context)
    known = {spelling for option in command.get_params(context) for spelling in (*option.opts, *option.secondary_opts)}
    unknown = [word for word in words if word.startswith("--") and word not in {*known, "--version"}]
    return f"ecard {call}: no option {unknown}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_make_target_exists(page):
    printed = "\n".join([*code_in(prose_of(page)), *fenced(page, "sh")])
    assert set(re.findall(r"^make ([a-z]+)", printed, re.MULTILINE)) - TARGETS == set()


@pytest.mark.parametrize("page", DECISIONS, ids=name_of)
def test_a_decision_fits_one_page_and_says_why_and_what_would_change_it(page):
    text = text_of(page)
    assert len(text.splitlines()) <= 40
    assert text.startswith(f"# {page.name[:4]} ")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [headings[0], headings[1], headings[-1]] == ["Context", "Decision", "What would change it"]
    assert "Consequences" in headings


def test_both_readmes_print_the_same_commands():
    english, chinese = (ROOT / name for name in ("README.md", "README.zh-CN.md"))
    assert fenced(english, "sh") == fenced(chinese, "sh")


def test_the_changelog_knows_this_version():
    assert VERSION in text_of(ROOT / "CHANGELOG.md")


# ── Rows that name a test, a file or a module ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", ["docs/conformance.md", "docs/coverage.md", "docs/threat-model.md"])
def test_each_named_test_and_file_exists(page):
    assert [name for name in code_in(prose_of(ROOT / page)) if "/" in name and not is_there(name)] == []


def test_each_test_that_shows_a_figure_exists():
    named = [name for name in code_in(text_of(ROOT / "docs/performance.md")) if name.startswith("tests/")]
    assert len(named) >= 10
    assert [name for name in named if not is_there(name)] == []


def is_there(name: str) -> bool:
    path, _, test = name.partition("::")
    file = ROOT / path
    if not file.exists():
        return False
    return not test or re.search(rf"^(?:async )?def {re.escape(test)}\(", text_of(file), re.MULTILINE) is not None


def feature_rows() -> list[list[str]]:
    page = ROOT / "docs" / "coverage.md"
    sections = ("E-card and channels", "The chip card's life", "Use")
    return [cells for section in sections for cells in rows_of(page, section)]


def test_every_feature_row_is_answered():
    assert [int(cells[0]) for cells in feature_rows()] == list(range(1, 43))
    assert [cells[0] for cells in feature_rows() if cells[2] not in {"done", "part", "later"}] == []


def test_every_feature_row_that_is_not_later_names_the_test_that_shows_it():
    shown = [cells for cells in feature_rows() if cells[2] != "later"]
    assert [cells[0] for cells in shown if not any("::" in name for name in code_in(cells[3]))] == []
