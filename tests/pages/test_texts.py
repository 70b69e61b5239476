"""Every sentence is there twice, with the same values, and every sentence is used."""

import re
from pathlib import Path
from string import Formatter

import pytest

import web.login
from web.login.texts import TEXTS, Text, say

FOLDER = Path(web.login.__file__).parent
CHINESE = re.compile(r"[\u4e00-\u9fff]")
MADE_OF = (
    "level.",
    "ended.",
    "account.devices",
    "account.links",
    "account.consents",
    "account.no_",
    "account.end_",
    "account.sure_",
)
"""Texts whose names are put together in the code."""


def values_of(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("name", TEXTS)
def test_each_text_has_chinese_and_english_with_the_same_values(name):
    text = TEXTS[name]
    assert CHINESE.search(text.zh) or name.startswith("level.")
    assert text.en
    assert not CHINESE.search(text.en)
    assert values_of(text.zh) == values_of(text.en)


def test_no_chinese_stands_beside_the_texts():
    sources = [path for path in FOLDER.rglob("*") if path.suffix in {".py", ".html", ".js", ".css"}]
    beside = {path.name: CHINESE.findall(path.read_text("utf-8")) for path in sources if path.name != "texts.py"}
    assert {name: "".join(found) for name, found in beside.items() if found} == {
        "base.html": "中文",
        "errors.py": "".join(CHINESE.findall((FOLDER / "errors.py").read_text("utf-8"))),
        "dates.py": "年月日",
    }


def test_no_english_sentence_stands_in_a_template():
    for path in (FOLDER / "templates").rglob("*.html"):
        plain = re.sub(r"\{[{%].*?[%}]\}|<[^>]*>|&\w+;", " ", path.read_text("utf-8"), flags=re.DOTALL)
        assert re.findall(r"[A-Za-z]{3,} [a-z]{2,}", plain) == [], path.name


def test_every_text_is_used_and_none_is_missing():
    sources = "\n".join(path.read_text("utf-8") for path in FOLDER.rglob("*") if path.suffix in {".py", ".html"})
    used = set(
        re.findall(r"\"([a-z_]+(?:\.[a-z_A-Z0-9]+)?)\"", sources.replace((FOLDER / "texts.py").read_text("utf-8"), ""))
    )
    assert [name for name in TEXTS if name not in used and not name.startswith(MADE_OF)] == []


def test_a_text_that_is_not_there_is_a_fault():
    with pytest.raises(KeyError):
        say("en", "nothing")


def test_a_value_is_put_in_as_it_is():
    assert say("en", "back_to", name="{x}") == "Back to {x}"
    assert Text("{n} 分", "{n} min").in_language("en") == "{n} min"
