"""docs/clients.md shows the examples that the tests run, white space aside: the formatter knows both."""

import re
import textwrap
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, text_of
from tests.foreign.node import EXAMPLES

PAGE = text_of(ROOT / "docs" / "clients.md")
REGION = re.compile(r"^ *(?://|#) docs: (.+?)\n(.*?)^ *(?://|#) docs end$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^<!-- example: [a-z]+, (.+?) -->\n```[a-z]+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples():
    """Return what the examples mark as shown; parts of one name belong together."""
    found = {}
    for path in sorted(path for path in EXAMPLES.iterdir() if path.is_file()):
        for name, text in REGION.findall(text_of(path)):
            found.setdefault(name, []).append(textwrap.dedent(text).strip("\n"))
    return {name: "\n\n".join(parts) + "\n" for name, parts in found.items()}


def test_the_page_shows_all_of_them():
    assert set(examples()) == {name for name, _ in SHOWN.findall(PAGE)}


@pytest.mark.parametrize("name", sorted(examples()))
def test_an_example_stands_there_as_it_is_run(name):
    shown, run = dict(SHOWN.findall(PAGE))[name], examples()[name]
    assert "".join(shown.split()) == "".join(run.split())


def test_the_versions_are_those_that_are_installed():
    lock = (ROOT / "requirements" / "lock.txt").read_text() + Path(EXAMPLES.parent, "package-lock.json").read_text()
    for name, version in re.findall(
        r"^\| \[([\w-]+)\]\(#[\w-]+\) (\d+\.\d+) \((?:Node|Python|browsers)", PAGE, re.MULTILINE
    ):
        assert re.search(
            rf"^{name.lower()}=={version}\.|{name}\": {{\n *\"version\": \"{version}\.", lock, re.MULTILINE
        ), name
