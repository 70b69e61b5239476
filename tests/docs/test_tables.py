"""Tables that are made from the code say what the code says."""

import pytest

from core.errors import Refusal
from core.settings import Settings
from tests.docs.pages import ROOT, anchors_of, name_of, rows_of, text_of
from tests.docs.tables import ABANDONED, SETTINGS, errors_below, places
from web.problems import _HTTP_TITLES

PROBLEMS = ROOT / "docs" / "problems.md"


@pytest.mark.parametrize("page", places(), ids=name_of)
def test_the_made_tables_are_fresh(page):
    assert text_of(page) == places()[page], "run: .venv/bin/python -m tests.docs.tables"


def test_every_refusal_has_its_row_and_its_anchor():
    codes = set(errors_below(Refusal))
    assert {cells[0].split("`")[1] for cells in rows_of(PROBLEMS, "Refusals")} == codes
    assert codes <= anchors_of(PROBLEMS)


def test_every_code_of_the_edge_has_its_anchor():
    edge = {code for code, _, _ in _HTTP_TITLES.values()} | {"fault"} | {f"abandoned_{reason}" for reason in ABANDONED}
    assert edge <= anchors_of(PROBLEMS)


def test_every_refusal_speaks_both_languages():
    shown = [
        (refusal.title_zh, refusal.next_zh, refusal.title_en, refusal.next_en)
        for refusal in errors_below(Refusal).values()
    ]
    assert [texts for texts in shown if not (texts[0].endswith("。") and texts[2].endswith("."))] == []
    assert [texts for texts in shown if any(ord(letter) > 0x2FF for letter in texts[2] + texts[3])] == []


def test_every_setting_is_explained_and_nothing_else():
    assert set(SETTINGS) == set(Settings.model_fields)
